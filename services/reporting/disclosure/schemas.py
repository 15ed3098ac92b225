"""What the public API says of reports."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.events.documents import Document, ReportKind


class Report(BaseModel):
    """A published report. One that was corrected stays, and names the one in its place."""

    model_config = ConfigDict(frozen=True)

    report_id: UUID
    kind: ReportKind
    campaign_id: str | None
    organisation_id: str | None
    organisation: str
    title: str
    period_from: date
    period_to: date
    revision: int
    corrects: UUID | None
    corrected_by: UUID | None = Field(
        description="The report that stands in its place; null: it is the newest"
    )
    reason: str | None = Field(description="Of a correction: why")
    digest: str = Field(description="SHA-256 of the document's bytes, in hex")
    published_at: datetime


class ReportWithDocument(Report):
    """A report with its document."""

    document: Document


class ReportPage(BaseModel):
    """A part of the reports, newest first."""

    items: list[Report]
    next: Annotated[UUID | None, Field(description="Send it as `after` for the next part; null: the end")]
