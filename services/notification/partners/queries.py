"""What is asked of the partners' tables, and what events write into them. Sending: claims.py.

Times are the database's (`now()`), so that several processes on several machines agree.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.partners.models import NO_REPLAY
from services.notification.partners.projection import Outgoing, Wish
from services.notification.partners.schedule import EndpointState, State
from services.notification.partners.schemas import Asked, Backlog
from shared.events import ConsentWithdrawn

# ---------------------------------------------------------------- what comes in

_WISHES: Final = text("""
SELECT endpoint_id, event_types, campaigns FROM webhook_endpoints
WHERE state NOT IN ('disabled', 'deleted')
ORDER BY endpoint_id
""")


async def wishes(connection: AsyncConnection) -> list[tuple[UUID, Wish]]:
    """What each endpoint that is written for wants to be told; of a paused one it waits."""
    rows = await connection.execute(_WISHES)
    return [(row.endpoint_id, wish_of(row)) for row in rows]


def wish_of(row: Row[Any]) -> Wish:
    """The filters of an endpoint's row."""
    return Wish(frozenset(row.event_types), None if row.campaigns is None else frozenset(row.campaigns))


_ADD_EVENTS: Final = text("""
INSERT INTO webhook_events (event_id, type, campaign_id, body, stored_at)
SELECT event_id, type, campaign_id, body, now()
FROM unnest(CAST(:event_ids AS text[]), CAST(:types AS text[]), CAST(:campaign_ids AS text[]),
    CAST(:bodies AS bytea[])) AS told (event_id, type, campaign_id, body)
ORDER BY event_id ON CONFLICT (event_id) DO UPDATE SET stored_at = now()
""")
_ADD_DELIVERIES: Final = text("""
INSERT INTO webhook_deliveries
    (endpoint_id, event_id, replay_id, campaign_id, state, next_attempt_at, created_at, changed_at)
SELECT endpoint_id, event_id, :replay_id, campaign_id, 'pending', now(), now(), now()
FROM unnest(CAST(:endpoint_ids AS uuid[]), CAST(:event_ids AS text[]), CAST(:campaign_ids AS text[]))
    WITH ORDINALITY AS told (endpoint_id, event_id, campaign_id, place)
ORDER BY place ON CONFLICT DO NOTHING
""")


async def add_deliveries(
    connection: AsyncConnection,
    told: Sequence[tuple[UUID, Outgoing]],
    replay_id: UUID = NO_REPLAY,
) -> int:
    """Write one delivery for each endpoint and event, in this order; gives back how many are new.

    An event that is known gets a fresh age, so that its row stays as long as its newest delivery.
    """
    if not told:
        return 0
    events = {event.event_id: event for _, event in told}
    values = {
        "event_ids": list(events),
        "types": [each.type for each in events.values()],
        "campaign_ids": [each.campaign_id for each in events.values()],
        "bodies": [each.body for each in events.values()],
    }
    await connection.execute(_ADD_EVENTS, values)
    written = {
        "endpoint_ids": [endpoint_id for endpoint_id, _ in told],
        "event_ids": [event.event_id for _, event in told],
        "campaign_ids": [event.campaign_id for _, event in told],
        "replay_id": replay_id,
    }
    return (await connection.execute(_ADD_DELIVERIES, written)).rowcount


_ADD_UNNAMED: Final = text("""
INSERT INTO webhook_unnamed (donation_id, withdrawn_at)
SELECT * FROM unnest(CAST(:donation_ids AS uuid[]), CAST(:withdrawn_at AS timestamptz[]))
ON CONFLICT DO NOTHING
""")


async def add_unnamed(connection: AsyncConnection, events: Sequence[ConsentWithdrawn]) -> None:
    """Keep whose donors are not to be named any more; theirs may be sent later, or again."""
    if events:
        values = {
            "donation_ids": [each.data.donation_id for each in events],
            "withdrawn_at": [each.data.withdrawn_at for each in events],
        }
        await connection.execute(_ADD_UNNAMED, values)


# ---------------------------------------------------------------- what is sent

_DUE: Final = text("""
SELECT endpoint_id FROM webhook_endpoints AS endpoint
WHERE state = 'active' AND (not_before IS NULL OR not_before <= now()) AND EXISTS (
    SELECT FROM webhook_deliveries AS delivery
    WHERE delivery.endpoint_id = endpoint.endpoint_id AND delivery.state IN ('pending', 'retry')
        AND delivery.next_attempt_at <= now()
)
ORDER BY not_before NULLS FIRST, endpoint_id
""")


async def endpoints_due(connection: AsyncConnection) -> list[UUID]:
    """The endpoints for which something waits that may be sent now."""
    return list((await connection.execute(_DUE)).scalars())


# ---------------------------------------------------------------- what operators ask

_ENDPOINT: Final = text("SELECT * FROM webhook_endpoints WHERE endpoint_id = :endpoint_id")
_LOCKED: Final = text("SELECT * FROM webhook_endpoints WHERE endpoint_id = :endpoint_id FOR UPDATE")
_ENDPOINTS: Final = text("""
SELECT * FROM webhook_endpoints
WHERE (CAST(:state AS text) IS NULL AND state <> 'deleted' OR state = :state)
    AND (CAST(:after AS uuid) IS NULL OR endpoint_id > CAST(:after AS uuid))
ORDER BY endpoint_id LIMIT :rows
""")
_WAITING: Final = text("""
SELECT endpoint_id, state, count(*) AS deliveries, min(created_at) AS oldest_at FROM webhook_deliveries
WHERE endpoint_id = ANY(:endpoint_ids) AND state IN ('pending', 'sending', 'retry', 'exhausted')
GROUP BY endpoint_id, state
""")
_LAST_DELIVERED: Final = text("""
SELECT asked.endpoint_id, newest.changed_at
FROM unnest(CAST(:endpoint_ids AS uuid[])) AS asked (endpoint_id) CROSS JOIN LATERAL (
    SELECT changed_at FROM webhook_deliveries AS delivery
    WHERE delivery.endpoint_id = asked.endpoint_id AND delivery.state = 'delivered'
    ORDER BY delivery_id DESC LIMIT 1
) AS newest
""")


async def endpoint(
    connection: AsyncConnection, endpoint_id: UUID, *, locked: bool = False
) -> Row[Any] | None:
    """One endpoint; `locked` for a change of it."""
    statement = _LOCKED if locked else _ENDPOINT
    return (await connection.execute(statement, {"endpoint_id": endpoint_id})).one_or_none()


async def endpoints(
    connection: AsyncConnection, state: EndpointState | None, *, after: UUID | None, rows: int
) -> Sequence[Row[Any]]:
    """Endpoints by their ids, from behind `after`; without a state: all that are not deleted."""
    values = {"state": state.value if state else None, "after": after, "rows": rows}
    return (await connection.execute(_ENDPOINTS, values)).all()


async def backlogs(connection: AsyncConnection, endpoint_ids: Sequence[UUID]) -> dict[UUID, Backlog]:
    """What of each endpoint waits or is given up, and when it last took something."""
    asked = {"endpoint_ids": list(endpoint_ids)}
    found = {each: Backlog() for each in endpoint_ids}
    for row in await connection.execute(_WAITING, asked):
        before = found[row.endpoint_id]
        if row.state == State.EXHAUSTED:
            found[row.endpoint_id] = replace(before, exhausted=row.deliveries)
        else:
            oldest_at = min(filter(None, (before.oldest_waiting_at, row.oldest_at)))
            waiting = before.waiting + row.deliveries
            found[row.endpoint_id] = replace(before, waiting=waiting, oldest_waiting_at=oldest_at)
    for row in await connection.execute(_LAST_DELIVERED, asked):
        found[row.endpoint_id] = replace(found[row.endpoint_id], last_delivered_at=row.changed_at)
    return found


_DELIVERIES: Final = text("""
SELECT delivery.*, event.type
FROM webhook_deliveries AS delivery JOIN webhook_events AS event USING (event_id)
WHERE (CAST(:endpoint_id AS uuid) IS NULL OR delivery.endpoint_id = CAST(:endpoint_id AS uuid))
    AND (CAST(:state AS text) IS NULL OR delivery.state = :state)
    AND (CAST(:type AS text) IS NULL OR event.type = :type)
    AND (CAST(:campaign_id AS text) IS NULL OR delivery.campaign_id = :campaign_id)
    AND (CAST(:event_id AS text) IS NULL OR delivery.event_id = :event_id)
    AND (CAST(:replay_id AS uuid) IS NULL OR delivery.replay_id = CAST(:replay_id AS uuid))
    AND (CAST(:day AS date) IS NULL OR (
        delivery.created_at >= CAST(CAST(:day AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai'
        AND delivery.created_at < CAST(CAST(:day AS date) + 1 AS timestamp) AT TIME ZONE 'Asia/Shanghai'
    ))
    AND (CAST(:before AS bigint) IS NULL OR delivery.delivery_id < CAST(:before AS bigint))
ORDER BY delivery.delivery_id DESC LIMIT :rows
""")
_DELIVERY: Final = text("""
SELECT delivery.*, event.type, event.body
FROM webhook_deliveries AS delivery JOIN webhook_events AS event USING (event_id)
WHERE delivery.delivery_id = :delivery_id
""")
_ATTEMPTS: Final = text("""
SELECT attempt, started_at, duration_ms, outcome, status, answer FROM webhook_attempts
WHERE delivery_id = :delivery_id ORDER BY attempt DESC LIMIT 100
""")


async def deliveries(
    connection: AsyncConnection, asked: Asked, *, before: int | None, rows: int
) -> Sequence[Row[Any]]:
    """Deliveries, newest first, from below `before`."""
    values = {**asked.model_dump(), "before": before, "rows": rows}
    return (await connection.execute(_DELIVERIES, values)).all()


async def delivery(
    connection: AsyncConnection, delivery_id: int
) -> tuple[Row[Any] | None, Sequence[Row[Any]]]:
    """One delivery with its body, and its last 100 attempts, newest first."""
    key = {"delivery_id": delivery_id}
    found = (await connection.execute(_DELIVERY, key)).one_or_none()
    return found, (await connection.execute(_ATTEMPTS, key)).all()


_REPLAYS: Final = text("""
SELECT * FROM webhook_replays WHERE endpoint_id = :endpoint_id ORDER BY asked_at DESC LIMIT 100
""")
_OPEN_REPLAYS: Final = text("""
SELECT replay.replay_id, replay.endpoint_id, replay.since, replay.places,
    endpoint.event_types, endpoint.campaigns
FROM webhook_replays AS replay JOIN webhook_endpoints AS endpoint USING (endpoint_id)
WHERE replay.ended_at IS NULL AND (
    SELECT count(*) FROM (
        SELECT FROM webhook_deliveries AS delivery
        WHERE delivery.replay_id = replay.replay_id AND delivery.state IN ('pending', 'sending', 'retry')
            AND delivery.replay_id <> '00000000-0000-0000-0000-000000000000'
        LIMIT :ahead
    ) AS waiting
) < :ahead
ORDER BY replay.asked_at LIMIT 100
""")


async def replays(connection: AsyncConnection, endpoint_id: UUID) -> Sequence[Row[Any]]:
    """The last 100 replays of an endpoint, newest first."""
    return (await connection.execute(_REPLAYS, {"endpoint_id": endpoint_id})).all()


async def open_replays(connection: AsyncConnection, ahead: int) -> Sequence[Row[Any]]:
    """The replays that go on: not at their end, and with fewer than `ahead` deliveries of theirs waiting."""
    return (await connection.execute(_OPEN_REPLAYS, {"ahead": ahead})).all()


# ---------------------------------------------------------------- what is measured

_COUNTS: Final = text("""
SELECT state, count(*) AS deliveries,
    CAST(extract(epoch FROM now() - min(created_at)) AS float8) AS oldest_s
FROM webhook_deliveries WHERE state IN ('pending', 'sending', 'retry', 'exhausted') GROUP BY state
""")
_ENDPOINT_COUNTS: Final = text("""
SELECT CASE WHEN state = 'active' AND slowed_at IS NOT NULL THEN 'slowed' ELSE state END AS state,
    count(*) AS endpoints
FROM webhook_endpoints GROUP BY 1
""")


async def counts(
    connection: AsyncConnection,
) -> tuple[dict[State, tuple[int, float]], dict[str, int]]:
    """Deliveries that are not delivered with the oldest's age in seconds, by state; endpoints by state."""
    rows = await connection.execute(_COUNTS)
    by_state = {State(row.state): (row.deliveries, row.oldest_s) for row in rows}
    found = await connection.execute(_ENDPOINT_COUNTS)
    return by_state, {row.state: row.endpoints for row in found}
