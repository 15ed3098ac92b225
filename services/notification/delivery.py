"""The life of one message: its states, and what each answer of the provider makes of it.

"Never two" outranks "always one" where SMTP leaves doubt: a mail whose fate is unknown is never sent again by
itself (docs/decisions/0006-never-two-thanks.md).
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    """The donation counts; its contact has not arrived yet."""
    PENDING = "pending"
    """Can be sent."""
    SENDING = "sending"
    """A process has claimed it, and committed that, before it began to talk to the provider."""
    RETRY = "retry"
    """Definitely not taken so far; will be tried again."""
    DELIVERED = "delivered"
    """The provider has taken it (a mail server: 250 after DATA)."""
    FAILED = "failed"
    """Definitely not taken, and not tried again by itself."""
    UNCERTAIN = "uncertain"
    """The provider may have taken it: a person decides whether to send it again."""
    WITHDRAWN = "withdrawn"
    """The donation was reversed in full before the message was sent."""
    DROPPED = "dropped"
    """Not sent, by a rule, which is its reason: the donor wants no messages, or has had enough today."""


ALLOWED: Final[dict[State, frozenset[State]]] = {
    State.WAITING: frozenset({State.PENDING, State.FAILED, State.WITHDRAWN}),
    State.PENDING: frozenset({State.SENDING, State.FAILED, State.WITHDRAWN, State.DROPPED}),
    State.SENDING: frozenset({State.DELIVERED, State.RETRY, State.FAILED, State.UNCERTAIN}),
    State.RETRY: frozenset({State.SENDING, State.FAILED, State.WITHDRAWN, State.DROPPED}),
    # To the first two when the process that was taken for dead brings its answer after all.
    State.UNCERTAIN: frozenset({State.DELIVERED, State.FAILED, State.PENDING}),
    State.FAILED: frozenset({State.PENDING}),
    State.DELIVERED: frozenset(),
    State.WITHDRAWN: frozenset(),
    State.DROPPED: frozenset(),
}
"""The ways from each state. To SENDING only from PENDING and RETRY: nothing in doubt is sent by itself."""

RESENDABLE: Final = frozenset({State.UNCERTAIN, State.FAILED})
"""What a person may have sent again."""


class Outcome(StrEnum):
    """How an attempt ended."""

    ACCEPTED = "accepted"
    REFUSED_FOR_NOW = "refused_for_now"
    """The provider has not taken it and may later (SMTP: 4xx, RFC 5321, 4.2.1)."""
    REFUSED = "refused"
    """For good (SMTP: 5xx), or a message that can't be written to this contact at all."""
    NOT_REACHED = "not_reached"
    """The connection was lost or timed out before the message was given away."""
    UNKNOWN = "unknown"
    """The connection was lost, or no clear answer came, after it was given away (SMTP: RFC 1047)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An attempt's outcome and its reason, a stable code such as "smtp_451": never the server's own words,
    which may hold the address. `provider_id`: the provider's name for what it has taken.
    """

    outcome: Outcome
    reason: str | None = None
    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class Backoff:
    """When a definite refusal is tried again: `first_s` · 2ⁿ up to `cap_s`, `attempts_max` times in all."""

    first_s: float
    cap_s: float
    attempts_max: int

    def delay_s(self, attempt: int, jitter: float) -> float:
        """Seconds until the next try after attempt number `attempt` (from 1).

        `jitter` in [0, 1) spreads it over 75-125 %, so that a mail server that comes back is not met by
        everything at the same moment.
        """
        doubled = self.first_s * 2.0 ** min(attempt - 1, 40)
        return min(doubled, self.cap_s) * (0.75 + jitter / 2)


@dataclass(frozen=True, slots=True)
class Step:
    """The state an attempt leads to, and for RETRY the seconds until the next."""

    state: State
    delay_s: float | None = None


_FINAL: Final = {
    Outcome.ACCEPTED: State.DELIVERED,
    Outcome.REFUSED: State.FAILED,
    Outcome.UNKNOWN: State.UNCERTAIN,
}


def after_attempt(
    outcome: Outcome, *, attempt: int, attempts_left: int, backoff: Backoff, jitter: float
) -> Step:
    """What an attempt's outcome makes of its message.

    `attempt` counts from 1 over the message's whole life, `attempts_left` what remains after this one.
    """
    if outcome in _FINAL:
        return Step(_FINAL[outcome])
    if attempts_left <= 0:
        return Step(State.FAILED)
    return Step(State.RETRY, backoff.delay_s(attempt, jitter))


class Readiness(StrEnum):
    """What to do with a message whose turn has come."""

    SEND = "send"
    WITHDRAW = "withdraw"
    GIVE_UP = "give_up"
    """Its contact may be kept no longer and is deleted."""
    NO_WAY = "no_way"
    """The donor left no address of a kind that this service has been set up to write to."""
    UNWANTED = "unwanted"
    """Whoever reads at this address has ended the messages to it."""
    ENOUGH = "enough"
    """This address has had as many messages today as it may: a further thank-you is dropped, not gathered."""
    NO_TEMPLATE = "no_template"
    """Nobody has written what to send by this way; mail has a text of its own."""
    LATER = "later"
    """The campaign it names is not known here yet; its organisation must stand in the mail (art. 25)."""


def readiness(
    *, amount_fen: int, reversed_fen: int, contact_kept: bool, campaign_known: bool, way_there: bool
) -> Readiness:
    """Decide on a message whose turn has come: nobody is thanked for what went back in full."""
    if reversed_fen >= amount_fen:
        return Readiness.WITHDRAW
    if not contact_kept:
        return Readiness.GIVE_UP
    if not way_there:
        return Readiness.NO_WAY
    return Readiness.SEND if campaign_known else Readiness.LATER


def wanted(*, unsubscribed: bool, messages_today: int, daily_limit: int, begun: bool) -> Readiness:
    """Decide whether its reader is to have a message that could be sent. `begun`: an attempt was made before,
    so that it is counted for its day already.
    """
    if unsubscribed:
        return Readiness.UNWANTED
    if not begun and messages_today >= daily_limit:
        return Readiness.ENOUGH
    return Readiness.SEND


CONTACT_KEPT: Final = timedelta(days=7)
"""How long a contact is kept when its mail is not delivered: long enough for a held donation's release, for
the retries (28 hours) and for a person's decision; longer serves no purpose of the donor's.
"""

CAMPAIGN_AWAITED: Final = timedelta(seconds=5)
"""How long a message steps back for its campaign; campaign events come within a second."""


class Resend(StrEnum):
    """What is said to a person who wants a message sent again."""

    ALLOWED = "allowed"
    NOT_IN_DOUBT = "not_in_doubt"
    """It was delivered or withdrawn, or goes out by itself."""
    CHANGED = "changed"
    """There was another attempt since the person looked: a request that is repeated sends nothing twice."""
    CONTACT_GONE = "contact_gone"


def judge_resend(state: State, *, attempts: int, attempts_seen: int, contact_kept: bool) -> Resend:
    """Decide on a person's wish to send a message again; `attempts_seen` is what they had before them."""
    if attempts != attempts_seen:
        return Resend.CHANGED
    if state not in RESENDABLE:
        return Resend.NOT_IN_DOUBT
    return Resend.ALLOWED if contact_kept else Resend.CONTACT_GONE
