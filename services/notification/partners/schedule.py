"""The life of one delivery and the health of an endpoint: when it is tried again, slowed, given up. Pure.

At least once: whatever ends without a 2xx is sent again with the same id
(docs/decisions/0020-partner-webhooks.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

HOUR_S: Final = 3600.0
DELAYS_S: Final = (
    5.0,
    30.0,
    120.0,
    600.0,
    1800.0,
    HOUR_S,
    2 * HOUR_S,
    4 * HOUR_S,
    8 * HOUR_S,
    *(12 * HOUR_S,) * 6,
)
"""Seconds to wait after each attempt that failed: 16 attempts over 3.65 days, 3.1 with all the luck of the
jitter against it."""

RETRY_AFTER_MAX_S: Final = 12 * HOUR_S
"""A Retry-After counts up to this; below the schedule's own delay it does not count at all, or a partner that
always answers "in a second" would use up all attempts within a minute."""

SLOWED_AFTER: Final = 10
"""Failures in a row, whatever they were about, after which only one delivery at a time is tried."""
PROBE_FIRST_S: Final = 30.0
PROBE_MAX_S: Final = HOUR_S
"""A slowed endpoint is tried again after 30 s, doubling up to an hour, each time spread over 85-115 %."""
DISABLED_AFTER: Final = timedelta(days=7)
"""An endpoint that has been slowed for so long is no longer written for; its owner is told, and resuming it
replays what happened since."""
EXPIRES_AFTER: Final = timedelta(days=7)
"""A delivery that waited for so long (paused, slowed, or behind another in its order) is exhausted too."""


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SENDING = "sending"
    """A process has claimed it, and committed that, before it calls the partner."""
    RETRY = "retry"
    """Not taken so far; tried again."""
    DELIVERED = "delivered"
    """The partner answered 2xx."""
    EXHAUSTED = "exhausted"
    """Not tried again by itself. It stays visible, and a person may send it again or replay from a date."""
    CANCELLED = "cancelled"
    """Its endpoint was deleted before it was delivered."""


class Outcome(StrEnum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """A status that is neither 2xx nor one of those below."""
    REDIRECTED = "redirected"
    """3xx: never followed, it would lead past the check of the address."""
    GONE = "gone"
    """410: the partner wants no more; the endpoint is disabled."""
    TIMED_OUT = "timed_out"
    NOT_REACHED = "not_reached"
    """No connection, or it was lost before an answer."""
    FORBIDDEN_ADDRESS = "forbidden_address"
    UNREADABLE_SECRET = "unreadable_secret"  # noqa: S105 - the name of an outcome
    """Nothing was sent: WEBHOOK_KEY is not the one the secret was sealed with."""


class EndpointState(StrEnum):
    """Whether an endpoint is written for and sent to."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By an administrator: deliveries wait, seven days at most."""
    DISABLED = "disabled"
    """By its 410, or by a week of failures: nothing is written for it until an administrator resumes it."""
    DELETED = "deleted"
    """For good: its secrets are gone and what waited is cancelled. Its log stays its time."""


class Notice(StrEnum):
    """What the owner of an endpoint is told by mail."""

    SLOWED = "slowed"
    RECOVERED = "recovered"
    DISABLED_FAILING = "disabled_failing"
    DISABLED_GONE = "disabled_gone"
    EXHAUSTED = "exhausted"


def outcome_of(status: int) -> Outcome:
    """What an HTTP status says of the attempt."""
    if 200 <= status <= 299:
        return Outcome.DELIVERED
    if 300 <= status <= 399:
        return Outcome.REDIRECTED
    return Outcome.GONE if status == 410 else Outcome.REFUSED


def retry_after_s(status: int, header: str | None) -> float | None:
    """The seconds that a 429 or 503 asks to wait, bounded; None without a number (a date is not read: clocks
    differ, and our own delays grow as fast).
    """
    if status not in {429, 503} or header is None:
        return None
    digits = header.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        return None
    return min(float(digits), RETRY_AFTER_MAX_S)


@dataclass(frozen=True, slots=True)
class Step:
    """The state an attempt leads to, and for RETRY the seconds until the next."""

    state: State
    delay_s: float | None = None


def after_attempt(
    outcome: Outcome,
    *,
    attempt: int,
    delays_s: Sequence[float] = DELAYS_S,
    jitter: float,
    asked_s: float | None = None,
) -> Step:
    """What an attempt makes of its delivery. `attempt` counts from 1 since it was made, or sent again by a
    person; `jitter` in [0, 1) spreads a delay over 85-115 %; `asked_s` is retry_after_s.
    """
    if outcome is Outcome.DELIVERED:
        return Step(State.DELIVERED)
    if attempt > len(delays_s):
        return Step(State.EXHAUSTED)
    own_s = delays_s[attempt - 1] * (0.85 + 0.3 * jitter)
    return Step(State.RETRY, max(own_s, asked_s or 0.0))


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint does. `failures` in a row; `slowed_for` how long it has been slowed; None: it isn't."""

    failures: int = 0
    slowed_for: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What a few attempts together make of an endpoint, and what its owner is told."""

    failures: int
    slowed: bool
    state: EndpointState = EndpointState.ACTIVE
    notice: Notice | None = None


def after_wave(health: Health, outcomes: Sequence[Outcome]) -> Change:
    """Judge an endpoint by the attempts that ended together. One 2xx clears it; a 410 disables it."""
    slowed = health.slowed_for is not None
    if Outcome.GONE in outcomes:
        return Change(health.failures + 1, slowed, EndpointState.DISABLED, Notice.DISABLED_GONE)
    if Outcome.DELIVERED in outcomes:
        return Change(0, slowed=False, notice=Notice.RECOVERED if slowed else None)
    failures = health.failures + len(outcomes)
    if health.slowed_for is not None:
        if health.slowed_for >= DISABLED_AFTER:
            return Change(failures, slowed=True, state=EndpointState.DISABLED, notice=Notice.DISABLED_FAILING)
        return Change(failures, slowed=True)
    if failures >= SLOWED_AFTER:
        return Change(failures, slowed=True, notice=Notice.SLOWED)
    return Change(failures, slowed=False)
