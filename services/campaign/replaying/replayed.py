"""What a replay works with, and what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from shared.events import DonationReceived, DonationReversed, Event, FundsTransferred, RemainderDecided

UNKNOWN: Final = "不详（由事件恢复） unknown"
DECIDED_BY: Final = f"{UNKNOWN}: decided"
"""Another than who asked, as the tables want it."""


class Partly(StrEnum):
    """What was asked for after the backup, and is booked with less than its row should have."""

    PAYMENT = "payments"
    PLEDGE = "pledges"
    RELEASE = "releases of pledges"
    GIFT = "gifts of goods"
    MOVEMENT = "movements of goods"
    SPLIT = "split donations"
    TRANSFER = "transfers"
    DECISION = "decisions"


class Given(NamedTuple):
    """A donation that was split, as donation.events has it."""

    received: DonationReceived
    reversed: Sequence[DonationReversed]


@dataclass(slots=True)
class Replayed:
    """What was booked, what could not be, and what is booked with UNKNOWN in it.

    `given`: the donations that were split, by their ids.
    """

    events: Sequence[Event]
    given: Mapping[UUID, Given] = field(default_factory=dict)
    booked: list[Event] = field(default_factory=list)
    lost: list[Event] = field(default_factory=list)
    partly: dict[Partly, list[UUID]] = field(default_factory=dict)

    def lacks(self, what: Partly, which: UUID) -> None:
        """Note that something is booked with UNKNOWN in it."""
        self.partly.setdefault(what, []).append(which)

    def parts_of(self, split_id: UUID) -> list[FundsTransferred]:
        """The transfers that a split was made of, in their order."""
        found = [each for each in self.events if isinstance(each, FundsTransferred)]
        return [each for each in found if each.data.split_id == split_id and each.data.kind == "split"]

    def decision_on(self, transfer: Any) -> RemainderDecided | None:
        """The decision that a remainder's transfer follows from."""
        wanted = (transfer.campaign_id, transfer.to_campaign_id, transfer.amount_fen, transfer.decided_on)
        for each in self.events:
            if isinstance(each, RemainderDecided):
                data = each.data
                if (data.campaign_id, data.to_campaign_id, data.moved_fen, data.decided_on) == wanted:
                    return each
        return None


def splits_of(events: Sequence[Event]) -> set[UUID]:
    """The donations that were split."""
    transfers = [each.data for each in events if isinstance(each, FundsTransferred)]
    return {each.donation_id for each in transfers if each.kind == "split" and each.donation_id is not None}
