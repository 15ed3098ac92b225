"""What comes and goes by HTTP about funds: bounded, in fen, in UTC, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, computed_field

from services.campaign.funds.named import TermsState
from services.campaign.funds.splitting import MAX_PARTS, WHOLE_BP, Part, SplitState, too_much
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


class SplitPartBody(Body):
    """What one fund is to have: an amount, or a share."""

    campaign_id: CampaignId = Field(description="The donation's own campaign keeps its part")
    amount_fen: Fen | None = Field(None, description="In fen; with every part, or with none")
    share_bp: Annotated[int, Field(strict=True, ge=1, le=WHOLE_BP)] | None = Field(
        None, description="In basis points of what is left of the donation; together 10000"
    )


class SplitBody(Body):
    """A donation that was given for several purposes."""

    donation_id: UUID = Field(description="Of a donation in this campaign's fund")
    received_on: Day = Field(
        description="The day of its received_at, in Asia/Shanghai: from there the log is read"
    )
    parts: Annotated[list[SplitPartBody], Field(min_length=2, max_length=MAX_PARTS)] = Field(
        description="All by amounts or all by shares"
    )
    reason: Paragraph = Field(description="Stays in this service and its ledger")
    reference: Line | None = Field(None, description="The donor's letter, the agreement, …")
    decided_on: Day | None = Field(
        None, description="The day of the decision, a date in Asia/Shanghai, not ahead; without it today"
    )


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


class SplitPart(BaseModel):
    """What one fund is to have of a donation, and since the approval has. Amounts are fen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    campaign_id: str
    amount_fen: int | None
    share_bp: int | None
    given_fen: int | None = Field(description="Since the approval")
    corrected_fen: int = Field(0, description="Brought back after a reversal, or asked to be")

    @property
    def wanted(self) -> Part:
        """As the rules know it."""
        return Part(self.campaign_id, self.amount_fen, self.share_bp)


class SplitDonation(BaseModel):
    """A donation as the log says it; null in everything that has not been read yet."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    donation_id: UUID
    received_on: date
    searched_at: datetime | None = Field(description="When the log was read to its end")
    source: str | None
    sequence: int | None
    campaign_id: str | None
    amount_fen: int | None
    reversed_fen: int = Field(description="All that has gone back of it")


class Split(BaseModel):
    """A donation that is split over several funds, or asked to be. Times are UTC, amounts fen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    split_id: UUID
    campaign_id: str
    state: SplitState
    version: int = Field(description="Grows with each change; the ETag")
    decided_on: date
    reason: str
    reference: str | None
    left_fen: int | None = Field(description="What was left of the donation at the approval, and was split")
    settled_fen: int | None = Field(description="Reversals that the parts have taken account of")
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    withdraw_reason: str | None
    donation: SplitDonation
    parts: list[SplitPart]

    @property
    def to_bring_back(self) -> dict[str, int]:
        """Each other fund that has too much since reversals came, and the fen that no correction has asked
        for. Together never more than all of them have too much.
        """
        if self.left_fen is None or self.donation.amount_fen is None:
            return {}
        before_fen = self.donation.amount_fen - self.left_fen
        surplus = too_much(
            [part.given_fen or 0 for part in self.parts], self.donation.reversed_fen - before_fen
        )
        others = [
            each for each in zip(self.parts, surplus, strict=True) if each[0].campaign_id != self.campaign_id
        ]
        open_fen = sum(fen - part.corrected_fen for part, fen in others)
        found = {}
        for part, fen in others:
            wanted_fen = min(fen - part.corrected_fen, open_fen)
            if wanted_fen > 0:
                found[part.campaign_id] = wanted_fen
                open_fen -= wanted_fen
        return found

    @computed_field(description="A reversal came after the approval and is not corrected yet")  # type: ignore[prop-decorator]
    @property
    def to_correct(self) -> bool:
        """Whether it stands in the list."""
        return self.settled_fen is not None and self.donation.reversed_fen > self.settled_fen


class SplitPage(BaseModel):
    """A part of the splits."""

    items: list[Split]
    next: Next
