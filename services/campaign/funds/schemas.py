"""What comes and goes by HTTP about funds: bounded, in fen, in UTC, unknown fields refused."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

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
