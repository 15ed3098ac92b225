"""What comes and goes by HTTP about matching gifts: bounded, in fen, in UTC, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.campaign.matching.rules import MatchState
from services.campaign.pledges.rules import Display
from services.campaign.schemas import Body, CampaignId, Day, Fen, Line, Next, Paragraph, Time


def _whole_minute(value: datetime) -> datetime:
    if value.second or value.microsecond:
        raise ValueError("must be a whole minute")
    return value


Minute = Annotated[Time, AfterValidator(_whole_minute)]


class MatchBody(Body):
    """A company's promise to add to what others give (配捐)."""

    company: Line = Field(description="Who promises; stays in this service")
    display: Display = Field("name", description="What it agreed to show: its name, an alias, or anonymous")
    alias: Line | None = Field(None, description="Shown instead of the name, with display alias")
    ratio_bp: Annotated[int, Field(strict=True, ge=1, le=100_000)] = Field(
        description="What it adds to each yuan, in basis points: 10000 is one to one"
    )
    cap_fen: Fen = Field(description="The most it adds, in fen")
    window_start: Minute = Field(description="What is given from then on is matched; a whole minute")
    window_end: Minute = Field(description="What is given before then is matched; a whole minute")
    campaign_ids: Annotated[list[CampaignId], Field(min_length=1, max_length=50)] | None = Field(
        None, description="Whose donations are matched; without it this campaign's own"
    )
    agreement: Line = Field(description="The agreement's number; stays in this service")
    agreed_on: Day | None = Field(
        None, description="The day of the agreement, a date in Asia/Shanghai, not ahead; without it: today"
    )


class ConfirmBody(Body):
    """What the second person reads in the agreement."""

    cap_fen: Fen = Field(description="The cap in the agreement, in fen; another than entered: refused")


class ReasonBody(Body):
    """Why something is done."""

    reason: Paragraph = Field(description="Stays in this service, with who and when")


class ClosingBody(Body):
    """When what is matched has to be paid."""

    due_on: Day = Field(description="When the company pays, a date in Asia/Shanghai; the pledge's due date")


class Match(BaseModel):
    """A matching gift. Times are UTC, amounts fen. What is matched is promised, never received."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    match_id: UUID
    campaign_id: str = Field(description="The campaign that what is matched is promised to")
    campaign_ids: list[str] = Field(description="Whose donations are matched")
    state: MatchState
    version: int = Field(description="Grows with each change; the ETag")
    company: str
    display: Display
    shown_name: str
    ratio_bp: int
    cap_fen: int
    window_start: datetime
    window_end: datetime
    agreement: str
    agreed_on: date
    entered_by: str
    entered_at: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    cancelled_by: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None
    due_on: date | None
    closing_by: str | None
    closing_at: datetime | None
    closed_by: str | None
    closed_at: datetime | None
    closed_fen: int | None = Field(description="What it came to when it was closed: the pledge's amount")
    pledge_id: UUID | None = Field(description="The pledge that it became; null: nothing was matched")
    eligible_received_fen: int = Field(description="Given to its campaigns in its window")
    eligible_reversed_fen: int = Field(description="Of that, what went back")
    matched_fen: int = Field(
        description="min(cap, ratio × eligible, rounded down). After it was closed beside closed_fen: a "
        "difference came or went back late, and is settled by a correction of the pledge"
    )


class MatchPage(BaseModel):
    """A part of a campaign's matches."""

    items: list[Match]
    next: Next
