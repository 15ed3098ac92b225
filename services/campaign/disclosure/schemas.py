"""What comes and goes by HTTP about disclosure: bounded, unknown fields refused."""

from datetime import date, datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, computed_field, model_validator

from services.campaign.disclosure.calendar import DueState
from services.campaign.disclosure.rules import ReportState
from services.campaign.schemas import Body, CampaignId, Day, Next, Paragraph
from shared.events.documents import Document, ReportKind
from shared.forms import SHA256

Remarks = Annotated[list[Paragraph], Field(max_length=20)]
Digest = Annotated[str, StringConstraints(strict=True, pattern=SHA256)]


class ReportBody(Body):
    """A report of the calendar, to be drawn up from the books as they are now."""

    kind: ReportKind = Field(description="As the calendar names it")
    campaign_id: CampaignId | None = Field(
        None, description="The campaign; of an annual report nothing", examples=["gala-2027"]
    )
    organisation_id: CampaignId | None = Field(
        None, description="The organisation of an annual report; else nothing", examples=[None]
    )
    period_from: Day = Field(description="The first day, as the calendar has it")
    period_to: Day | None = Field(
        None, description="Of a final report: a day after the campaign's end, up to which spending is shown"
    )
    remarks: Remarks = Field(default_factory=list, description="Published with it, so no names")

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        annual = self.kind == "annual"
        if (self.organisation_id is None) == annual or (self.campaign_id is None) != annual:
            raise ValueError("an annual report names an organisation_id, every other a campaign_id")
        return self


class PublishBody(Body):
    """What the second person has read."""

    digest: Digest = Field(description="The digest of the report that was read; another is refused")


class WithdrawBody(Body):
    """Why a draft is not published."""

    reason: Paragraph = Field(description="Stays in this service")


class CorrectionBody(Body):
    """A report in the place of a published one, drawn up from the books as they are now."""

    reason: Paragraph = Field(description="Why it is corrected; published with it, so no names")
    remarks: Remarks | None = Field(None, description="Its remarks; null: those of the report before")


class Report(BaseModel):
    """A report and who did what with it. Times are UTC."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    report_id: UUID
    kind: ReportKind
    campaign_id: str | None
    organisation_id: str | None
    period_from: date
    period_to: date
    revision: int = Field(description="1, or one more than what it corrects")
    corrects: UUID | None
    reason: str | None
    state: ReportState
    version: int = Field(description="Grows with each change; the ETag")
    title: str
    digest: Annotated[str, Field(description="SHA-256 of the document's bytes, in hex")]
    asked_by: str = Field(description="Who drew it up")
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    withdraw_reason: str | None


class ReportWithDocument(Report):
    """A report with what it says."""

    document: Document


class ReportPage(BaseModel):
    """A part of the reports, newest first."""

    items: list[Report]
    next: Next


class Due(BaseModel):
    """A report that the law asks for, and where it stands. Days are those of Asia/Shanghai."""

    kind: ReportKind
    campaign_id: str | None = Field(description="null: an annual report, of the organisation as a whole")
    organisation_id: str | None = Field(
        description="Who owes it; null: the campaign's organisation is not in the register"
    )
    title: str = Field(description="Of the campaign or the organisation")
    period_from: date
    period_to: date
    due_on: date
    state: DueState
    days_late: int = Field(description="Days after due_on: today's, or the day's it was published; < 0: left")
    report_id: UUID | None = Field(description="What was drafted or published for it, the newest")
    drafted: bool = Field(description="Whether that waits to be published: a first report or a correction")

    @computed_field(description="Its place in the calendar")  # type: ignore[prop-decorator]
    @property
    def place(self) -> str:
        """Sorts like the calendar."""
        return f"{self.due_on}~{self.campaign_id or self.organisation_id}~{self.kind}~{self.period_from}"


class CalendarPage(BaseModel):
    """A part of the calendar (公开日历), what is due first at its head."""

    today: date
    late: int = Field(description="How many are late, of all that was asked for")
    due: int = Field(description="How many are due and not late")
    items: list[Due]
    next: Next
