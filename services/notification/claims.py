"""How a process takes a message into its hands, gives it back, and what becomes of it when the process dies.

A claim is committed before the provider is spoken to, with the number of the attempt and a lease by the
database's clock. The number fences: an answer counts only for the attempt it belongs to.
"""

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.addressees import Addressees
from services.notification.couriers.ways import Way
from services.notification.delivery import (
    ALLOWED,
    CAMPAIGN_AWAITED,
    CONTACT_KEPT,
    Answer,
    Readiness,
    State,
    Step,
    readiness,
    wanted,
)
from services.notification.letters.contents import Language
from services.notification.letters.keeping import InForce, current
from services.notification.quiet import today
from services.notification.thanks import Campaign, Thanks, message_id
from shared.events import (
    Event,
    EventData,
    NotificationDelivered,
    NotificationDeliveredByWay,
    NotificationFailed,
    NotificationFailedByWay,
)
from shared.events.notifications import NotificationByWayData, NotificationData
from shared.outbox import append

ROWS_MAX: Final = 500
"""Rows that one round of upkeep changes at most; what is left is the next round's."""
SET_ASIDE_MAX: Final = 100
"""Messages that one claim withdraws, ends or puts back at most before it closes its transaction."""
AREA: Final = "notification"
_ANNOUNCED: Final[dict[State, tuple[type[Event], type[Event]]]] = {
    State.DELIVERED: (NotificationDelivered, NotificationDeliveredByWay),
    State.FAILED: (NotificationFailed, NotificationFailedByWay),
}
"""Of a mail, and of any other way: v1 says "mail" and nothing else."""
DEFAULT_LANGUAGE: Final[Language] = "zh"
NO_CONTACT: Final = "no_contact"
_ENDS: Final = {
    Readiness.WITHDRAW: (State.WITHDRAWN, "reversed"),
    Readiness.GIVE_UP: (State.FAILED, NO_CONTACT),
    Readiness.NO_WAY: (State.FAILED, "no_way"),
    Readiness.NO_TEMPLATE: (State.FAILED, "no_template"),
    Readiness.UNWANTED: (State.DROPPED, "unsubscribed"),
    Readiness.ENOUGH: (State.DROPPED, "enough_today"),
}
"""What becomes of a message that is not sent, and the reason that is written down."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """One message in this process's hands until its lease runs out. `attempt` counts from 1."""

    campaign_id: str
    attempt: int
    attempts_left: int
    way: Way
    address: str = field(repr=False)
    template: InForce | None
    """What an operator has written; None: a mail with this service's own text."""
    thanks: Thanks

    @property
    def donation_id(self) -> UUID:
        """Whose message it is."""
        return self.thanks.donation_id


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms messages are claimed: for how long, and how many a day to one address."""

    lease_s: float
    partitions: int
    addressees: Addressees
    daily_limit: int


_ANYTHING_DUE: Final = text("""
SELECT EXISTS (
    SELECT FROM messages WHERE state IN ('pending', 'retry') AND way = :way AND next_attempt_at <= now()
)
""")
_NEXT_DUE: Final = text("""
SELECT messages.donation_id, messages.campaign_id, messages.amount_fen, messages.occurred_at,
    messages.attempts, messages.way, contacts.donation_id AS contact_of, contacts.name, contacts.language,
    contacts.wechat_app_id, CASE messages.way WHEN 'mail' THEN contacts.email WHEN 'sms' THEN contacts.phone
        WHEN 'wechat' THEN contacts.wechat_openid END AS address,
    campaigns.title, campaigns.title_en,
    campaigns.organisation, campaigns.licence, campaigns.filing_number, campaigns.contact,
    campaigns.query_method, (
        SELECT CAST(COALESCE(sum(reversals.amount_fen), 0) AS bigint) FROM reversals
        WHERE reversals.donation_id = messages.donation_id
    ) AS reversed_fen
FROM messages LEFT JOIN contacts USING (donation_id) LEFT JOIN campaigns USING (campaign_id)
WHERE messages.state IN ('pending', 'retry') AND messages.way = :way AND messages.next_attempt_at <= now()
ORDER BY messages.next_attempt_at, messages.donation_id LIMIT 1 FOR UPDATE OF messages SKIP LOCKED
""")
_CLAIM: Final = text("""
UPDATE messages SET state = 'sending', attempts = attempts + 1,
    attempts_left = greatest(attempts_left - 1, 0), next_attempt_at = NULL,
    lease_until = now() + make_interval(secs => :lease_s), changed_at = now()
WHERE donation_id = :donation_id RETURNING attempts, attempts_left, requested_by
""")
_BEGIN_ATTEMPT: Final = text("""
INSERT INTO attempts (donation_id, attempt, started_at, requested_by)
VALUES (:donation_id, :attempt, now(), :requested_by)
""")
_END: Final = text("""
UPDATE messages SET state = :state, reason = :reason, next_attempt_at = NULL, changed_at = now()
WHERE donation_id = :donation_id
""")
_PUT_BACK: Final = text("""
UPDATE messages SET next_attempt_at = now() + CAST(:delay AS interval) WHERE donation_id = :donation_id
""")
_FORGET_CONTACT: Final = text("DELETE FROM contacts WHERE donation_id = :donation_id")


_STANDING: Final = text("""
SELECT EXISTS (SELECT FROM unsubscribed WHERE address_hash = :address_hash) AS unsubscribed, COALESCE((
    SELECT messages FROM daily_counts WHERE address_hash = :address_hash AND day = :day
), 0) AS messages_today
""")
_COUNT_ONE: Final = text("""
INSERT INTO daily_counts AS counts (address_hash, day, messages) VALUES (:address_hash, :day, 1)
ON CONFLICT (address_hash, day) DO UPDATE SET messages = counts.messages + 1
WHERE counts.messages < :daily_limit
""")


async def anything_due(connection: AsyncConnection, way: Way) -> bool:
    """Whether a message waits to be sent by this way (one look at an index)."""
    return bool((await connection.execute(_ANYTHING_DUE, {"way": way.value})).scalar_one())


async def claim(connection: AsyncConnection, way: Way, terms: Terms) -> Claimed | None:
    """Take the message of a way that is due longest, or None. Commit before the provider is spoken to.

    Messages that others are just taking are passed over, so several processes can claim side by side.
    """
    for _ in range(SET_ASIDE_MAX):
        row = (await connection.execute(_NEXT_DUE, {"way": way.value})).one_or_none()
        if row is None:
            return None
        verdict = readiness(
            amount_fen=row.amount_fen,
            reversed_fen=row.reversed_fen,
            contact_kept=row.contact_of is not None,
            way_there=row.address is not None,
            campaign_known=row.title is not None,
        )
        template = None
        if verdict is Readiness.SEND:
            verdict, template = await _wanted(connection, row, terms)
        if verdict is Readiness.SEND:
            return await _take(connection, row, template, terms.lease_s)
        await _set_aside(connection, row, verdict, terms.partitions)
        if verdict is Readiness.ENOUGH:
            return (
                None  # it may hold the lock of its address's count: none is waited for with another in hand
            )
    return None


async def _wanted(
    connection: AsyncConnection, row: Row[Any], terms: Terms
) -> tuple[Readiness, InForce | None]:
    """Whether its reader is to have this message, and what an operator has written for it. One that is sent
    is counted for its day at its first attempt.
    """
    way = Way(row.way)
    template = await current(
        connection,
        way,
        campaign_id=row.campaign_id,
        language=row.language or DEFAULT_LANGUAGE,
        app_id=row.wechat_app_id if way is Way.WECHAT else "",
    )
    if template is None and way is not Way.MAIL:
        return Readiness.NO_TEMPLATE, None
    asked = {"address_hash": terms.addressees.hash_of(way, row.address), "day": today().date()}
    standing = (await connection.execute(_STANDING, asked)).one()
    verdict = wanted(
        unsubscribed=standing.unsubscribed,
        messages_today=standing.messages_today,
        daily_limit=terms.daily_limit,
        begun=row.attempts > 0,
    )
    if verdict is Readiness.SEND and row.attempts == 0:
        counted = await connection.execute(_COUNT_ONE, {**asked, "daily_limit": terms.daily_limit})
        if not counted.rowcount:
            return Readiness.ENOUGH, None  # another took the last one meanwhile
    return verdict, template


async def _take(
    connection: AsyncConnection, row: Row[Any], template: InForce | None, lease_s: float
) -> Claimed:
    key = {"donation_id": row.donation_id}
    taken = (await connection.execute(_CLAIM, {**key, "lease_s": lease_s})).one()
    begun = {**key, "attempt": taken.attempts, "requested_by": taken.requested_by}
    await connection.execute(_BEGIN_ATTEMPT, begun)
    campaign = Campaign(
        title=row.title,
        title_en=row.title_en,
        organisation=row.organisation,
        licence=row.licence,
        filing_number=row.filing_number,
        contact=row.contact,
        query_method=row.query_method,
    )
    thanks = Thanks(
        donation_id=row.donation_id,
        name=row.name,
        amount_fen=row.amount_fen,
        reversed_fen=row.reversed_fen,
        occurred_at=row.occurred_at,
        campaign=campaign,
    )
    return Claimed(
        campaign_id=row.campaign_id,
        attempt=taken.attempts,
        attempts_left=taken.attempts_left,
        way=Way(row.way),
        address=row.address,
        template=template,
        thanks=thanks,
    )


async def _set_aside(connection: AsyncConnection, row: Row[Any], verdict: Readiness, partitions: int) -> None:
    if verdict is Readiness.LATER:
        values = {"donation_id": row.donation_id, "delay": CAMPAIGN_AWAITED}
        await connection.execute(_PUT_BACK, values)
        return
    state, reason = _ENDS[verdict]
    await _end(connection, row, state, reason, partitions)
    if state is not State.FAILED:
        await connection.execute(_FORGET_CONTACT, {"donation_id": row.donation_id})


async def _end(
    connection: AsyncConnection, row: Row[Any], state: State, reason: str, partitions: int
) -> None:
    """End a message that is in nobody's hands."""
    values = {"donation_id": row.donation_id, "state": state.value, "reason": reason}
    await connection.execute(_END, values)
    facts = {"donation_id": row.donation_id, "campaign_id": row.campaign_id, "attempts": row.attempts}
    await _tell(connection, state, Way(row.way), {**facts, "reason": reason}, partitions)


async def _tell(
    connection: AsyncConnection, state: State, way: Way, facts: dict[str, Any], partitions: int
) -> None:
    """Announce a message's end, when it is one that the others are told of."""
    if state not in _ANNOUNCED:
        return
    by_mail, by_way = _ANNOUNCED[state]
    said = {**facts, "message_id": message_id(facts["donation_id"]), "way": way.value}
    data: EventData = NotificationData(**said) if way is Way.MAIL else NotificationByWayData(**said)
    event_class, key = by_mail if way is Way.MAIL else by_way, str(facts["donation_id"])
    await append(connection, AREA, event_class, key=key, subject=key, data=data, partitions=partitions)


_FINISH: Final = text("""
UPDATE messages SET state = :state, reason = :reason, lease_until = NULL, changed_at = now(),
    next_attempt_at = now() + make_interval(secs => CAST(:delay_s AS double precision))
WHERE donation_id = :donation_id AND attempts = :attempt AND state = ANY(:from_states)
""")
_END_ATTEMPT: Final = text("""
UPDATE attempts SET ended_at = now(), outcome = :outcome, reason = :reason, provider_id = :provider_id
WHERE donation_id = :donation_id AND attempt = :attempt
""")


async def finish(
    connection: AsyncConnection, claimed: Claimed, answer: Answer, step: Step, partitions: int
) -> bool:
    """Write how an attempt ended, and tell the others when that is the end of the message.

    False when the message has moved on meanwhile (its lease ran out, a person had it sent again): then only
    the record of the attempt changes, unless the answer takes away the doubt.
    """
    key = {"donation_id": claimed.donation_id, "attempt": claimed.attempt}
    ended = {
        **key,
        "outcome": answer.outcome.value,
        "reason": answer.reason,
        "provider_id": answer.provider_id,
    }
    await connection.execute(_END_ATTEMPT, ended)
    held = (State.SENDING, State.UNCERTAIN)
    moved = {
        **key,
        "state": step.state.value,
        "reason": answer.reason,
        "delay_s": step.delay_s,
        "from_states": [state.value for state in held if step.state in ALLOWED[state]],
    }
    if not (await connection.execute(_FINISH, moved)).rowcount:
        return False
    if step.state is State.DELIVERED:
        await connection.execute(_FORGET_CONTACT, {"donation_id": claimed.donation_id})
    facts = {
        "donation_id": claimed.donation_id,
        "campaign_id": claimed.campaign_id,
        "attempts": claimed.attempt,
        "reason": answer.reason,
    }
    await _tell(connection, step.state, claimed.way, facts, partitions)
    return True


_EXPIRE_LEASES: Final = text("""
WITH dead AS (
    SELECT donation_id FROM messages WHERE state = 'sending' AND lease_until < now()
    ORDER BY donation_id LIMIT :rows FOR UPDATE SKIP LOCKED
), moved AS (
    UPDATE messages SET state = 'uncertain', reason = 'sender_died', lease_until = NULL, changed_at = now()
    FROM dead WHERE messages.donation_id = dead.donation_id
    RETURNING messages.donation_id, messages.attempts
)
UPDATE attempts SET ended_at = now(), outcome = 'unknown', reason = 'sender_died'
FROM moved WHERE attempts.donation_id = moved.donation_id AND attempts.attempt = moved.attempts
""")
_OVERDUE: Final = text("""
SELECT donation_id, campaign_id, attempts, way FROM messages
WHERE state = 'waiting' AND created_at < now() - CAST(:kept AS interval)
ORDER BY created_at LIMIT :rows FOR UPDATE SKIP LOCKED
""")
_FORGET_CONTACTS: Final = text("""
DELETE FROM contacts WHERE donation_id IN (
    SELECT contacts.donation_id FROM contacts LEFT JOIN messages USING (donation_id)
    WHERE contacts.expires_at <= now() AND messages.state IS DISTINCT FROM 'sending'
        OR messages.state IN ('delivered', 'withdrawn', 'dropped')
    LIMIT :rows FOR UPDATE OF contacts SKIP LOCKED
)
""")


async def expire_leases(connection: AsyncConnection) -> int:
    """What a process died over is in doubt; gives back how many. What a living one holds is left alone."""
    return (await connection.execute(_EXPIRE_LEASES, {"rows": ROWS_MAX})).rowcount


async def end_overdue(connection: AsyncConnection, partitions: int) -> int:
    """End the messages whose contact never came; gives back how many."""
    overdue = (await connection.execute(_OVERDUE, {"kept": CONTACT_KEPT, "rows": ROWS_MAX})).all()
    for row in overdue:
        await _end(connection, row, State.FAILED, NO_CONTACT, partitions)
    return len(overdue)


_FORGET_COUNTS: Final = text("""
DELETE FROM daily_counts WHERE (address_hash, day) IN (
    SELECT address_hash, day FROM daily_counts WHERE day < CAST(:today AS date) - 1
    LIMIT :rows FOR UPDATE SKIP LOCKED
)
""")


async def forget_counts(connection: AsyncConnection) -> int:
    """Delete how often addresses were written to before yesterday; gives back how many."""
    values = {"today": today().date(), "rows": ROWS_MAX}
    return (await connection.execute(_FORGET_COUNTS, values)).rowcount


async def forget_contacts(connection: AsyncConnection) -> int:
    """Delete the contacts that have done their work or stayed their time; gives back how many."""
    return (await connection.execute(_FORGET_CONTACTS, {"rows": ROWS_MAX})).rowcount
