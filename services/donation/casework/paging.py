"""How a list of many is asked for part by part: by the place of the last one seen, never by a count. Pure."""

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from shared.refusals import Refused

_AT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_POSITION: Final = re.compile(r"([A-Za-z0-9._-]{1,249}/[0-9]{1,10})~([0-9]{1,18})", re.ASCII)


class PlaceUnknown(Refused):
    """An `after` that no list gave."""

    code = "invalid-field"
    title = "The list can't be continued there"
    status = 422


class AfterDonation(NamedTuple):
    """The last donation seen. `at` in UTC; the id tells it from others of the same moment."""

    at: datetime
    donation_id: UUID

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC).strftime(_AT)}~{self.donation_id}"

    @classmethod
    def parse(cls, text: str) -> "AfterDonation":
        """Read what `str` made. Raises PlaceUnknown."""
        at, _, donation_id = text.partition("~")
        try:
            return cls(_read(at), UUID(donation_id))
        except ValueError:
            raise _unknown() from None


class AfterPosition(NamedTuple):
    """The last record seen. `at` in UTC; its position tells it from others of the same moment."""

    at: datetime
    source: str
    sequence: int

    def __str__(self) -> str:
        return f"{self.at.astimezone(UTC).strftime(_AT)}~{self.source}~{self.sequence}"

    @classmethod
    def parse(cls, text: str) -> "AfterPosition":
        """Read what `str` made. Raises PlaceUnknown."""
        at, _, position = text.partition("~")
        found = _POSITION.fullmatch(position)
        try:
            if found is not None:
                return cls(_read(at), found[1], int(found[2]))
        except ValueError:
            pass
        raise _unknown()


def _read(at: str) -> datetime:
    return datetime.strptime(at, _AT).replace(tzinfo=UTC)


def _unknown() -> PlaceUnknown:
    return PlaceUnknown("after: send the `next` of the part before.", fields=["after"])
