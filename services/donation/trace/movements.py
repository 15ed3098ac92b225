"""From the campaigns' events to the rows of the trace: pure. What an event says of names is not taken."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal
from uuid import UUID

from services.donation.receipts.numbering import ACCOUNTING_TIME
from shared.events import Event, FundsDisbursed

Kind = Literal["payment", "return", "transfer_in", "transfer_out", "goods_in", "goods_out", "goods_back"]


@dataclass(frozen=True, slots=True)
class Movement:
    """Money or goods of one campaign that moved, at the position of its event. `helped`: unit → count."""

    source: str
    sequence: int
    kind: Kind
    campaign_id: str
    amount_fen: int
    moved_on: date
    announced_at: datetime
    use: str | None = None
    about: UUID | None = None
    other: str | None = None
    helped: Mapping[str, int] = field(default_factory=dict)


def movements_of(events: Iterable[Event]) -> list[Movement]:
    """What these events moved, in their order. Types that move nothing are passed over."""
    return [movement for event in events for movement in _moved(event)]


def _moved(event: Event) -> list[Movement]:
    match event:
        case FundsDisbursed(data=paid):
            return [
                Movement(
                    event.source,
                    event.sequence,
                    "payment",
                    paid.campaign_id,
                    paid.amount_fen,
                    _day(event),
                    event.time,
                    use=paid.use,
                    about=paid.disbursement_id,
                    helped={paid.beneficiary_unit: paid.beneficiaries} if paid.beneficiaries else {},
                )
            ]
        case _:
            return []


def _day(event: Event) -> date:
    """The day of an event that names none of its own."""
    return event.time.astimezone(ACCOUNTING_TIME).date()
