"""How a process takes deliveries into its hands and gives them back, and what becomes of an endpoint by
that.

A claim is committed before the partner is called, with the number of the attempt and a lease by the
database's clock. A process that dies loses nothing: its lease runs out, and the message goes out again with
the same id. Several processes claim side by side; of an endpoint that is slowed only one delivery is out at
a time, and of one that wants order one a campaign.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.headerregistry import Address
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.partners.client import Result
from services.notification.partners.notices import tell
from services.notification.partners.projection import without_name
from services.notification.partners.schedule import (
    EXPIRES_AFTER,
    Change,
    EndpointState,
    Health,
    Notice,
    Outcome,
    State,
    Step,
    after_wave,
)

ROWS_MAX: Final = 500
"""Rows that one round of upkeep changes at most; what is left is the next round's."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery in this process's hands until its lease runs out. `attempt` counts its whole life, `turn`
    since it was made or sent again by a person; `waited_s` how long ago it was made.
    """

    delivery_id: int
    event_id: str
    attempt: int
    turn: int
    waited_s: float
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wave:
    """A few deliveries of one endpoint that are sent together; its secrets are sealed, the newest first."""

    endpoint_id: UUID
    url: str
    sealed: tuple[bytes, ...] = field(repr=False)
    troubled: bool
    """It has failures behind it: how this wave ends is written to the endpoint."""
    claimed: Sequence[Claimed]


_ENDPOINT: Final = text("""
SELECT url, ordered, secret, failures, slowed_at, CASE WHEN previous_until > now() THEN previous_secret END
    AS previous_secret
FROM webhook_endpoints
WHERE endpoint_id = :endpoint_id AND state = 'active' AND (not_before IS NULL OR not_before <= now())
""")
_PROBE: Final = text("""
UPDATE webhook_endpoints SET probes = probes + 1,
    not_before = now() + make_interval(secs => least(:first_s * 2.0 ^ least(probes, 20), :max_s) * :spread)
WHERE endpoint_id = :endpoint_id AND state = 'active' AND slowed_at IS NOT NULL AND not_before <= now()
""")
_TAKE: Final = """
, locked AS (
    SELECT delivery_id FROM webhook_deliveries
    WHERE delivery_id IN (SELECT delivery_id FROM due) AND state IN ('pending', 'retry')
        AND next_attempt_at <= now()
    ORDER BY delivery_id FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE webhook_deliveries AS delivery SET state = 'sending', attempts = attempts + 1,
        next_attempt_at = NULL, lease_until = now() + make_interval(secs => :lease_s), changed_at = now()
    FROM locked WHERE delivery.delivery_id = locked.delivery_id
    RETURNING delivery.delivery_id, delivery.event_id, delivery.attempts, delivery.attempts_before,
        CAST(extract(epoch FROM now() - delivery.created_at) AS float8) AS waited_s
)
SELECT taken.*, event.body, CASE WHEN event.type = 'org.shanliu.donation.received.v1' THEN EXISTS (
    SELECT FROM webhook_unnamed WHERE donation_id =
        CAST(CAST(convert_from(event.body, 'UTF8') AS json) -> 'data' ->> 'donation_id' AS uuid)
) ELSE false END AS unnamed
FROM taken JOIN webhook_events AS event USING (event_id) ORDER BY delivery_id
"""
_CLAIM: Final = text(
    """
WITH due AS (
    SELECT delivery_id FROM webhook_deliveries
    WHERE endpoint_id = :endpoint_id AND state IN ('pending', 'retry') AND next_attempt_at <= now()
    ORDER BY next_attempt_at, delivery_id LIMIT :rows FOR UPDATE SKIP LOCKED
)"""  # noqa: S608 - both are constants
    + _TAKE
)
# The oldest open delivery of each campaign, found by steps through the index (a loose scan), however many
# wait behind it. Only it may go out: one that is being sent, or waits, holds those behind it.
_CLAIM_IN_ORDER: Final = text(
    """
WITH RECURSIVE heads AS (
    (
        SELECT campaign_id, delivery_id, state, next_attempt_at FROM webhook_deliveries
        WHERE endpoint_id = :endpoint_id AND state IN ('pending', 'sending', 'retry')
        ORDER BY campaign_id, delivery_id LIMIT 1
    )
    UNION ALL
    SELECT following.* FROM heads CROSS JOIN LATERAL (
        SELECT campaign_id, delivery_id, state, next_attempt_at FROM webhook_deliveries
        WHERE endpoint_id = :endpoint_id AND state IN ('pending', 'sending', 'retry')
            AND campaign_id > heads.campaign_id
        ORDER BY campaign_id, delivery_id LIMIT 1
    ) AS following
), due AS (
    SELECT delivery_id FROM heads WHERE state IN ('pending', 'retry') AND next_attempt_at <= now()
    ORDER BY next_attempt_at, delivery_id LIMIT :rows
)"""  # noqa: S608 - both are constants
    + _TAKE
)


@dataclass(frozen=True, slots=True)
class Probing:
    """When a slowed endpoint is tried again. `spread`: the jitter's factor of this time."""

    first_s: float
    max_s: float
    spread: float


async def claim(
    connection: AsyncConnection, endpoint_id: UUID, *, rows: int, lease_s: float, probing: Probing
) -> Wave | None:
    """Take what is due longest for an endpoint, at most `rows`; None when there is nothing, or it must
    wait.

    Commit before the partner is called. Of a slowed endpoint one is taken, and its next probe's time is
    set, so that no other process probes beside this one.
    """
    key = {"endpoint_id": endpoint_id}
    endpoint = (await connection.execute(_ENDPOINT, key)).one_or_none()
    if endpoint is None:
        return None
    statement = _CLAIM_IN_ORDER if endpoint.ordered else _CLAIM
    slowed = endpoint.slowed_at is not None
    if slowed and not await _may_probe(connection, endpoint_id, probing):
        return None
    values = {**key, "rows": 1 if slowed else rows, "lease_s": lease_s}
    taken = (await connection.execute(statement, values)).all()
    if not taken:
        return None
    return Wave(
        endpoint_id,
        endpoint.url,
        tuple(bytes(each) for each in (endpoint.secret, endpoint.previous_secret) if each is not None),
        slowed or endpoint.failures > 0,
        [
            Claimed(
                each.delivery_id,
                each.event_id,
                each.attempts,
                each.attempts - each.attempts_before,
                each.waited_s,
                without_name(bytes(each.body)) if each.unnamed else bytes(each.body),
            )
            for each in taken
        ],
    )


async def _may_probe(connection: AsyncConnection, endpoint_id: UUID, probing: Probing) -> bool:
    values = {
        "endpoint_id": endpoint_id,
        "first_s": probing.first_s,
        "max_s": probing.max_s,
        "spread": probing.spread,
    }
    return (await connection.execute(_PROBE, values)).rowcount == 1


@dataclass(frozen=True, slots=True)
class Ended:
    """How one attempt of a wave ended, and what it makes of its delivery."""

    claimed: Claimed
    started_at: datetime
    result: Result
    step: Step


_LOG: Final = text("""
INSERT INTO webhook_attempts (delivery_id, attempt, started_at, duration_ms, outcome, status, answer)
SELECT * FROM unnest(CAST(:delivery_ids AS bigint[]), CAST(:attempts AS integer[]),
    CAST(:started_at AS timestamptz[]), CAST(:durations_ms AS integer[]), CAST(:outcomes AS text[]),
    CAST(:statuses AS integer[]), CAST(:answers AS text[]))
ON CONFLICT DO NOTHING
""")
_FINISH: Final = text("""
UPDATE webhook_deliveries AS delivery SET state = ended.state, reason = ended.reason, lease_until = NULL,
    next_attempt_at = now() + make_interval(secs => ended.delay_s), changed_at = now()
FROM unnest(CAST(:delivery_ids AS bigint[]), CAST(:attempts AS integer[]), CAST(:states AS text[]),
    CAST(:reasons AS text[]), CAST(:delays_s AS float8[]))
    AS ended (delivery_id, attempt, state, reason, delay_s)
WHERE delivery.delivery_id = ended.delivery_id AND delivery.attempts = ended.attempt
    AND delivery.state IN ('sending', 'retry')
""")


async def finish(
    connection: AsyncConnection, wave: Wave, ended: Sequence[Ended], sender: Address
) -> Notice | None:
    """Write how the attempts of a wave ended, and what that makes of the endpoint; gives back what its
    owner is going to be told by a mail from `sender`.

    A delivery that has moved on meanwhile (its lease ran out and it was claimed anew) keeps its state; the
    log has the attempt all the same.
    """
    log = {
        "delivery_ids": [each.claimed.delivery_id for each in ended],
        "attempts": [each.claimed.attempt for each in ended],
    }
    results = [each.result for each in ended]
    attempts = {
        **log,
        "started_at": [each.started_at for each in ended],
        "durations_ms": [each.duration_ms for each in results],
        "outcomes": [each.outcome.value for each in results],
        "statuses": [each.status for each in results],
        "answers": [each.answer for each in results],
    }
    await connection.execute(_LOG, attempts)
    moved = {
        **log,
        "states": [each.step.state.value for each in ended],
        "reasons": [_reason(each.result) for each in ended],
        "delays_s": [each.step.delay_s for each in ended],
    }
    await connection.execute(_FINISH, moved)
    outcomes = [each.outcome for each in results]
    notice = None
    if wave.troubled or any(each is not Outcome.DELIVERED for each in outcomes):
        notice = await _judge(connection, wave.endpoint_id, outcomes, sender)
    asked_s = max((each.retry_after_s or 0.0 for each in results), default=0.0)
    if asked_s:
        await connection.execute(_HOLD, {"endpoint_id": wave.endpoint_id, "asked_s": asked_s})
    if any(each.step.state is State.EXHAUSTED for each in ended):
        await tell(connection, sender, wave.endpoint_id, Notice.EXHAUSTED)
    return notice


def _reason(result: Result) -> str | None:
    """A stable code such as "status_503", kept with a delivery that was not taken."""
    if result.outcome is Outcome.DELIVERED:
        return None
    return f"status_{result.status}" if result.status is not None else result.outcome.value


_HEALTH: Final = text("""
SELECT failures, slowed_at, state, now() - slowed_at AS slowed_for FROM webhook_endpoints
WHERE endpoint_id = :endpoint_id FOR UPDATE
""")
_CHANGE: Final = text("""
UPDATE webhook_endpoints SET failures = :failures, state = :state,
    slowed_at = CASE WHEN :slowed THEN COALESCE(slowed_at, now()) END,
    probes = CASE WHEN :slowed THEN probes ELSE 0 END,
    not_before = CASE WHEN :slowed THEN COALESCE(not_before, now()) END,
    disabled_at = CASE WHEN :state = 'disabled' THEN now() END,
    reason = CASE WHEN :state = 'disabled' THEN CAST(:notice AS text) END,
    version = version + CASE WHEN state = :state THEN 0 ELSE 1 END
WHERE endpoint_id = :endpoint_id
""")
_HOLD: Final = text("""
UPDATE webhook_endpoints
SET not_before = greatest(COALESCE(not_before, now()), now() + make_interval(secs => :asked_s))
WHERE endpoint_id = :endpoint_id
""")
_SOONER: Final = text("""
UPDATE webhook_deliveries SET next_attempt_at = now()
WHERE endpoint_id = :endpoint_id AND state = 'retry' AND next_attempt_at > now()
""")


async def _judge(
    connection: AsyncConnection, endpoint_id: UUID, outcomes: Sequence[Outcome], sender: Address
) -> Notice | None:
    key = {"endpoint_id": endpoint_id}
    row = (await connection.execute(_HEALTH, key)).one()
    if row.state != EndpointState.ACTIVE:
        return None  # paused, disabled or deleted meanwhile: that stands
    change = after_wave(Health(row.failures, row.slowed_for), outcomes)
    await _write(connection, endpoint_id, row, change)
    if change.notice is not None:
        await tell(connection, sender, endpoint_id, change.notice)
    return change.notice


async def _write(connection: AsyncConnection, endpoint_id: UUID, row: Row[Any], change: Change) -> None:
    key = {"endpoint_id": endpoint_id}
    values = {
        **key,
        "failures": change.failures,
        "slowed": change.slowed,
        "state": change.state.value,
        "notice": change.notice,
    }
    await connection.execute(_CHANGE, values)
    if row.slowed_at is not None and not change.slowed:
        # The partner is back: what it missed need not wait for its own time. Few have been tried meanwhile.
        await connection.execute(_SOONER, key)


# ---------------------------------------------------------------- what time does

_EXPIRE_LEASES: Final = text("""
WITH dead AS (
    SELECT delivery_id FROM webhook_deliveries WHERE state = 'sending' AND lease_until < now()
    ORDER BY delivery_id LIMIT :rows FOR UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries AS delivery
SET state = 'retry', reason = 'sender_died', lease_until = NULL, next_attempt_at = now(), changed_at = now()
FROM dead WHERE delivery.delivery_id = dead.delivery_id
""")
_EXPIRE: Final = text("""
WITH late AS (
    SELECT delivery_id FROM webhook_deliveries
    WHERE state IN ('pending', 'retry') AND changed_at < now() - CAST(:waited AS interval)
    ORDER BY changed_at LIMIT :rows FOR UPDATE SKIP LOCKED
)
UPDATE webhook_deliveries AS delivery SET state = 'exhausted', next_attempt_at = NULL, changed_at = now(),
    reason = 'waited_too_long'
FROM late WHERE delivery.delivery_id = late.delivery_id RETURNING delivery.endpoint_id
""")
_CANCEL: Final = text("""
WITH orphan AS (
    SELECT delivery_id FROM webhook_deliveries AS delivery JOIN webhook_endpoints AS endpoint
        USING (endpoint_id)
    WHERE endpoint.state = 'deleted' AND delivery.state IN ('pending', 'retry')
    LIMIT :rows FOR UPDATE OF delivery SKIP LOCKED
)
UPDATE webhook_deliveries AS delivery SET state = 'cancelled', next_attempt_at = NULL, changed_at = now(),
    reason = 'endpoint_deleted'
FROM orphan WHERE delivery.delivery_id = orphan.delivery_id
""")
_FORGET_DELIVERIES: Final = text("""
DELETE FROM webhook_deliveries WHERE delivery_id IN (
    SELECT delivery_id FROM webhook_deliveries
    WHERE state IN ('delivered', 'exhausted', 'cancelled') AND changed_at < now() - CAST(:kept AS interval)
    ORDER BY changed_at LIMIT :rows FOR UPDATE SKIP LOCKED
)
""")
_FORGET_EVENTS: Final = text("""
DELETE FROM webhook_events WHERE event_id IN (
    SELECT event_id FROM webhook_events AS event
    WHERE stored_at < now() - CAST(:kept AS interval) AND NOT EXISTS (
        SELECT FROM webhook_deliveries WHERE webhook_deliveries.event_id = event.event_id
    )
    ORDER BY stored_at LIMIT :rows FOR UPDATE SKIP LOCKED
)
""")


async def expire_leases(connection: AsyncConnection) -> int:
    """What a process died over goes out again; gives back how many."""
    return (await connection.execute(_EXPIRE_LEASES, {"rows": ROWS_MAX})).rowcount


async def exhaust_waiting(connection: AsyncConnection, sender: Address) -> int:
    """End what has waited its time without an attempt, and tell the owners; gives back how many."""
    values = {"waited": EXPIRES_AFTER, "rows": ROWS_MAX}
    endpoint_ids = list((await connection.execute(_EXPIRE, values)).scalars())
    for endpoint_id in sorted(set(endpoint_ids)):
        await tell(connection, sender, endpoint_id, Notice.EXHAUSTED)
    return len(endpoint_ids)


async def cancel_of_deleted(connection: AsyncConnection) -> int:
    """End what waits for endpoints that were deleted; gives back how many. What was just being sent when its
    endpoint was deleted, or was written at that moment, is found by a later round.
    """
    return (await connection.execute(_CANCEL, {"rows": ROWS_MAX})).rowcount


async def forget(connection: AsyncConnection, kept: timedelta) -> int:
    """Delete deliveries that ended so long ago, with their log, and events that nothing is left of; gives
    back how many rows.
    """
    values = {"kept": kept, "rows": ROWS_MAX}
    deliveries = (await connection.execute(_FORGET_DELIVERIES, values)).rowcount
    events = (await connection.execute(_FORGET_EVENTS, values)).rowcount
    return deliveries + events
