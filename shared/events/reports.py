"""Events of the disclosure (信息公开). They come from the campaign service, as campaigns' do."""

from datetime import date
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.events.documents import ReportKind
from shared.events.envelope import Event, EventData
from shared.forms import SHA256

Digest = Annotated[str, Field(pattern=SHA256)]


class ReportPublishedData(EventData):
    """A report that two people have drawn up and approved.

    `content` is its document (shared.events.documents) as it was frozen, `digest` the SHA-256 of its bytes in
    UTF-8. Either a campaign is reported on, or all of an organisation.
    """

    report_id: UUID
    kind: ReportKind
    campaign_id: str | None = None
    organisation_id: str | None = None
    organisation: str
    title: str
    period_from: date
    period_to: date
    content: str
    digest: Digest


class ReportCorrectedData(ReportPublishedData):
    """A report in the place of another, which stays readable. `reason` says why, its content what changed."""

    corrects: UUID
    revision: Annotated[int, Field(strict=True, ge=2, le=2**31 - 1)]
    reason: str


class ReportPublished(Event):
    TYPE: ClassVar[str] = "org.shanliu.report.published.v1"
    type: Literal["org.shanliu.report.published.v1"]
    data: ReportPublishedData


class ReportCorrected(Event):
    TYPE: ClassVar[str] = "org.shanliu.report.corrected.v1"
    type: Literal["org.shanliu.report.corrected.v1"]
    data: ReportCorrectedData
