"""What comes by HTTP about partners' webhooks.

| who (role) | may |
| --- | --- |
| administrator | register, change, pause, resume, delete an endpoint; make another secret; test; replay |
| desk | send an exhausted delivery again |
| viewer, desk | see endpoints (their owners' addresses masked), deliveries, their log, replays |

Every POST, PUT and DELETE needs an `Idempotency-Key`; PUT and DELETE need the ETag of the endpoint as
`If-Match`.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.notification.partners import commands, queries
from services.notification.partners.commands import Office
from services.notification.partners.projection import PUBLIC
from services.notification.partners.schedule import EndpointState
from services.notification.partners.schemas import (
    Asked,
    Attempt,
    Delivery,
    DeliveryDetails,
    DeliveryPage,
    Endpoint,
    EndpointBody,
    EndpointPage,
    EndpointSecret,
    EventTypeView,
    PauseBody,
    Queued,
    Replay,
    ReplayBody,
    RotateBody,
)
from shared import http_commands
from shared.access import require
from shared.http_commands import tagged
from shared.problems import Problem
from shared.run_once import Runner
from shared.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["partner webhooks"])

READING: Final = [Depends(require("viewer", "desk"))]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most")]
DeliveryId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Before = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.partners`. `office` None: without
    WEBHOOK_KEY no secret can be kept, and nobody can be registered.
    """

    engine: AsyncEngine
    runner: Runner
    office: Office | None


async def _parts(request: Request) -> Parts:
    parts = request.app.state.partners
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


async def _office(parts: Wired) -> Office:
    if parts.office is None:
        raise Problem(503, "webhooks-not-set-up", "The service has no WEBHOOK_KEY to keep secrets with.")
    return parts.office


OfficeHere = Annotated[Office, Depends(_office)]


Sent: TypeAlias = http_commands.Sent[Parts]
sent = http_commands.Commands(_parts, http_commands.Sent[Parts], versioned=True).sent


# ---------------------------------------------------------------- endpoints


@router.get("/webhook-event-types", summary="What can be told, field by field", dependencies=READING)
async def event_types() -> list[EventTypeView]:
    """The public projection of each type of event; nothing else goes out."""
    return [EventTypeView(type=name, fields=list(fields)) for name, fields in PUBLIC.items()]


@router.post(
    "/webhook-endpoints", status_code=201, response_model=EndpointSecret, summary="Register an endpoint"
)
async def register(
    body: EndpointBody,
    office: OfficeHere,
    sent: Annotated[Sent, Depends(sent("register_webhook_endpoint", "administrator"))],
) -> Response:
    """Its signing secret is shown this once."""
    once: dict[str, Any] = {}

    async def work(connection: AsyncConnection) -> EndpointSecret:
        return _kept(await commands.register(connection, office, sent.person, body), once)

    return await sent.run(work, 201, once=once)


@router.get("/webhook-endpoints", summary="The endpoints", dependencies=READING)
async def list_endpoints(
    parts: Wired, state: EndpointState | None = None, after: UUID | None = None, limit: Limit = 50
) -> EndpointPage:
    """Part by part: send `next` as `after` until it is null. What was deleted only by its state."""
    async with parts.engine.connect() as connection:
        rows = await queries.endpoints(connection, state, after=after, rows=limit + 1)
        backlogs = await queries.backlogs(connection, [row.endpoint_id for row in rows[:limit]])
    items = [Endpoint.of(row, backlogs[row.endpoint_id]) for row in rows[:limit]]
    return EndpointPage(items=items, next=items[-1].endpoint_id if len(rows) > limit else None)


@router.get(
    "/webhook-endpoints/{endpoint_id}",
    response_model=Endpoint,
    summary="One endpoint",
    dependencies=READING,
)
async def show_endpoint(endpoint_id: UUID, parts: Wired) -> Response:
    """With its version as the ETag."""
    async with parts.engine.connect() as connection:
        found = await commands.shown(connection, endpoint_id)
    return tagged(found.model_dump(mode="json"))


@router.put("/webhook-endpoints/{endpoint_id}", response_model=Endpoint, summary="Change an endpoint")
async def replace(
    endpoint_id: UUID,
    body: EndpointBody,
    office: OfficeHere,
    sent: Annotated[Sent, Depends(sent("change_webhook_endpoint", "administrator", of_version=True))],
) -> Response:
    """All of it, with the owner's whole address. What was written for it before goes out as it is."""
    return await sent.run(
        lambda connection: commands.replace(connection, office, endpoint_id, sent.expected, body)
    )


@router.post(
    "/webhook-endpoints/{endpoint_id}/pause", response_model=Endpoint, summary="Send nothing for now"
)
async def pause(
    endpoint_id: UUID,
    sent: Annotated[Sent, Depends(sent("pause_webhook_endpoint", "administrator"))],
    body: PauseBody | None = None,
) -> Response:
    """What happens is written all the same, and waits seven days at most. The reason is shown with it."""
    reason = body.reason if body else None
    return await sent.run(lambda connection: commands.pause(connection, endpoint_id, reason))


@router.post("/webhook-endpoints/{endpoint_id}/resume", response_model=Endpoint, summary="Send again")
async def resume(
    endpoint_id: UUID,
    sent: Annotated[Sent, Depends(sent("resume_webhook_endpoint", "administrator"))],
) -> Response:
    """To one that was paused, slowed or disabled; what happened while it was disabled is replayed."""
    return await sent.run(lambda connection: commands.resume(connection, sent.person, endpoint_id))


@router.delete(
    "/webhook-endpoints/{endpoint_id}", response_model=Endpoint, summary="Delete an endpoint for good"
)
async def delete(
    endpoint_id: UUID,
    sent: Annotated[Sent, Depends(sent("delete_webhook_endpoint", "administrator", of_version=True))],
) -> Response:
    """Its secrets are wiped and what waits for it is cancelled; its log stays thirty days."""
    return await sent.run(lambda connection: commands.delete(connection, endpoint_id, sent.expected))


@router.post(
    "/webhook-endpoints/{endpoint_id}/secret",
    response_model=EndpointSecret,
    summary="Make another signing secret",
)
async def rotate(
    endpoint_id: UUID,
    body: RotateBody,
    office: OfficeHere,
    sent: Annotated[Sent, Depends(sent("rotate_webhook_secret", "administrator"))],
) -> Response:
    """For `overlap_hours` the present one signs beside it. The new one is shown this once."""
    once: dict[str, Any] = {}

    async def work(connection: AsyncConnection) -> EndpointSecret:
        return _kept(await commands.rotate(connection, office, endpoint_id, body.overlap_hours), once)

    return await sent.run(work, once=once)


def _kept(made: EndpointSecret, once: dict[str, Any]) -> EndpointSecret:
    """What is kept for a repeat: without the secret, which is said once."""
    once["secret"] = made.secret
    return made.model_copy(update={"secret": None})


@router.post(
    "/webhook-endpoints/{endpoint_id}/ping",
    status_code=202,
    response_model=Queued,
    summary="Send a test message",
)
async def ping(
    endpoint_id: UUID, sent: Annotated[Sent, Depends(sent("ping_webhook_endpoint", "administrator"))]
) -> Response:
    """Its delivery says how it went."""
    return await sent.run(lambda connection: commands.ping(connection, endpoint_id), 202)


# ---------------------------------------------------------------- replays


@router.post(
    "/webhook-endpoints/{endpoint_id}/replays",
    status_code=202,
    response_model=Replay,
    summary="Send everything again from a date on",
)
async def replay(
    endpoint_id: UUID,
    body: ReplayBody,
    sent: Annotated[Sent, Depends(sent("replay_webhooks", "administrator"))],
) -> Response:
    """New deliveries with the events' own ids, from the log, by the filters the endpoint has now."""
    return await sent.run(
        lambda connection: commands.replay(connection, sent.person, endpoint_id, body.since), 202
    )


@router.get(
    "/webhook-endpoints/{endpoint_id}/replays",
    summary="An endpoint's replays, newest first",
    dependencies=READING,
)
async def list_replays(endpoint_id: UUID, parts: Wired) -> list[Replay]:
    """The last hundred."""
    async with parts.engine.connect() as connection:
        rows = await queries.replays(connection, endpoint_id)
    return [Replay.model_validate(row, from_attributes=True) for row in rows]


# ---------------------------------------------------------------- the delivery log


@router.get("/webhook-deliveries", summary="Deliveries, newest first", dependencies=READING)
async def list_deliveries(
    parts: Wired, asked: Annotated[Asked, Query()], before: Before = None, limit: Limit = 50
) -> DeliveryPage:
    """Part by part: send `next` as `before` until it is null. What ended stays thirty days."""
    async with parts.engine.connect() as connection:
        rows = await queries.deliveries(connection, asked, before=before, rows=limit + 1)
    items = [Delivery.of(row) for row in rows[:limit]]
    return DeliveryPage(items=items, next=items[-1].delivery_id if len(rows) > limit else None)


@router.get(
    "/webhook-deliveries/{delivery_id}", summary="One delivery and its attempts", dependencies=READING
)
async def show_delivery(delivery_id: DeliveryId, parts: Wired) -> DeliveryDetails:
    """With the body as it is sent: it is public."""
    async with parts.engine.connect() as connection:
        row, attempts = await queries.delivery(connection, delivery_id)
    if row is None:
        raise commands.UnknownDelivery("Look at the list of deliveries.", fields=["delivery_id"])
    return DeliveryDetails.of(row, [Attempt.model_validate(each, from_attributes=True) for each in attempts])


@router.post(
    "/webhook-deliveries/{delivery_id}/resend",
    status_code=202,
    response_model=Delivery,
    summary="Send an exhausted delivery again",
)
async def resend(
    delivery_id: DeliveryId, sent: Annotated[Sent, Depends(sent("resend_webhook", "desk"))]
) -> Response:
    """With all its attempts before it, and the same id."""
    return await sent.run(lambda connection: commands.resend(connection, delivery_id), 202)
