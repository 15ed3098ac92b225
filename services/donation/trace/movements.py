"""From the campaigns' events to the rows of the trace: pure. What an event says of names is not taken."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Literal
from uuid import UUID

from services.donation.receipts.numbering import ACCOUNTING_TIME
from shared.events import (
    Event,
    FundsDisbursed,
    FundsReturned,
    FundsTransferred,
    GoodsDistributed,
    GoodsReceived,
    GoodsReturned,
    GoodsReversed,
    GoodsWrittenOff,
)
from shared.events.campaigns import FundsTransferredData, Helped

Kind = Literal[
    "payment",
    "return",
    "transfer_in",
    "transfer_out",
    "goods_in",
    "goods_back",
    "goods_out",
    "goods_returned",
    "goods_lost",
]
MAX_NAMED: Final = 3
"""Goods that are named of one distribution; the event has them all."""


@dataclass(frozen=True, slots=True)
class Movement:
    """Money or goods of one campaign that moved, at the position of its event.

    `other` is the campaign or the trustee at a transfer's other end, `donation_id` what a split divides.
    `title` says what a use was in particular. `helped`: (unit, what is counted when that does not say so).
    """

    source: str
    sequence: int
    kind: Kind
    campaign_id: str
    amount_fen: int
    moved_on: date
    announced_at: datetime
    use: str | None = None
    title: str | None = None
    about: UUID | None = None
    other: str | None = None
    donation_id: UUID | None = None
    helped: Mapping[tuple[str, str], int] = field(default_factory=dict)


def movements_of(events: Iterable[Event]) -> list[Movement]:
    """What these events moved, in their order. Types that move nothing are passed over."""
    return [
        movement
        for event in events
        for movement in (_money_moved(event) or _goods_moved(event))
        if movement.amount_fen
    ]


def _money_moved(event: Event) -> list[Movement]:
    match event:
        case FundsDisbursed(data=paid):
            return [
                Movement(
                    event.source,
                    event.sequence,
                    "payment",
                    paid.campaign_id,
                    paid.amount_fen,
                    paid.paid_on or _day(event),
                    event.time,
                    use=paid.use,
                    title=paid.title,
                    about=paid.disbursement_id,
                    helped=_helped((paid.beneficiary_unit, "", paid.beneficiaries), paid.also_helped),
                )
            ]
        case FundsReturned(data=back):
            return [
                Movement(
                    event.source,
                    event.sequence,
                    "return",
                    back.campaign_id,
                    back.amount_fen,
                    back.returned_on,
                    event.time,
                    about=back.disbursement_id,
                )
            ]
        case FundsTransferred(data=moved):
            return list(_transferred(event, moved))
        case _:
            return []


def _goods_moved(event: Event) -> list[Movement]:
    """At their stated value; goods of no value are not shown."""

    def moved(kind: Kind, campaign_id: str, value_fen: int, day: date, **facts: Any) -> list[Movement]:
        return [
            Movement(event.source, event.sequence, kind, campaign_id, value_fen, day, event.time, **facts)
        ]

    match event:
        case GoodsReceived(data=gift):
            return moved("goods_in", gift.campaign_id, gift.value_fen, gift.received_on)
        case GoodsReversed(data=back):
            return moved("goods_back", back.campaign_id, back.value_fen, back.reversed_on)
        case GoodsDistributed(data=out):
            return moved(
                "goods_out",
                out.campaign_id,
                out.value_fen,
                out.distributed_on,
                use=out.use,
                title="、".join(dict.fromkeys(item.description for item in out.items[:MAX_NAMED])),
                about=out.distribution_id,
                helped=_helped((out.beneficiary_unit, "", out.beneficiaries), ()),
            )
        case GoodsReturned(data=again):
            about = again.distribution_id
            return moved("goods_returned", again.campaign_id, again.value_fen, again.returned_on, about=about)
        case GoodsWrittenOff(data=lost):
            return moved("goods_lost", lost.campaign_id, lost.value_fen, lost.written_off_on)
        case _:
            return []


def _transferred(event: Event, moved: FundsTransferredData) -> Iterator[Movement]:
    """A row for each end that is a campaign: a trust has no books here."""
    ends: list[tuple[Kind, str | None, str | None]] = [
        ("transfer_out", moved.campaign_id, moved.to_campaign_id or moved.trust or moved.trustee),
        ("transfer_in", moved.to_campaign_id, moved.campaign_id),
    ]
    for kind, campaign_id, other in ends:
        if campaign_id is not None:
            yield Movement(
                event.source,
                event.sequence,
                kind,
                campaign_id,
                moved.amount_fen,
                moved.decided_on,
                event.time,
                other=other,
                donation_id=moved.donation_id,
            )


def _helped(first: tuple[str, str, int], others: Iterable[Helped]) -> dict[tuple[str, str], int]:
    """Counts that are in one unit of one thing are added up; what helped nobody is left out."""
    counts: Counter[tuple[str, str]] = Counter()
    for unit, of, count in (first, *((each.unit, each.of or "", each.count) for each in others)):
        counts[unit, of] += count
    return {counted: count for counted, count in counts.items() if count}


def _day(event: Event) -> date:
    """The day of an event that names none of its own."""
    return event.time.astimezone(ACCOUNTING_TIME).date()
