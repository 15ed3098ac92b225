"""A line of a bill, whatever form the bill came in, and what a whole bill must be. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final, Literal
from uuid import UUID

from services.donation.intake import donation_id_of, reversal_id_of
from services.donation.reconciliation.days import BILL_TIME, day_of
from shared.events.fields import CAMPAIGN_ID
from shared.money import MAX_AMOUNT_FEN
from shared.refusals import Refused

MAX_LINES: Final = 500_000
"""Lines of one bill: five times the goal's, 200 MB in memory."""
MAX_SHOWN: Final = 20

LineKind = Literal["payment", "refund"]

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_CAMPAIGN: Final = re.compile(CAMPAIGN_ID, re.ASCII)
_YUAN: Final = re.compile(r"-?\d{1,12}(?:\.\d{1,6})?", re.ASCII)
_TIME: Final = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)\s+(\d\d):(\d\d):(\d\d)", re.ASCII)


class BillUnusable(Refused):
    """A bill that is not what it is said to be: none of it was taken."""

    code = "bill-unusable"
    title = "The bill can't be used"
    status = 422


class LineUnusable(ValueError):
    """A line that can't be read; the text says why, without the line's content."""


@dataclass(frozen=True, slots=True)
class BillLine:
    """What the channel says of one movement. `amount_fen` is positive for both kinds; `fee_fen` is what the
    channel keeps, below 0 when it gives a fee back; None: the bill says nothing of it. `reversal_id` only of
    refunds: the channel's own id of it. `campaign_id`: when the bill says so. `said`: what the donor chose
    when paying, as schemes/passback.py has it.
    """

    kind: LineKind
    transaction_id: str
    amount_fen: int
    occurred_at: datetime
    fee_fen: int | None = None
    reversal_id: str | None = None
    campaign_id: str | None = None
    said: str | None = field(default=None, repr=False)

    def subject_on(self, channel: str) -> UUID:
        """The id of the donation or the reversal that this line is about."""
        if self.reversal_id is not None:
            return reversal_id_of(channel, self.reversal_id)
        return donation_id_of(channel, self.transaction_id)


def identifier(text: str, what: str) -> str:
    """An id as intake takes it. Raises LineUnusable."""
    if not _IDENTIFIER.fullmatch(text):
        raise LineUnusable(f"{what} is missing or no identifier of at most 64 characters")
    return text


def campaign(text: str) -> str | None:
    """A campaign's id when the text is one; what a shop's system writes there else is no error."""
    return text if _CAMPAIGN.fullmatch(text) else None


def amount_fen(text: str, what: str) -> int:
    """Yuan as whole fen, above 0. Raises LineUnusable."""
    fen = _fen(text, what)
    if fen != fen.to_integral_value():
        raise LineUnusable(f"{what} is finer than one fen")
    if not 1 <= fen <= MAX_AMOUNT_FEN:
        raise LineUnusable(f"{what} is not between 0.01 yuan and the most a donation can be")
    return int(fen)


def fee_fen(text: str, what: str) -> int:
    """A fee in yuan as fen, rounded half up: WeChat Pay states it with five decimals."""
    return int(_fen(text, what).quantize(Decimal(1), ROUND_HALF_UP))


def _fen(text: str, what: str) -> Decimal:
    if not _YUAN.fullmatch(text):
        raise LineUnusable(f"{what} is not an amount in yuan")
    return Decimal(text) * 100


def local_time(text: str, what: str) -> datetime:
    """A wall-clock time of Asia/Shanghai, in UTC. Raises LineUnusable."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise LineUnusable(f"{what} is not a time like 2027-01-17 20:00:00")
    try:
        return datetime(*map(int, match.groups()), tzinfo=BILL_TIME).astimezone(UTC)  # type: ignore[misc,arg-type]
    except ValueError:
        raise LineUnusable(f"{what} is a time no calendar has") from None


def require_whole(lines: Iterable[tuple[int, BillLine]], channel: str, day: date) -> dict[UUID, int]:
    """Check lines, each with its number in the file, as one bill of a day; gives each subject's number.

    Raises BillUnusable when a payment is of another day, or two lines are about the same: such a bill is of
    another day or put together by hand. A refund may be told with the time of its order.
    """
    seen: dict[UUID, int] = {}
    wrong: list[str] = []
    for number, line in lines:
        subject = line.subject_on(channel)
        if subject in seen:
            wrong.append(f"line {number}: the same {line.kind} as line {seen[subject]}")
        elif day_of(line.occurred_at) > day or (line.kind == "payment" and day_of(line.occurred_at) < day):
            wrong.append(f"line {number}: is of {day_of(line.occurred_at)}")
        seen[subject] = number
        if len(wrong) == MAX_SHOWN:
            break
    if wrong:
        raise BillUnusable(f"Nothing of the bill was taken. {wrong[0]}.", fields=["day"], lines=wrong)
    return seen
