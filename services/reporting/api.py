"""The reporting API: public totals of campaigns, and the operations desk's view."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries
from services.reporting.hub import Hub
from services.reporting.operations import OperationsDesk
from services.reporting.schemas import (
    CampaignList,
    CampaignSummary,
    MessageList,
    Minutes,
    MinuteTotal,
    Operations,
    Totals,
)
from services.reporting.stream import unknown_campaign
from services.reporting.totals import CampaignState
from shared.access import Role, require
from shared.problems import Problem, answers
from shared.versions import matches

STREAM: Final = (
    "`snapshot` first, then `change` (at most ten a second, coalesced), each with the version as its id."
    " Donors' messages: `messages` of a snapshot is the list, newest first, 50 at most; `messages_new` and"
    " `messages_gone` (ids) of a change are what came before it and what must go, where something did."
    " `companies`: the ten that gave most under a name they agreed to show; in a change, where it changed."
    " A `theme`, without an id, when another theme holds: its version, and what its stylesheet does not say."
    " A `heartbeat` every five seconds. Last-Event-ID, or ?last_event_id=, resumes."
)
VIEWERS: Final[tuple[Role, ...]] = ("viewer", "desk", "moderator", "finance", "approver")
"""Whoever works on the evening may look at it."""
MAX_MINUTES: Final = 24 * 60
MAX_MINUTE_ROWS: Final = 50_000
DEFAULT_MINUTES: Final = 60
STREAMED: Final = (
    'retry: 1200\n\nevent: snapshot\nid: 1041\ndata: {"campaign_id": "gala-2027", "received_fen": 12345}\n\n'
)
UNKNOWN: Final = answers(Problem(404, "unknown-campaign", "There is no campaign with this id."))
UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "If-None-Match names what it is now"}
}
PUBLIC: Final = {"Access-Control-Allow-Origin": "*"}
FRESH_FOR_A_SECOND: Final = "public, max-age=1"
"""A second old is as good as new, so a CDN can serve millions of viewers."""


def public_router(hub: Hub, engine: AsyncEngine) -> APIRouter:
    """What everybody may read."""
    router = APIRouter(tags=["totals"])

    def known(campaign_id: str) -> CampaignState:
        state = hub.state(campaign_id)
        if state is None:
            raise unknown_campaign(campaign_id)
        return state

    @router.get("/v1/campaigns", summary="All campaigns", response_model=CampaignList)
    async def list_campaigns(response: Response) -> CampaignList:
        """Those that are launched first, then the newest window first. Anyone may ask, from any site."""
        response.headers.update({**PUBLIC, "Cache-Control": FRESH_FOR_A_SECOND})
        states = sorted(hub.states(), key=lambda state: state.plan.window_start, reverse=True)
        states.sort(key=lambda state: state.plan.status != "launched")
        return CampaignList(campaigns=[CampaignSummary.of(state) for state in states])

    @router.get(
        "/v1/campaigns/{campaign_id}/totals",
        summary="A campaign's number, its positions and digest",
        response_model=Totals,
        responses=UNKNOWN | UNCHANGED,
    )
    async def totals(campaign_id: str) -> Response:
        """Received, reversed, promised and disbursed beside each other, in fen, never added up. `positions`
        and `digest` prove the number. At most a second old; 304 to the ETag of what has not changed.
        """
        raise NotImplementedError(f"{campaign_id}: the route of snapshot.SnapshotEndpoint comes before this")

    @router.get(
        "/v1/campaigns/{campaign_id}/messages",
        summary="What donors wrote (寄语), as far as a moderator approved it",
        response_model=MessageList,
        responses=UNKNOWN | UNCHANGED,
    )
    async def messages(campaign_id: str, request: Request) -> Response:
        """The newest first, 50 at most, with the names that may be shown. What is withdrawn is gone from here
        within a second; 304 to the ETag of what has not changed.
        """
        state = known(campaign_id)
        body = MessageList(campaign_id=campaign_id, messages=list(state.messages)).model_dump_json().encode()
        return _cached(request, body, _etag(body))

    @router.get(
        "/v1/campaigns/{campaign_id}/minutes",
        summary="What was given minute by minute, by channel",
        responses=UNKNOWN,
    )
    async def minutes(
        campaign_id: str,
        response: Response,
        start: Annotated[AwareDatetime | None, Query(alias="from")] = None,
        end: Annotated[AwareDatetime | None, Query(alias="to")] = None,
    ) -> Minutes:
        """Whole minutes, of a day at most; without a range the last hour. A time needs its offset."""
        known(campaign_id)
        first, last = bounded_range(start, end, datetime.now(UTC))
        rows = await queries.read_minutes(engine, campaign_id, first, last, most=MAX_MINUTE_ROWS + 1)
        if len(rows) > MAX_MINUTE_ROWS:
            raise Problem(
                422, "invalid-field", "from: too much was given in this range. Ask for a shorter one."
            )
        response.headers.update({**PUBLIC, "Cache-Control": FRESH_FOR_A_SECOND})
        return Minutes(
            campaign_id=campaign_id,
            start=first,
            end=last,
            minutes=[MinuteTotal.model_validate(dict(row)) for row in rows],
        )

    router.include_router(_stream_router())
    return router


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def _cached(request: Request, body: bytes, etag: str) -> Response:
    """The body, or 304 to whoever has it."""
    headers = {**PUBLIC, "Cache-Control": FRESH_FOR_A_SECOND, "ETag": etag}
    if matches(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _stream_router() -> APIRouter:
    """The stream's entry in OpenAPI, and the preflight of browsers on other sites."""
    router = APIRouter()

    @router.get(
        "/v1/campaigns/{campaign_id}/stream",
        summary="The number as it changes: Server-Sent Events",
        response_class=Response,
        responses={
            200: {"content": {"text/event-stream": {"example": STREAMED}}, "description": STREAM},
            **UNKNOWN,
            **answers(Problem(503, "too-many-streams", "This server holds as many streams as it may.")),
        },
    )
    async def stream(campaign_id: str) -> Response:
        """For screens: a whole snapshot first, then what changes. A screen that hears nothing for ten seconds
        keeps the last number and says that it is confirming.
        """
        raise NotImplementedError(f"{campaign_id}: the route of stream.StreamEndpoint comes before this one")

    @router.options("/v1/campaigns/{rest:path}", include_in_schema=False)
    async def preflight() -> Response:
        allowed = {"Access-Control-Allow-Methods": "GET", "Access-Control-Allow-Headers": "Last-Event-ID"}
        return Response(status_code=204, headers={**PUBLIC, **allowed, "Access-Control-Max-Age": "86400"})

    return router


def operations_router(desk: OperationsDesk) -> APIRouter:
    """What operators may read."""
    router = APIRouter(tags=["operations"], dependencies=[Depends(require(*VIEWERS))])

    @router.get("/v1/operations", summary="Pace, lag, held, conflicts, dead letters, gaps, streams")
    async def operations(response: Response) -> Operations:
        """All that may need a hand tonight, in one answer, for whoever has a role everywhere."""
        response.headers["Cache-Control"] = "no-store"
        return await desk.look()

    return router


def bounded_range(start: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """The whole minutes asked for, UTC: the last hour unless said otherwise, a day at most."""
    last = _next_minute(end or now)
    first = (
        (start or last - timedelta(minutes=DEFAULT_MINUTES)).astimezone(UTC).replace(second=0, microsecond=0)
    )
    if first >= last:
        raise Problem(422, "invalid-field", "from: must lie before `to`.")
    if last - first > timedelta(minutes=MAX_MINUTES):
        raise Problem(422, "invalid-field", f"from: at most {MAX_MINUTES} minutes can be asked for at once.")
    return first, last


def _next_minute(time: datetime) -> datetime:
    whole = time.astimezone(UTC).replace(second=0, microsecond=0)
    return whole if whole == time else whole + timedelta(minutes=1)
