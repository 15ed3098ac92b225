"""What the other services hear of a report: the frozen document as it is, and never who drew it up."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.disclosure.schemas import Report
from shared.events import ReportCorrected, ReportPublished
from shared.events.documents import Document
from shared.events.reports import ReportCorrectedData, ReportPublishedData


async def report_published(
    connection: AsyncConnection, announcer: Announcer, report: Report, document: Document, content: str
) -> None:
    """ReportPublished, or ReportCorrected when it stands in the place of another."""
    key = report.campaign_id or report.organisation_id
    assert key is not None
    said: dict[str, Any] = {
        "report_id": report.report_id,
        "kind": report.kind,
        "campaign_id": report.campaign_id,
        "organisation_id": report.organisation_id,
        "organisation": document.heading.organisation,
        "title": report.title,
        "period_from": report.period_from,
        "period_to": report.period_to,
        "content": content,
        "digest": report.digest,
    }
    if report.corrects is None or report.reason is None:
        data = ReportPublishedData(**said)
        await announcer.append(connection, ReportPublished, key, report.report_id, data)
    else:
        corrected = ReportCorrectedData(
            **said, corrects=report.corrects, revision=report.revision, reason=report.reason
        )
        await announcer.append(connection, ReportCorrected, key, report.report_id, corrected)
