"""What is asked of the published reports. The worker writes them, the screens' processes read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.reporting.tally import ReportEvent
from shared.events import ReportCorrected
from shared.events.documents import ReportKind

_PUT: Final = text(
    "INSERT INTO reports (report_id, kind, campaign_id, organisation_id, organisation, title, period_from,"
    " period_to, revision, corrects, reason, content, digest, published_at)"
    " VALUES (:report_id, :kind, :campaign_id, :organisation_id, :organisation, :title, :period_from,"
    " :period_to, :revision, :corrects, :reason, :content, :digest, :published_at) ON CONFLICT DO NOTHING"
)
_CORRECTED: Final = text("UPDATE reports SET corrected_by = :report_id WHERE report_id = :corrects")


async def write_report(connection: AsyncConnection, event: ReportEvent) -> None:
    """Take a report in; the one it corrects says so from now on."""
    said: dict[str, Any] = {"revision": 1, "corrects": None, "reason": None, **event.data.model_dump()}
    await connection.execute(_PUT, {**said, "published_at": event.time})
    if isinstance(event, ReportCorrected):
        await connection.execute(_CORRECTED, said)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which reports are asked for; None: whatever."""

    campaign_id: str | None = None
    organisation_id: str | None = None
    kind: ReportKind | None = None
    year: int | None = None


_LISTED: Final = (
    "report_id, kind, campaign_id, organisation_id, organisation, title, period_from, period_to, revision,"
    " corrects, corrected_by, reason, digest, published_at"
)
_LIST: Final = text(
    f"SELECT {_LISTED} FROM reports WHERE (CAST(:campaign_id AS text) IS NULL OR campaign_id = :campaign_id)"  # noqa: S608 - our own words
    " AND (CAST(:organisation_id AS text) IS NULL OR organisation_id = :organisation_id)"
    " AND (CAST(:kind AS text) IS NULL OR kind = :kind)"
    " AND (CAST(:first AS date) IS NULL OR period_to BETWEEN :first AND :last)"
    " AND (CAST(:after AS uuid) IS NULL OR (published_at, report_id) <"
    "  (SELECT published_at, report_id FROM reports WHERE report_id = :after))"
    " ORDER BY published_at DESC, report_id DESC LIMIT :limit"
)


async def list_reports(
    engine: AsyncEngine, wanted: Filter, *, after: UUID | None, limit: int
) -> Sequence[RowMapping]:
    """At most `limit` reports, newest first, without their documents; of a year those that end in it."""
    asked = {
        "campaign_id": wanted.campaign_id,
        "organisation_id": wanted.organisation_id,
        "kind": wanted.kind,
        "first": None if wanted.year is None else date(wanted.year, 1, 1),
        "last": None if wanted.year is None else date(wanted.year, 12, 31),
        "after": after,
        "limit": limit,
    }
    async with engine.connect() as connection:
        return (await connection.execute(_LIST, asked)).mappings().all()


_READ: Final = text(f"SELECT {_LISTED}, content FROM reports WHERE report_id = :report_id")  # noqa: S608 - our own words


async def read_report(engine: AsyncEngine, report_id: UUID) -> RowMapping | None:
    """A report with its document; None: there is none."""
    async with engine.connect() as connection:
        return (await connection.execute(_READ, {"report_id": report_id})).mappings().one_or_none()


_FILE: Final = text(
    "SELECT content FROM report_files WHERE report_id = :report_id AND format = :format"
    " AND corrected = :corrected"
)
_KEEP: Final = text(
    "INSERT INTO report_files (report_id, format, corrected, content)"
    " VALUES (:report_id, :format, :corrected, :content) ON CONFLICT DO NOTHING"
)


async def read_file(engine: AsyncEngine, key: dict[str, Any]) -> bytes | None:
    """The file that was made of a report: `key` has report_id, format, and whether it says: corrected."""
    async with engine.connect() as connection:
        found = (await connection.execute(_FILE, key)).scalar_one_or_none()
    return None if found is None else bytes(found)


async def keep_file(engine: AsyncEngine, key: dict[str, Any], content: bytes) -> None:
    """Keep a file; when another process was first, its file stays."""
    async with engine.begin() as connection:
        await connection.execute(_KEEP, {**key, "content": content})
