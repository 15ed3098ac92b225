"""What comes and goes by HTTP about decisions: bounded, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.campaign.decisions.rules import DecisionKind, DecisionState
from services.campaign.schemas import Body, CampaignId, Day, Line, Next, Paragraph


class DecisionBody(Body):
    """What every decision states."""

    resolution: Line = Field(description="The resolution it rests on, such as 理事会〔2026〕3号")
    reason: Paragraph = Field(description="Why; stays in this service")
    public_statement: Paragraph = Field(description="The statement to the public, or its address; published")
    decided_on: Day | None = Field(
        None, description="The day of the resolution, a date in Asia/Shanghai, not ahead; without it: today"
    )


class ChangeOfUseBody(DecisionBody):
    """Other uses than the filed ones (变更捐赠财产用途, Charity Law art. 56)."""

    uses: Annotated[list[Line], Field(min_length=1, max_length=20)] = Field(
        description="All uses as they are to be from now on; they take the place of the present ones"
    )
    bureau_reference: Line = Field(description="Under which the bureau has recorded the change")


class RemainderBody(DecisionBody):
    """Where goes what is left of a closed campaign (剩余财产, Charity Law art. 58)."""

    to_campaign_id: CampaignId = Field(description="A campaign of the same or a similar purpose")
    bureau_reference: Line | None = Field(None, description="The bureau's record, where there is one")


class WithdrawBody(Body):
    """Why something that waits is not decided."""

    reason: Paragraph = Field(description="Stays in this service, with who and when")


class Decision(BaseModel):
    """A decision about a campaign's money. Times are UTC, amounts fen."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    decision_id: UUID
    campaign_id: str
    kind: DecisionKind
    state: DecisionState
    version: int = Field(description="Grows with each change; the ETag")
    decided_on: date = Field(description="The day of the resolution, in Asia/Shanghai")
    resolution: str
    reason: str
    bureau_reference: str | None
    public_statement: str
    uses_before: list[str] | None
    uses_after: list[str] | None
    to_campaign_id: str | None
    moved_fen: int | None = Field(description="What went to the other fund, when it was decided")
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    withdraw_reason: str | None


class DecisionPage(BaseModel):
    """A part of a campaign's decisions, oldest first."""

    items: list[Decision]
    next: Next
