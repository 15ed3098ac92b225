"""What comes and goes by HTTP about reconciliation: bounded, in fen, times in UTC, days in Asia/Shanghai."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from services.donation.intake import CampaignId, Words
from services.donation.reconciliation.bill_formats import Format

BreakKind = Literal[
    "missing_here",
    "missing_there",
    "amount_differs",
    "refund_missing_here",
    "refund_missing_there",
    "fee_differs",
]
BillState = Literal["current", "superseded"]
BreakState = Literal["open", "settled", "resolved"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TermsBody(_Strict):
    """What was agreed with a channel about its bills."""

    format: Format
    daily: Annotated[bool, Field(description="it owes a bill of every day")] = True
    due_from: Annotated[date, Field(description="the first day that it owes a bill of, in Asia/Shanghai")]
    campaign_id: Annotated[
        CampaignId | None, Field(description="what late donations are given to when the bill does not say")
    ] = None


class Terms(TermsBody):
    """The same, with who said so."""

    channel: str
    set_by: str
    set_at: datetime


class Bill(BaseModel):
    """A bill as it was taken. `fees_fen`: what the channel kept, less what it gave back. `doubts`: what was
    odd about it, when a person took it all the same.
    """

    model_config = ConfigDict(from_attributes=True)

    bill_id: int
    channel: str
    day: date
    sha256: str
    format: str
    state: BillState
    payments: int
    payments_fen: int
    refunds: int
    refunds_fen: int
    fees_fen: int
    imported_by: str
    imported_at: datetime
    doubts: list[str] | None

    @classmethod
    def of(cls, row: Any) -> Self:
        """The bill of a row."""
        return cls.model_validate({**row._mapping, "sha256": row.sha256.hex()})  # noqa: SLF001 - public


class BillPage(BaseModel):
    """A part of the list; `next` is the `before` of the next part."""

    items: list[Bill]
    next: int | None


class Day(BaseModel):
    """How a day of a channel stands. `ours…`: our donations of that day, held ones among them, without what
    was voided; `matched…`: those that the channel's bills have with the same amount. `share` is
    matched_fen ÷ ours_fen; null: there was nothing. The bill's figures are null while it has not come.
    """

    model_config = ConfigDict(from_attributes=True)

    channel: str
    day: date
    ours: int
    ours_fen: int
    held: int
    held_fen: int
    conflicted: int
    matched: int
    matched_fen: int
    share: float | None
    bill_id: int | None
    payments: int | None
    payments_fen: int | None
    refunds: int | None
    refunds_fen: int | None
    fees_fen: int | None
    open_breaks: dict[str, int]
    judged_at: datetime

    @classmethod
    def of(cls, row: Any) -> Self:
        """The day of a row of queries.days."""
        share = row.matched_fen / row.ours_fen if row.ours_fen else None
        return cls.model_validate({**row._mapping, "share": share, "open_breaks": row.open})  # noqa: SLF001 - public


class Share(BaseModel):
    """How much of a channel's money agrees with its bills, of the days that one is owed for or has come for.
    A day without its bill agrees with nothing. `share` is matched_fen ÷ ours_fen; null: there was nothing.
    """

    channel: str
    ours_fen: int
    matched_fen: int
    share: float | None

    @classmethod
    def of(cls, row: Any) -> Self:
        """The share of a row of queries.shares."""
        share = row.matched_fen / row.ours_fen if row.ours_fen else None
        return cls(channel=row.channel, ours_fen=row.ours_fen, matched_fen=row.matched_fen, share=share)


class MissingBill(BaseModel):
    """A bill that is due and has not come. `terms_missing`: nothing was agreed with the channel, and it gave
    money that day.
    """

    model_config = ConfigDict(from_attributes=True)

    channel: str
    day: date
    terms_missing: bool


class Break(BaseModel):
    """A difference. `ours_fen` and `theirs_fen` are amounts, of fee_differs the fees; null: nothing on that
    side. `campaign_id`: what a missing donation is booked for, as far as that is known; `asked_at`: when it
    was put on the channel's topic. Settled: both sides agree after all.
    """

    model_config = ConfigDict(from_attributes=True)

    break_id: int
    channel: str
    day: date
    kind: BreakKind
    transaction_id: str
    reversal_id: str | None
    ours_fen: int | None
    theirs_fen: int | None
    occurred_at: datetime
    campaign_id: str | None
    asked_at: datetime | None
    state: BreakState
    opened_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None


class BreakPage(BaseModel):
    """A part of the list; `next` is the `after` of the next part."""

    items: list[Break]
    next: int | None


class HistoryLine(BaseModel):
    """One thing that became of a break."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    who: str
    what: str
    reason: str | None
    ours_fen: int | None
    theirs_fen: int | None


class BreakWithHistory(Break):
    """A break and all that became of it, first things first."""

    history: list[HistoryLine]


class ResolveBody(_Strict):
    """Why a difference is none."""

    reason: Words


class BookBody(_Strict):
    """What the missing money was for; of a break that knows, nothing."""

    campaign_id: CampaignId | None = None


class MonthTotal(BaseModel):
    """A channel's month: what it gave, what of it agrees, what its bills say and kept."""

    model_config = ConfigDict(from_attributes=True)

    channel: str
    month: str
    ours: int
    ours_fen: int
    matched: int
    matched_fen: int
    bills: int
    bills_fen: int
    refunds_fen: int
    fees_fen: int
