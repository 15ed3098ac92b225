"""Entries (记账凭证): which event is booked how. Pure.

| event | debit 借 | credit 贷 |
| --- | --- | --- |
| donations of a batch | 应收渠道款 | 捐赠收入—限定性收入 |
| reversals of a batch | 捐赠收入—限定性收入 | 应收渠道款 |
| a disbursement, when it is paid | 业务活动成本, 管理费用 or 筹资费用, by its category | 银行存款 |
| what comes back of it | 银行存款 | what the disbursement debited |
| a transfer, in the fund it leaves | 限定性净资产; to a trust: 业务活动成本—设立慈善信托 | 银行存款 |
| the same, in the fund it goes to | 银行存款 | 限定性净资产 |
| goods given in kind, when a second person has counted them | 存货 | 捐赠收入—限定性收入（实物） |
| goods handed out | 业务活动成本—物资发放 | 存货 |
| goods that come back | 存货 | 业务活动成本—物资发放 |
| goods written off | 管理费用—存货损失 | 存货 |
| goods taken back of a gift | 捐赠收入—限定性收入（实物） | 存货 |
| a reversal (冲销) | what the entry credits | what it debits |

Every posting of an event names its campaign, and each entry is balanced in each campaign by itself, so that
every fund has a trial balance of its own. A donation is booked whole: what a channel keeps of it is told by
its settlement, and borne by unrestricted money (docs/decisions/0009-ledger.md). Held and conflicted donations
moved no money. Approvals and pledges are no postings.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from services.campaign.ledger.accounts import (
    BANK,
    CHART,
    EXPENSE_OF,
    GOODS_COST,
    GOODS_INCOME,
    GOODS_LOSS,
    INVENTORY,
    RECEIVABLE,
    RESTRICTED_INCOME,
    RESTRICTED_NET_ASSETS,
    TRUST_COST,
    Side,
)
from shared.events import DonationReceived, DonationReversed, Event
from shared.events.campaigns import SpendingCategory
from shared.refusals import Refused

POSTING_MAX_FEN: Final = 10**15
"""The largest posting, in fen. A sum of a batch that is larger becomes several."""

BUSINESS: Final = "books"
"""The journal of the service's own business."""

SERVICE: Final = "campaign"
"""Who has recorded what no person has."""

_DAY_ZONE: Final = ZoneInfo("Asia/Shanghai")


class Kind(StrEnum):
    """What an entry is made of."""

    DONATIONS = "donations"
    CARRIED = "carried"
    """What a source had brought before there was a ledger; migration 0002 has booked it."""
    DISBURSEMENT = "disbursement"
    RETURN = "return"
    """What came back of a disbursement."""
    TRANSFER = "transfer"
    GOODS = "goods"
    """Goods that came in or moved; the postings say how."""
    OPENING = "opening"
    VOUCHER = "voucher"
    REVERSAL = "reversal"


SUMMARIES: Final = (Kind.DONATIONS, Kind.CARRIED)
"""Many events in one entry; the donation service has them one by one (明细账)."""

BY_HAND: Final = (Kind.OPENING, Kind.VOUCHER, Kind.REVERSAL)
"""Written by one person and booked by another."""

TWO_PEOPLE: Final = (*BY_HAND, Kind.TRANSFER, Kind.RETURN)
"""Asked for by `recorded_by`, decided by `confirmed_by`, with the reason as the note."""


class Unbalanced(Refused):
    """Debits that are not equal to the credits."""

    code = "ledger-unbalanced"
    title = "Debits and credits differ"
    status = 422


class FundByHand(Refused):
    """A voucher that would change a campaign's fund, which the guardrail and the public totals would deny."""

    code = "ledger-fund-by-hand"
    title = "A campaign's fund can't be changed by hand"
    status = 422


@dataclass(frozen=True, slots=True)
class Posting:
    """One line: `amount_fen` (1 … POSTING_MAX_FEN) on one side of an account, for a campaign or for none."""

    account: str
    campaign_id: str | None
    side: Side
    amount_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to be booked, before it has its place in a journal.

    `event_on` is the event's day in Asia/Shanghai. A summary has `source`, the sequences of the first and the
    last event in it, and how many there are; everything else has `subject`, the id of its disbursement,
    return, transfer, gift, movement or draft.
    """

    kind: Kind
    event_on: date
    recorded_by: str
    postings: tuple[Posting, ...]
    confirmed_by: str | None = None
    source: str | None = None
    first_sequence: int | None = None
    last_sequence: int | None = None
    donations: int | None = None
    reversals: int | None = None
    subject: UUID | None = None
    reverses: int | None = None
    note: str | None = None

    @property
    def journal(self) -> str:
        """The chain it belongs to: one for each source, so that workers never meet, one for all business."""
        return BUSINESS if self.source is None else journal_of(self.source)


def journal_of(source: str) -> str:
    """The journal of what a source brings."""
    return f"donations:{source}"


def day_of(moment: datetime) -> date:
    """The day in Asia/Shanghai. A time at the end of all calendars keeps the day it names."""
    try:
        return moment.astimezone(_DAY_ZONE).date()
    except OverflowError:
        return moment.date()


def require_balanced(postings: Iterable[Posting]) -> None:
    """Raise Unbalanced unless debits equal credits in each campaign, and in what names none."""
    surplus: defaultdict[str | None, int] = defaultdict(int)
    for posting in postings:
        surplus[posting.campaign_id] += posting.amount_fen * (1 if posting.side is Side.DEBIT else -1)
    for campaign_id, fen in surplus.items():
        if fen:
            where = "without a campaign" if campaign_id is None else f"for {campaign_id}"
            raise Unbalanced(
                f"The postings {where} have {abs(fen)} fen more {'debit' if fen > 0 else 'credit'}. "
                "Each campaign's debits must equal its credits.",
                fields=["postings"],
                campaign_id=campaign_id,
                difference_fen=fen,
            )


def require_no_fund(postings: Iterable[Posting]) -> None:
    """Raise FundByHand when a posting changes what a campaign's fund has."""
    for posting in postings:
        changes = CHART[posting.account].of_fund or posting.account == INVENTORY
        if posting.campaign_id is not None and changes:
            raise FundByHand(
                f"{posting.account} for {posting.campaign_id} would change the fund or its goods. Donations, "
                "their reversals, disbursements, transfers and goods alone do that; name no campaign.",
                fields=["postings"],
                account=posting.account,
                campaign_id=posting.campaign_id,
            )


# ---------------------------------------------------------------- donations


@dataclass(slots=True)
class _Summary:
    received_fen: int = 0
    reversed_fen: int = 0
    donations: int = 0
    reversals: int = 0
    first_sequence: int = -1
    last_sequence: int = -1


def of_donations(events: Iterable[Event]) -> list[Entry]:
    """A batch's donations and reversals: one entry per source, day and campaign, in this order.

    The day is the one on which the donor gave, or the money went back, not the one it was heard of. `events`
    come in the order of their sequences, as shared.positions.admit gives them back.
    """
    summaries: defaultdict[tuple[str, date, str], _Summary] = defaultdict(_Summary)
    for event in events:
        if isinstance(event, DonationReceived):
            summary = summaries[event.source, day_of(event.data.occurred_at), event.data.campaign_id]
            summary.received_fen += event.data.amount_fen
            summary.donations += 1
        elif isinstance(event, DonationReversed):
            summary = summaries[event.source, day_of(event.data.occurred_at), event.data.campaign_id]
            summary.reversed_fen += event.data.amount_fen
            summary.reversals += 1
        else:
            continue
        if summary.first_sequence < 0:
            summary.first_sequence = event.sequence
        summary.last_sequence = event.sequence
    return [
        Entry(
            kind=Kind.DONATIONS,
            event_on=day,
            recorded_by=SERVICE,
            postings=(
                *_between(RECEIVABLE, RESTRICTED_INCOME, campaign_id, summary.received_fen),
                *_between(RESTRICTED_INCOME, RECEIVABLE, campaign_id, summary.reversed_fen),
            ),
            source=source,
            first_sequence=summary.first_sequence,
            last_sequence=summary.last_sequence,
            donations=summary.donations,
            reversals=summary.reversals,
        )
        for (source, day, campaign_id), summary in sorted(summaries.items())
    ]


def _between(debit: str, credit: str, campaign_id: str, amount_fen: int) -> Iterator[Posting]:
    """Debit one account and credit another, in parts that a posting can hold; nothing for nothing."""
    while amount_fen > 0:
        part = min(amount_fen, POSTING_MAX_FEN)
        yield Posting(debit, campaign_id, Side.DEBIT, part)
        yield Posting(credit, campaign_id, Side.CREDIT, part)
        amount_fen -= part


# ---------------------------------------------------------------- business


def of_disbursement(
    disbursement_id: UUID,
    campaign_id: str,
    amount_fen: int,
    *,
    category: SpendingCategory,
    paid_by: str,
    paid_on: date,
) -> Entry:
    """A disbursement that was paid."""
    return Entry(
        kind=Kind.DISBURSEMENT,
        event_on=paid_on,
        recorded_by=paid_by,
        postings=tuple(_between(EXPENSE_OF[category], BANK, campaign_id, amount_fen)),
        subject=disbursement_id,
    )


def of_return(
    return_id: UUID,
    campaign_id: str,
    amount_fen: int,
    *,
    category: SpendingCategory,
    returned_on: date,
    recorded_by: str,
    confirmed_by: str,
    reason: str,
) -> Entry:
    """What came back of a disbursement: it lowers the expense, also that of a year before."""
    return Entry(
        kind=Kind.RETURN,
        event_on=returned_on,
        recorded_by=recorded_by,
        confirmed_by=confirmed_by,
        postings=tuple(_between(BANK, EXPENSE_OF[category], campaign_id, amount_fen)),
        subject=return_id,
        note=reason,
    )


def of_transfer(
    transfer_id: UUID,
    campaign_id: str,
    to_campaign_id: str | None,
    amount_fen: int,
    *,
    decided_on: date,
    asked_by: str,
    approved_by: str,
    reason: str,
) -> Entry:
    """A transfer that was approved; without `to_campaign_id` the money went to a charitable trust.

    Balanced in each of the two campaigns. 限定性净资产 moves directly, so that what was received once is not
    income a second time.
    """
    out = _between(
        TRUST_COST if to_campaign_id is None else RESTRICTED_NET_ASSETS, BANK, campaign_id, amount_fen
    )
    into = () if to_campaign_id is None else _between(BANK, RESTRICTED_NET_ASSETS, to_campaign_id, amount_fen)
    return Entry(
        kind=Kind.TRANSFER,
        event_on=decided_on,
        recorded_by=asked_by,
        confirmed_by=approved_by,
        postings=(*out, *into),
        subject=transfer_id,
        note=reason,
    )


_GOODS: Final = {
    "received": (INVENTORY, GOODS_INCOME),
    "distribution": (GOODS_COST, INVENTORY),
    "return": (INVENTORY, GOODS_COST),
    "write_off": (GOODS_LOSS, INVENTORY),
    "reversal": (GOODS_INCOME, INVENTORY),
}


def of_goods(
    how: str, subject: UUID, campaign_id: str, value_fen: int, *, recorded_by: str, event_on: date
) -> Entry:
    """Goods that came in (`how` received) or a movement of them (the name of its kind), at their value.

    `subject` is the gift's or the movement's id.
    """
    debit, credit = _GOODS[how]
    return Entry(
        kind=Kind.GOODS,
        event_on=event_on,
        recorded_by=recorded_by,
        postings=tuple(_between(debit, credit, campaign_id, value_fen)),
        subject=subject,
    )


def turned(postings: Sequence[Posting]) -> tuple[Posting, ...]:
    """The postings of a reversal: the same with sides changed."""
    return tuple(
        Posting(each.account, each.campaign_id, each.side.other, each.amount_fen) for each in postings
    )
