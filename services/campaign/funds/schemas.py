"""What comes and goes by HTTP about funds: bounded, in fen, in UTC, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.funds.named import TermsState
from services.campaign.funds.transfers import TransferKind, TransferState
from services.campaign.schemas import Body, CampaignId, Day, Fen, Line, Next, Paragraph


class CorrectionBody(Body):
    """What came into the wrong fund, and where it belongs."""

    to_campaign_id: CampaignId = Field(description="The campaign whose fund it belongs to")
    amount_fen: Fen = Field(description="In fen")
    reason: Paragraph = Field(description="What was wrong; stays in this service and its ledger")
    reference: Line | None = Field(None, description="The decision's number, the letter, the receipt, …")
    decided_on: Day | None = Field(
        None, description="The day of the decision, a date in Asia/Shanghai, not ahead; without it today"
    )


class TrustBody(Body):
    """A named fund, or a part of it, becomes a charitable trust (慈善信托)."""

    amount_fen: Fen = Field(description="In fen; the whole balance, or a part")
    trustee: Line = Field(description="受托人; published")
    trust: Line = Field(description="The trust's name, with its filing number; published")
    reason: Paragraph = Field(description="Stays in this service and its ledger")
    reference: Line = Field(description="The donor's written consent, or the agreement's clause")
    decided_on: Day | None = Field(
        None, description="The day of the decision, a date in Asia/Shanghai, not ahead; without it today"
    )


class NamedFundBody(Body):
    """The terms of a named fund, whole: whose wish its money belongs to, and how long it may lie."""

    name: Line = Field(description="基金名称, as it is shown")
    donor: Line = Field(description="捐赠人; stays in this service")
    wish: Paragraph = Field(description="捐赠人意愿: what the money is for")
    agreement: Line = Field(description="捐赠协议编号")
    signed_on: Day = Field(description="A date in Asia/Shanghai, not ahead")
    idle_after_days: Annotated[int, Field(strict=True, ge=1, le=3660)] = Field(
        365, description="Money that lies longer is shown as idle"
    )
    reason: Paragraph = Field(description="Why these terms are written; of a change, what changed")


class WithdrawBody(Body):
    """Why something that waits is not done."""

    reason: Paragraph = Field(description="Stays in this service, with who and when")


class Transfer(BaseModel):
    """Money that changed its fund, or is asked to. Times are UTC, amounts fen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    transfer_id: UUID
    kind: TransferKind
    state: TransferState
    version: int = Field(description="Grows with each change; the ETag")
    from_campaign_id: str
    to_campaign_id: str | None = Field(description="null: it left the books, to the trustee")
    amount_fen: int
    decided_on: date = Field(description="The day of the decision, in Asia/Shanghai")
    reason: str
    reference: str | None
    trustee: str | None
    trust: str | None
    decision_id: UUID | None = Field(description="Of a remainder: the decision that it follows")
    split_id: UUID | None
    donation_id: UUID | None
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    withdraw_reason: str | None


class TransferPage(BaseModel):
    """A part of the transfers from and to a campaign's fund."""

    items: list[Transfer]
    next: Next


class Terms(BaseModel):
    """One version of a named fund's terms, and who wrote and decided it. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    campaign_id: str
    version: int = Field(description="Grows with each new version; the newest is the ETag")
    state: TermsState
    name: str
    donor: str
    wish: str
    agreement: str
    signed_on: date
    idle_after_days: int
    reason: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None


class NamedFund(BaseModel):
    """A named fund: the terms that stand, and those that wait for their second person."""

    campaign_id: str
    version: int = Field(description="Of the newest terms; the ETag")
    standing: Terms | None
    waiting: Terms | None
    versions: list[Terms] = Field(description="The newest 100, newest first")


class FundTurnover(BaseModel):
    """How long a fund's money lies, by the ledger, on a day in Asia/Shanghai."""

    campaign_id: str
    on: date
    held_fen: int = Field(description="In the fund at the end of the day, reserved money included")
    spent_fen: int = Field(description="In the days of the window, less what came back")
    window_days: int = Field(description="365, or the fund's age")
    days_of_balance: int | None = Field(
        description="held ÷ mean daily spending, whole days; null: none spent"
    )
    oldest_on: date | None = Field(description="When the oldest unspent fen came in; null: nothing is held")
    idle_days: int | None
    idle_after_days: int | None = Field(description="By the terms of a named fund; null: it has none")
    idle: bool = Field(description="The oldest unspent fen has lain longer than the terms allow")


class NamedFundLine(BaseModel):
    """A named fund in the list: its terms, and how long its money lies."""

    terms: Terms
    turnover: FundTurnover


class NamedFundPage(BaseModel):
    """A part of the named funds, in the order of their campaigns."""

    items: list[NamedFundLine]
    next: Next
