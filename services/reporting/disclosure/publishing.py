"""The reports in public: as JSON, as pages, as files. Everybody may read them; nobody changes them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.api import PUBLIC, UNCHANGED
from services.reporting.caching import cacheable
from services.reporting.disclosure import queries, words
from services.reporting.disclosure.queries import Filter
from services.reporting.disclosure.schemas import Report, ReportPage, ReportWithDocument
from shared.events.documents import Document, ReportKind, decode
from shared.events.fields import CAMPAIGN_ID
from shared.problems import Problem, answers
from shared.versions import matches

FRESH_FOR_A_MINUTE: Final = "public, max-age=60"
"""A report is corrected within weeks, not within a minute; what is listed may be a minute old."""
LISTED: Final = 50

Format = Literal["xlsx", "pdf"]
MEDIA_TYPES: Final[Mapping[Format, str]] = MappingProxyType(
    {
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pdf": "application/pdf",
    }
)

IdQuery = Annotated[str | None, Query(pattern=CAMPAIGN_ID)]
YearQuery = Annotated[int | None, Query(ge=2000, le=2199, description="Whose last day lies in this year")]
AfterQuery = Annotated[UUID | None, Query(description="The `next` of the part before")]


@dataclass(frozen=True, slots=True)
class Found:
    """A published report, read."""

    row: RowMapping
    document: Document

    @property
    def corrected(self) -> bool:
        """Whether another stands in its place."""
        return self.row["corrected_by"] is not None


class Shelf:
    """Reads reports, and makes each file once: drawing takes some seconds, so one is drawn at a time."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._drawing = asyncio.Semaphore(1)

    async def listed(self, wanted: Filter, *, after: UUID | None, limit: int) -> ReportPage:
        """A part of the reports, newest first."""
        rows = await queries.list_reports(self._engine, wanted, after=after, limit=limit)
        items = [Report.model_validate(dict(row)) for row in rows]
        return ReportPage(items=items, next=items[-1].report_id if len(items) == limit else None)

    async def found(self, report_id: UUID) -> Found:
        """A report with its document. Raises Problem 404."""
        row = await queries.read_report(self._engine, report_id)
        if row is None:
            raise Problem(404, "unknown-report", "No report with this id was published; GET /v1/reports.")
        return Found(row, decode(row["content"]))

    async def file(self, found: Found, kind: Format) -> bytes:
        """A report's file; the same bytes each time, until it is corrected and says so."""
        key: dict[str, Any] = {
            "report_id": found.row["report_id"],
            "format": kind,
            "corrected": found.corrected,
        }
        kept = await queries.read_file(self._engine, key)
        if kept is None:
            async with self._drawing:
                kept = await queries.read_file(self._engine, key) or await self._made(found, kind, key)
        return kept

    async def _made(self, found: Found, kind: Format, key: dict[str, Any]) -> bytes:
        made = await asyncio.to_thread(_drawn, kind, found)
        await queries.keep_file(self._engine, key, made)
        return await queries.read_file(self._engine, key) or made


def _drawn(kind: Format, found: Found) -> bytes:
    """Its file. What draws is loaded with the first one: 0.4 s that no start of a process need pay."""
    from services.reporting.disclosure import paper, spreadsheet  # noqa: PLC0415

    make = spreadsheet.make if kind == "xlsx" else paper.draw
    return make(found.document, found.row["digest"], corrected=found.corrected)


UNKNOWN: Final = answers(
    Problem(404, "unknown-report", "No report with this id was published; GET /v1/reports.")
)


def reports_router(shelf: Shelf) -> APIRouter:
    """The API."""
    router = APIRouter(tags=["reports"])

    @router.get("/v1/reports", summary="Published reports (信息公开), newest first")
    async def list_reports(
        response: Response,
        *,
        campaign_id: IdQuery = None,
        organisation_id: IdQuery = None,
        kind: ReportKind | None = None,
        year: YearQuery = None,
        after: AfterQuery = None,
        limit: Annotated[int, Query(ge=1, le=200)] = LISTED,
    ) -> ReportPage:
        """Corrected ones as well: they name the one in their place."""
        response.headers.update({**PUBLIC, "Cache-Control": FRESH_FOR_A_MINUTE})
        wanted = Filter(campaign_id, organisation_id, kind, year)
        return await shelf.listed(wanted, after=after, limit=limit)

    @router.get("/v1/reports/{report_id}", summary="A report with its document", responses=UNKNOWN)
    async def read_report(report_id: UUID, response: Response) -> ReportWithDocument:
        """The document's own bytes, whose SHA-256 the digest is, are at …/document."""
        response.headers.update({**PUBLIC, "Cache-Control": FRESH_FOR_A_MINUTE})
        found = await shelf.found(report_id)
        return ReportWithDocument(
            **Report.model_validate(dict(found.row)).model_dump(), document=found.document
        )

    @router.get(
        "/v1/reports/{report_id}/document",
        summary="The frozen bytes of a report",
        response_class=Response,
        responses=UNCHANGED
        | UNKNOWN
        | {200: {"content": {"application/json": {"schema": {"type": "object"}, "example": {}}}}},
    )
    async def read_document(report_id: UUID, request: Request) -> Response:
        """Their SHA-256 is the report's digest, for ever."""
        found = await shelf.found(report_id)
        etag = f'"{found.row["digest"]}"'
        headers = {**PUBLIC, "Cache-Control": FRESH_FOR_A_MINUTE, "ETag": etag}
        if matches(request.headers.get("if-none-match", ""), etag):
            return Response(status_code=304, headers=headers)
        return Response(found.row["content"].encode(), headers=headers, media_type="application/json")

    @router.get(
        "/v1/reports/{report_id}/file.{kind}",
        summary="A report as a spreadsheet or on paper",
        response_class=Response,
        responses={200: {"content": {each: {} for each in MEDIA_TYPES.values()}}, **UNKNOWN},
    )
    async def read_file(report_id: UUID, kind: Format) -> Response:
        """XLSX or PDF."""
        found = await shelf.found(report_id)
        content = await shelf.file(found, kind)
        name = f"report-{found.row['period_from']}-{found.row['period_to']}-{str(report_id)[:8]}.{kind}"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": FRESH_FOR_A_MINUTE,
            "X-Content-Type-Options": "nosniff",
        }
        return Response(content, headers=headers, media_type=MEDIA_TYPES[kind])

    return router


def report_pages_router(shelf: Shelf, render: Callable[..., HTMLResponse]) -> APIRouter:
    """The pages: the list, and each report."""
    router = APIRouter(include_in_schema=False)

    @router.get("/reports")
    async def list_page(
        request: Request,
        *,
        campaign_id: IdQuery = None,
        organisation_id: IdQuery = None,
        kind: ReportKind | None = None,
        year: YearQuery = None,
        after: AfterQuery = None,
    ) -> Response:
        wanted = Filter(campaign_id, organisation_id, kind, year)
        page = await shelf.listed(wanted, after=after, limit=LISTED)
        context = {"page": page, "wanted": wanted, "words": words, "missing": False}
        return cacheable(request, render("reports.html", context))

    @router.get("/reports/{report_id}")
    async def report_page(request: Request, report_id: str) -> Response:
        """A person gets a page also when there is no such report: the list of those there are."""
        try:
            asked = UUID(report_id)
        except ValueError:
            asked = UUID(int=0)
        try:
            found = await shelf.found(asked)
        except Problem:
            wanted = Filter(None, None, None, None)
            page = await shelf.listed(wanted, after=None, limit=LISTED)
            context = {"page": page, "wanted": wanted, "words": words, "missing": True}
            return render("reports.html", context, status=404)
        context = {"row": found.row, "document": found.document, "words": words}
        return cacheable(request, render("report.html", context))

    return router
