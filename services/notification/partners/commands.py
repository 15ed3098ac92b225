"""What administrators change: endpoints, their secrets, tests and replays. Each within its caller's
transaction.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.partners import queries
from services.notification.partners.delivering import ENDPOINTS_MAX
from services.notification.partners.networks import BadUrl, checked_url
from services.notification.partners.projection import ping as test_message
from services.notification.partners.schedule import EndpointState, State
from services.notification.partners.schemas import (
    Delivery,
    Endpoint,
    EndpointBody,
    EndpointSecret,
    Queued,
    Replay,
)
from services.notification.partners.signing import new_secret
from services.notification.settings import Settings
from shared import versions
from shared.refusals import NotFound, Refused
from shared.secret_box import SecretBox


class UnknownEndpoint(NotFound):
    """No such endpoint."""

    code = "unknown-webhook-endpoint"
    title = "There is no such endpoint"


class UnknownDelivery(NotFound):
    """No such delivery, or it was deleted with its log."""

    code = "unknown-webhook-delivery"
    title = "There is no such delivery"


class UrlUnusable(Refused):
    """A URL that no webhook is sent to."""

    code = "webhook-url-unusable"
    title = "The URL can't be used"
    status = 422


class EndpointDeleted(Refused):
    """A change of an endpoint that is gone for good."""

    code = "webhook-endpoint-deleted"
    title = "The endpoint was deleted"


class NotYet(Refused):
    """A replay of what has not happened."""

    code = "replay-from-the-future"
    title = "A replay begins in the past"
    status = 422


class TooManyEndpoints(Refused):
    """The bound on endpoints is reached."""

    code = "too-many-webhook-endpoints"
    title = "There are as many endpoints as there may be"


class NotActive(Refused):
    """A test to an endpoint that nothing is sent to."""

    code = "webhook-endpoint-not-active"
    title = "The endpoint is not active"


class ReplayRuns(Refused):
    """A second replay of one endpoint at a time."""

    code = "webhook-replay-runs"
    title = "A replay of this endpoint runs"


class NotEnded(Refused):
    """A delivery that goes out by itself, or has arrived."""

    code = "webhook-delivery-not-exhausted"
    title = "Only an exhausted delivery can be sent again"


@dataclass(frozen=True, slots=True)
class Office:
    """What the commands work with."""

    settings: Settings
    box: SecretBox


_COUNT: Final = text("SELECT count(*) FROM webhook_endpoints WHERE state <> 'deleted'")
# So that two who register at once can't pass the bound together.
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('webhook-endpoints', 0))")
_ADD: Final = text("""
INSERT INTO webhook_endpoints (endpoint_id, url, description, owner_email, event_types, campaigns, ordered,
    state, secret, created_by, created_at, changed_at)
VALUES (:endpoint_id, :url, :description, :owner_email, CAST(:event_types AS text[]),
    CAST(:campaigns AS text[]), :ordered, 'active', :secret, :person, now(), now())
""")


async def register(
    connection: AsyncConnection, office: Office, person: str, body: EndpointBody
) -> EndpointSecret:
    """Make an endpoint and its secret. What happens from now on is told to it; a replay tells what was
    before.
    """
    _require_url(office, body.url)
    await connection.execute(_ONE_AT_A_TIME)
    if (await connection.execute(_COUNT)).scalar_one() >= ENDPOINTS_MAX:
        raise TooManyEndpoints(f"At most {ENDPOINTS_MAX}. Delete one that is not needed any more.")
    endpoint_id, secret = uuid4(), new_secret()
    sealed = office.box.seal(str(endpoint_id), secret)
    values = {**body.model_dump(), "endpoint_id": endpoint_id, "secret": sealed, "person": person}
    await connection.execute(_ADD, values)
    return EndpointSecret(endpoint_id=endpoint_id, secret=secret)


def _require_url(office: Office, url: str) -> None:
    settings = office.settings
    try:
        checked_url(
            url,
            http_allowed=settings.webhook_allow_http,
            private_allowed=settings.webhook_allow_private,
        )
    except BadUrl as error:
        raise UrlUnusable(f"{error}.", fields=["url"]) from None


_REPLACE: Final = text("""
UPDATE webhook_endpoints SET url = :url, description = :description, owner_email = :owner_email,
    event_types = CAST(:event_types AS text[]), campaigns = CAST(:campaigns AS text[]), ordered = :ordered,
    version = version + 1, changed_at = now()
WHERE endpoint_id = :endpoint_id
""")


async def replace(
    connection: AsyncConnection, office: Office, endpoint_id: UUID, expected: int | None, body: EndpointBody
) -> Endpoint:
    """Change an endpoint. What is written for it already goes out, whatever it has chosen now."""
    _require_url(office, body.url)
    row = await _locked(connection, endpoint_id)
    versions.require_version(row.version, expected)
    await connection.execute(_REPLACE, {**body.model_dump(), "endpoint_id": endpoint_id})
    return await shown(connection, endpoint_id)


_PAUSE: Final = text("""
UPDATE webhook_endpoints SET state = 'paused', reason = COALESCE(:reason, reason),
    version = version + 1, changed_at = now()
WHERE endpoint_id = :endpoint_id
""")
_RESUME: Final = text("""
UPDATE webhook_endpoints SET state = 'active', reason = NULL, disabled_at = NULL, failures = 0,
    slowed_at = NULL, probes = 0, not_before = NULL, version = version + 1, changed_at = now()
WHERE endpoint_id = :endpoint_id
""")


async def pause(connection: AsyncConnection, endpoint_id: UUID, reason: str | None) -> Endpoint:
    """Send nothing; what happens is written all the same and waits, seven days at most. One that is paused
    can be given another reason; a disabled one stays as it is.
    """
    row = await _locked(connection, endpoint_id)
    if row.state != EndpointState.DISABLED:
        await connection.execute(_PAUSE, {"endpoint_id": endpoint_id, "reason": reason})
    return await shown(connection, endpoint_id)


async def resume(connection: AsyncConnection, person: str, endpoint_id: UUID) -> Endpoint:
    """Send again, as to a healthy one. For one that was disabled, what happened since is replayed."""
    row = await _locked(connection, endpoint_id)
    await connection.execute(_RESUME, {"endpoint_id": endpoint_id})
    if row.disabled_at is not None and not await _replay_runs(connection, endpoint_id):
        await _ask(connection, person, endpoint_id, row.disabled_at)
    return await shown(connection, endpoint_id)


_DELETE: Final = text("""
UPDATE webhook_endpoints SET state = 'deleted', deleted_at = now(), secret = NULL, previous_secret = NULL,
    previous_until = NULL, reason = NULL, disabled_at = NULL, failures = 0, slowed_at = NULL, probes = 0,
    not_before = NULL, version = version + 1, changed_at = now()
WHERE endpoint_id = :endpoint_id
""")
_END_REPLAYS: Final = text("""
UPDATE webhook_replays SET ended_at = now() WHERE endpoint_id = :endpoint_id AND ended_at IS NULL
""")
_END_NOTICES: Final = text("""
UPDATE notices SET state = 'failed', reason = 'endpoint_deleted', next_attempt_at = NULL, letter = NULL,
    changed_at = now()
FROM webhook_notices
WHERE webhook_notices.notice_id = notices.notice_id AND webhook_notices.endpoint_id = :endpoint_id
    AND notices.state IN ('pending', 'retry')
""")


async def delete(connection: AsyncConnection, endpoint_id: UUID, expected: int | None) -> Endpoint:
    """End an endpoint for good: its secrets are wiped at once, replays and mails to its owner end, and what
    waits for it is cancelled by the next round of upkeep. Its row and its log of deliveries stay.
    """
    row = await _locked(connection, endpoint_id)
    versions.require_version(row.version, expected)
    for statement in (_DELETE, _END_REPLAYS, _END_NOTICES):
        await connection.execute(statement, {"endpoint_id": endpoint_id})
    return await shown(connection, endpoint_id)


_ROTATE: Final = text("""
UPDATE webhook_endpoints SET secret = :secret, version = version + 1, changed_at = now(),
    previous_secret = CASE WHEN :overlap_hours > 0 THEN secret END,
    previous_until = CASE WHEN :overlap_hours > 0 THEN now() + make_interval(hours => :overlap_hours) END
WHERE endpoint_id = :endpoint_id RETURNING previous_until
""")


async def rotate(
    connection: AsyncConnection, office: Office, endpoint_id: UUID, overlap_hours: int
) -> EndpointSecret:
    """Make another secret. Until the overlap ends both sign; one that was still ending ends now."""
    await _locked(connection, endpoint_id)
    secret = new_secret()
    sealed = office.box.seal(str(endpoint_id), secret)
    values = {"endpoint_id": endpoint_id, "secret": sealed, "overlap_hours": overlap_hours}
    until = (await connection.execute(_ROTATE, values)).scalar_one()
    return EndpointSecret(endpoint_id=endpoint_id, secret=secret, previous_until=until)


_FIRST: Final = text("""
UPDATE webhook_deliveries SET next_attempt_at = now() - interval '1 year'
WHERE endpoint_id = :endpoint_id AND event_id = :event_id RETURNING delivery_id
""")
_TRY_NOW: Final = text("""
UPDATE webhook_endpoints SET not_before = now() WHERE endpoint_id = :endpoint_id AND not_before IS NOT NULL
""")


async def ping(connection: AsyncConnection, endpoint_id: UUID) -> Queued:
    """Send a test message, ahead of what waits: to a slowed endpoint it is the next probe, at once."""
    row = await _locked(connection, endpoint_id)
    if row.state != EndpointState.ACTIVE:
        raise NotActive("Resume it first.", state=row.state)
    event_id = f"ping:{uuid4()}"
    at = datetime.now(UTC).isoformat(timespec="seconds")
    message = test_message(event_id, str(endpoint_id), at)
    await queries.add_deliveries(connection, [(endpoint_id, message)])
    key = {"endpoint_id": endpoint_id}
    delivery_id = (await connection.execute(_FIRST, {**key, "event_id": event_id})).scalar_one()
    await connection.execute(_TRY_NOW, key)
    return Queued(delivery_id=delivery_id, event_id=event_id)


_RUNS: Final = text("""
SELECT EXISTS (SELECT FROM webhook_replays WHERE endpoint_id = :endpoint_id AND ended_at IS NULL)
""")
_ASK: Final = text("""
INSERT INTO webhook_replays (replay_id, endpoint_id, since, asked_by, asked_at)
VALUES (:replay_id, :endpoint_id, :since, :person, now()) RETURNING *
""")


async def replay(connection: AsyncConnection, person: str, endpoint_id: UUID, since: datetime) -> Replay:
    """Have events from a date on written again for an endpoint, as its filters are now."""
    if since > datetime.now(UTC):
        raise NotYet("Nothing has happened then yet.", fields=["since"])
    row = await _locked(connection, endpoint_id)
    if row.state == EndpointState.DISABLED:
        raise NotActive("Resume it first: that replays what happened since it was disabled.", state=row.state)
    if await _replay_runs(connection, endpoint_id):
        raise ReplayRuns("Wait for its end.")
    return await _ask(connection, person, endpoint_id, since)


async def _replay_runs(connection: AsyncConnection, endpoint_id: UUID) -> bool:
    return bool((await connection.execute(_RUNS, {"endpoint_id": endpoint_id})).scalar_one())


async def _ask(connection: AsyncConnection, person: str, endpoint_id: UUID, since: datetime) -> Replay:
    values = {"replay_id": uuid4(), "endpoint_id": endpoint_id, "since": since, "person": person}
    row = (await connection.execute(_ASK, values)).one()
    return Replay.model_validate(row, from_attributes=True)


_LOCK_DELIVERY: Final = text("""
SELECT delivery.state, endpoint.state AS endpoint_state
FROM webhook_deliveries AS delivery JOIN webhook_endpoints AS endpoint USING (endpoint_id)
WHERE delivery.delivery_id = :delivery_id FOR UPDATE OF delivery
""")
_RESEND: Final = text("""
UPDATE webhook_deliveries SET state = 'pending', next_attempt_at = now(), reason = NULL, changed_at = now(),
    attempts_before = attempts
WHERE delivery_id = :delivery_id
""")


async def resend(connection: AsyncConnection, delivery_id: int) -> Delivery:
    """Send an exhausted delivery again, with all its attempts before it."""
    key = {"delivery_id": delivery_id}
    row = (await connection.execute(_LOCK_DELIVERY, key)).one_or_none()
    if row is None:
        raise UnknownDelivery("Look at the list of deliveries.", fields=["delivery_id"])
    if row.endpoint_state == EndpointState.DELETED:
        raise _deleted()
    if row.state != State.EXHAUSTED:
        raise NotEnded("It goes out by itself, or has arrived.", state=row.state)
    await connection.execute(_RESEND, key)
    found, _ = await queries.delivery(connection, delivery_id)
    assert found is not None
    return Delivery.of(found)


async def shown(connection: AsyncConnection, endpoint_id: UUID) -> Endpoint:
    """The endpoint as it stands. Raises UnknownEndpoint."""
    row = await queries.endpoint(connection, endpoint_id)
    if row is None:
        raise unknown_endpoint()
    backlogs = await queries.backlogs(connection, [endpoint_id])
    return Endpoint.of(row, backlogs[endpoint_id])


async def _locked(connection: AsyncConnection, endpoint_id: UUID) -> Row[Any]:
    row = await queries.endpoint(connection, endpoint_id, locked=True)
    if row is None:
        raise unknown_endpoint()
    if row.state == EndpointState.DELETED:
        raise _deleted()
    return row


def _deleted() -> EndpointDeleted:
    return EndpointDeleted("Register another one; it can be told what happened since by a replay.")


def unknown_endpoint() -> UnknownEndpoint:
    """There is no endpoint of that id."""
    return UnknownEndpoint("Look at the list of endpoints.", fields=["endpoint_id"])
