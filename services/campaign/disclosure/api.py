"""What comes by HTTP about disclosure, below /v1/disclosure.

| who (role) | may |
| --- | --- |
| viewer, desk, finance, approver | read the calendar and the reports |
| finance | draw up a report or a correction; withdraw a draft |
| approver | publish what another person has drawn up; withdraw a draft |

A report is drawn up from the ledger and frozen when it is asked for; published is what was read, and nothing
else: the second person sends its digest, and its ETag as `If-Match` (428 without). What is published is never
changed; a correction stands in its place and says what is different.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from services.campaign.api import (
    READERS,
    AfterId,
    BooksHere,
    Limit,
    OrganisationQuery,
    Right,
    Sent,
    allowed,
    next_after,
    sent,
    tagged,
)
from services.campaign.days import today_of
from services.campaign.disclosure import commands, duties, queries
from services.campaign.disclosure.calendar import DueState
from services.campaign.disclosure.rules import ReportState
from services.campaign.disclosure.schemas import (
    CalendarPage,
    CorrectionBody,
    PublishBody,
    Report,
    ReportBody,
    ReportPage,
    ReportWithDocument,
    WithdrawBody,
)
from services.campaign.organisations import rights
from shared.access import Reach
from shared.events.fields import CAMPAIGN_ID
from shared.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/disclosure", route_class=StrictJsonRoute, tags=["disclosure"])
reading: Final[list[Any]] = [Depends(allowed(*READERS))]
SeeingHere = Annotated[Right, Depends(allowed(*READERS, somewhere=True))]

CampaignQuery = Annotated[str | None, Query(pattern=CAMPAIGN_ID, description="Of this campaign alone")]


@router.get("/calendar", summary="What is due and late (公开日历)")
async def read_calendar(
    books: BooksHere,
    right: SeeingHere,
    *,
    state: DueState | None = None,
    campaign_id: CampaignQuery = None,
    organisation_id: OrganisationQuery = None,
    within_days: Annotated[
        int, Query(ge=-1, le=3660, description="Due in so many days; -1: late only")
    ] = 366,
    after: Annotated[str | None, Query(max_length=200, description="The `next` of the part before")] = None,
    limit: Limit = 50,
) -> CalendarPage:
    """Derived from the campaigns at each look: nobody keeps it, and nothing can be taken off it."""
    today = today_of(datetime.now(UTC))
    async with books.engine.connect() as connection:
        asked = right.reach if organisation_id is None else Reach(frozenset({organisation_id}))
        seen = await rights.seen(connection, asked)
        found = await duties.all_due(connection, today, campaign_id, seen)
    latest = today + timedelta(days=within_days)
    shown = [each for each in found if each.due_on <= latest and state in {None, each.state}]
    rest = [each for each in shown if after is None or each.place > after]
    items = rest[:limit]
    return CalendarPage(
        today=today,
        late=sum(each.state is DueState.LATE for each in found),
        due=sum(each.state is DueState.DUE for each in found),
        items=items,
        next=next_after([each.place for each in items], limit),
    )


@router.post(
    "/reports", status_code=201, response_model=ReportWithDocument, summary="Draw up a report of the calendar"
)
async def draft_report(
    body: ReportBody, sent: Annotated[Sent, Depends(sent("draft_report", "finance", somewhere=True))]
) -> Response:
    """Frozen as the ledger is now, at the position it names. Its days must be over. 409 when there is one."""
    return await sent.run(lambda connection: commands.draft_report(connection, sent.actor, body), 201)


@router.post(
    "/reports/{report_id}/publish", response_model=Report, summary="Publish what was read, second person"
)
async def publish_report(
    report_id: UUID, body: PublishBody, sent: Annotated[Sent, Depends(sent("publish_report", "approver"))]
) -> Response:
    """By another person than who drew it up (403), with the digest they read. For ever.
    → ReportPublished, or ReportCorrected
    """
    return await sent.run(
        lambda connection: commands.publish_report(
            connection, sent.books.announcer, sent.actor, report_id, body
        )
    )


@router.post("/reports/{report_id}/withdraw", response_model=Report, summary="Withdraw a draft")
async def withdraw_report(
    report_id: UUID,
    body: WithdrawBody,
    sent: Annotated[Sent, Depends(sent("withdraw_report", "finance", "approver"))],
) -> Response:
    """It stays readable here, and another can be drawn up. What is published is corrected instead."""
    return await sent.run(
        lambda connection: commands.withdraw_report(connection, sent.actor, report_id, body)
    )


@router.post(
    "/reports/{report_id}/correction",
    status_code=201,
    response_model=ReportWithDocument,
    summary="Draw up a correction of a published report",
)
async def draft_correction(
    report_id: UUID,
    body: CorrectionBody,
    sent: Annotated[Sent, Depends(sent("draft_correction", "finance"))],
) -> Response:
    """The same days from the ledger as it is now, with every cell that is another. Published by a second
    person like any report; the one it corrects stays readable. 409 when nothing is different.
    """
    return await sent.run(
        lambda connection: commands.draft_correction(connection, sent.actor, report_id, body), 201
    )


@router.get("/reports", summary="List reports, newest first")
async def list_reports(
    books: BooksHere,
    right: SeeingHere,
    *,
    state: ReportState | None = None,
    campaign_id: CampaignQuery = None,
    after: AfterId = None,
    limit: Limit = 50,
) -> ReportPage:
    """Without their documents. Part by part: send `next` as `after` until it is null."""
    async with books.engine.connect() as connection:
        items = await queries.list_reports(
            connection,
            seen=await rights.seen(connection, right.reach),
            state=state,
            campaign_id=campaign_id,
            organisation_id=None,
            after=after,
            limit=limit,
        )
    return ReportPage(items=items, next=next_after([str(item.report_id) for item in items], limit))


@router.get(
    "/reports/{report_id}", response_model=ReportWithDocument, summary="Read a report", dependencies=reading
)
async def read_report(report_id: UUID, books: BooksHere) -> Response:
    """With its document, and its version as the ETag."""
    async with books.engine.connect() as connection:
        report = await queries.report(connection, report_id)
    return tagged(report, report.version)
