"""What comes in, written to the database, and what operators and metrics ask of it. Sending: claims.py.

Times are the database's (`now()`), so that several processes on several machines agree. Where several rows
are written, it is in the order of their keys, so that two transactions never wait for each other in a ring.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notification.couriers.ways import Way
from services.notification.delivery import CONTACT_KEPT, Resend, State, judge_resend
from shared.events import (
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    Contact,
    DonationReceived,
    DonationReversed,
)

CampaignEvent = CampaignFiled | CampaignLaunched | CampaignPaused | CampaignClosed

TOGETHER_MAX: Final = 1_000
"""Messages that one sweep brings together with their contacts at most."""

_ADD_MESSAGES: Final = text("""
INSERT INTO messages (donation_id, campaign_id, channel, amount_fen, occurred_at, state, attempts_left,
    created_at, changed_at)
SELECT donation_id, campaign_id, channel, amount_fen, occurred_at, 'waiting', :attempts_max, now(), now()
FROM unnest(CAST(:donation_ids AS uuid[]), CAST(:campaign_ids AS text[]), CAST(:channels AS text[]),
    CAST(:amounts_fen AS bigint[]), CAST(:occurred_at AS timestamptz[]))
    AS received (donation_id, campaign_id, channel, amount_fen, occurred_at)
ORDER BY donation_id ON CONFLICT DO NOTHING
""")


async def add_messages(
    connection: AsyncConnection, events: Sequence[DonationReceived], attempts_max: int
) -> None:
    """Make the message of each donation; one that has a message already keeps it."""
    data = [event.data for event in events]
    values = {
        "donation_ids": [each.donation_id for each in data],
        "campaign_ids": [each.campaign_id for each in data],
        "channels": [each.channel for each in data],
        "amounts_fen": [each.amount_fen for each in data],
        "occurred_at": [each.occurred_at for each in data],
        "attempts_max": attempts_max,
    }
    await connection.execute(_ADD_MESSAGES, values)


_ADD_REVERSALS: Final = text("""
INSERT INTO reversals (reversal_id, donation_id, amount_fen)
SELECT reversal_id, donation_id, amount_fen
FROM unnest(CAST(:reversal_ids AS uuid[]), CAST(:donation_ids AS uuid[]), CAST(:amounts_fen AS bigint[]))
    AS reversed (reversal_id, donation_id, amount_fen)
ORDER BY reversal_id ON CONFLICT DO NOTHING
""")


async def add_reversals(connection: AsyncConnection, events: Sequence[DonationReversed]) -> None:
    """Note what went back, whether its donation is known here yet or not."""
    data = [event.data for event in events]
    values = {
        "reversal_ids": [each.reversal_id for each in data],
        "donation_ids": [each.donation_id for each in data],
        "amounts_fen": [each.amount_fen for each in data],
    }
    await connection.execute(_ADD_REVERSALS, values)


_PUT_CAMPAIGN: Final = text("""
INSERT INTO campaigns
    (campaign_id, title, title_en, organisation, licence, filing_number, contact, query_method)
VALUES (:campaign_id, :title, :title_en, :organisation, :licence, :filing_number, :contact, :query_method)
ON CONFLICT (campaign_id) DO UPDATE SET title = excluded.title, title_en = excluded.title_en,
    organisation = excluded.organisation, licence = excluded.licence, filing_number = excluded.filing_number,
    contact = excluded.contact, query_method = excluded.query_method
""")
_CAMPAIGN_FIELDS: Final = {
    "campaign_id",
    "title",
    "title_en",
    "organisation",
    "licence",
    "filing_number",
    "contact",
    "query_method",
}


async def put_campaigns(connection: AsyncConnection, events: Sequence[CampaignEvent]) -> None:
    """Keep each campaign as the last of its events tells it."""
    newest = {event.data.campaign_id: event.data for event in events}
    for _, data in sorted(newest.items()):
        await connection.execute(_PUT_CAMPAIGN, data.model_dump(include=_CAMPAIGN_FIELDS))


_ADD_CONTACTS: Final = text("""
INSERT INTO contacts (donation_id, email, phone, wechat_openid, wechat_app_id, language, way, name,
    received_at, expires_at)
SELECT donation_id, email, phone, wechat_openid, wechat_app_id, language, way, name, received_at,
    received_at + CAST(:kept AS interval)
FROM unnest(CAST(:donation_ids AS uuid[]), CAST(:emails AS text[]), CAST(:phones AS text[]),
    CAST(:wechat_openids AS text[]), CAST(:wechat_app_ids AS text[]), CAST(:languages AS text[]),
    CAST(:ways AS text[]), CAST(:names AS text[]), CAST(:received_at AS timestamptz[]))
    AS sent (donation_id, email, phone, wechat_openid, wechat_app_id, language, way, name, received_at)
WHERE received_at + CAST(:kept AS interval) > now() AND donation_id NOT IN (SELECT subject FROM erased)
AND NOT EXISTS (
    SELECT FROM messages
    WHERE messages.donation_id = sent.donation_id
        AND messages.state IN ('delivered', 'withdrawn', 'dropped')
)
ORDER BY donation_id ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class Left:
    """A contact that a donor left: the time (UTC) its record was written, and the way that was chosen."""

    contact: Contact
    written_at: datetime
    way: Way | None


async def add_contacts(connection: AsyncConnection, left: Sequence[Left]) -> None:
    """Keep contacts: a repeat doesn't prolong its stay, and one that has done its work doesn't come back. The
    first contact of a donation is its contact.
    """
    contacts = [each.contact for each in left]
    values = {
        "donation_ids": [contact.donation_id for contact in contacts],
        "emails": [contact.email for contact in contacts],
        "phones": [contact.phone for contact in contacts],
        "wechat_openids": [contact.wechat_openid for contact in contacts],
        "wechat_app_ids": [contact.wechat_app_id for contact in contacts],
        "languages": [contact.language for contact in contacts],
        "ways": [each.way for each in left],
        "names": [contact.name for contact in contacts],
        "received_at": [each.written_at for each in left],
        "kept": CONTACT_KEPT,
    }
    await connection.execute(_ADD_CONTACTS, values)


_BRING_TOGETHER: Final = text("""
WITH complete AS (
    SELECT messages.donation_id, COALESCE(contacts.way, 'mail') AS way
    FROM messages JOIN contacts USING (donation_id)
    WHERE messages.state = 'waiting' AND messages.donation_id = ANY(:donation_ids)
    ORDER BY messages.donation_id FOR UPDATE OF messages
)
UPDATE messages SET state = 'pending', next_attempt_at = now(), changed_at = now(), way = complete.way
FROM complete WHERE messages.donation_id = complete.donation_id
""")
_LEFT_APART: Final = text("""
SELECT messages.donation_id FROM messages JOIN contacts USING (donation_id)
WHERE messages.state = 'waiting' LIMIT :rows
""")


async def bring_together(connection: AsyncConnection, donation_ids: Sequence[UUID]) -> int:
    """Make the messages whose contact is there ready to be sent; gives back how many.

    To be called after the commit of the message or of the contact: whoever commits last sees both, which
    neither does inside its own transaction.
    """
    return (await connection.execute(_BRING_TOGETHER, {"donation_ids": list(donation_ids)})).rowcount


async def left_apart(connection: AsyncConnection) -> list[UUID]:
    """Messages that wait although their contact is there: somebody died between its commit and this."""
    return list((await connection.execute(_LEFT_APART, {"rows": TOGETHER_MAX})).scalars())


@dataclass(frozen=True, slots=True)
class Count:
    """How many messages stand in a state, and how old the oldest of them is."""

    messages: int
    oldest_s: float


_COUNTS: Final = text("""
SELECT state, count(*) AS messages, CAST(extract(epoch FROM now() - min(created_at)) AS float8) AS oldest_s
FROM messages WHERE state = ANY(:states) GROUP BY state
""")
_COUNT_CONTACTS: Final = text("SELECT count(*) FROM contacts")


async def counts(connection: AsyncConnection, states: Sequence[State]) -> tuple[dict[State, Count], int]:
    """The messages in `states`, by state, and the number of contacts held."""
    rows = await connection.execute(_COUNTS, {"states": [state.value for state in states]})
    by_state = {State(row.state): Count(row.messages, row.oldest_s) for row in rows}
    return by_state, (await connection.execute(_COUNT_CONTACTS)).scalar_one()


_PAGE: Final = text("""
SELECT messages.*, contacts.email, contacts.phone, contacts.wechat_openid
FROM messages LEFT JOIN contacts USING (donation_id)
WHERE messages.state = :state
    AND (CAST(:campaign_id AS text) IS NULL OR messages.campaign_id = CAST(:campaign_id AS text))
    AND (CAST(:way AS text) IS NULL OR messages.way = CAST(:way AS text))
    AND (CAST(:reason AS text) IS NULL OR messages.reason = CAST(:reason AS text))
    AND (CAST(:day AS date) IS NULL OR (
        messages.created_at >= CAST(CAST(:day AS date) AS timestamp) AT TIME ZONE 'Asia/Shanghai'
        AND messages.created_at < CAST(CAST(:day AS date) + 1 AS timestamp) AT TIME ZONE 'Asia/Shanghai'
    ))
    AND (CAST(:after AS uuid) IS NULL OR (messages.created_at, messages.donation_id) > (
        SELECT created_at, donation_id FROM messages WHERE donation_id = CAST(:after AS uuid)
    ))
ORDER BY messages.created_at, messages.donation_id LIMIT :rows
""")
_ONE: Final = text("""
SELECT messages.*, contacts.email, contacts.phone, contacts.wechat_openid
FROM messages LEFT JOIN contacts USING (donation_id)
WHERE messages.donation_id = :donation_id
""")
_ATTEMPTS: Final = text("""
SELECT attempt, started_at, ended_at, outcome, reason, requested_by, provider_id, arrived, report, reported_at
FROM attempts
WHERE donation_id = :donation_id ORDER BY attempt DESC LIMIT 100
""")


@dataclass(frozen=True, slots=True)
class Asked:
    """Which messages somebody wants to see; None: whichever. `day` of Shanghai, when they were made."""

    state: State
    campaign_id: str | None = None
    way: Way | None = None
    reason: str | None = None
    day: date | None = None


async def page(
    connection: AsyncConnection, asked: Asked, *, after: UUID | None, rows: int
) -> Sequence[Row[Any]]:
    """Messages, oldest first, from behind `after`; `email` is None once the contact is gone."""
    values = {**asdict(asked), "after": after, "rows": rows}
    return (await connection.execute(_PAGE, values)).all()


async def find(connection: AsyncConnection, donation_id: UUID) -> tuple[Row[Any] | None, Sequence[Row[Any]]]:
    """One message and its last attempts, newest first."""
    key = {"donation_id": donation_id}
    message = (await connection.execute(_ONE, key)).one_or_none()
    return message, (await connection.execute(_ATTEMPTS, key)).all()


_TROUBLES: Final = text("""
SELECT messages.campaign_id, messages.way, messages.state, messages.reason, count(*) AS messages,
    count(contacts.donation_id) AS with_contact, min(messages.created_at) AS oldest_at
FROM messages LEFT JOIN contacts USING (donation_id)
WHERE messages.state IN ('failed', 'uncertain', 'dropped')
    AND messages.created_at > now() - CAST(:within AS interval)
GROUP BY 1, 2, 3, 4 ORDER BY count(*) DESC, 1, 2, 3, 4 LIMIT :rows
""")


async def troubles(connection: AsyncConnection, rows: int) -> Sequence[Row[Any]]:
    """What of the days for which contacts are kept did not arrive, by campaign, way, state and reason."""
    return (await connection.execute(_TROUBLES, {"within": CONTACT_KEPT, "rows": rows})).all()


_LOCK: Final = text("""
SELECT state, attempts,
    EXISTS (SELECT FROM contacts WHERE contacts.donation_id = messages.donation_id) AS contact_kept
FROM messages WHERE donation_id = :donation_id FOR UPDATE
""")
_RESEND: Final = text("""
UPDATE messages SET state = 'pending', next_attempt_at = now(), attempts_left = :attempts_max, reason = NULL,
    requested_by = :person, changed_at = now()
WHERE donation_id = :donation_id
""")


async def resend(
    connection: AsyncConnection, donation_id: UUID, *, attempts_seen: int, person: str, attempts_max: int
) -> tuple[Resend, State] | None:
    """Have a message sent again in a person's name, if that may be; None when there is no such message."""
    row = (await connection.execute(_LOCK, {"donation_id": donation_id})).one_or_none()
    if row is None:
        return None
    state = State(row.state)
    verdict = judge_resend(
        state, attempts=row.attempts, attempts_seen=attempts_seen, contact_kept=row.contact_kept
    )
    if verdict is not Resend.ALLOWED:
        return verdict, state
    values = {"donation_id": donation_id, "person": person, "attempts_max": attempts_max}
    await connection.execute(_RESEND, values)
    return verdict, State.PENDING


@dataclass(frozen=True, slots=True)
class Failed:
    """Which failed messages are meant: for what reason they failed; of which campaign, by which way (None:
    whichever).
    """

    reason: str
    campaign_id: str | None
    way: Way | None

    @property
    def values(self) -> dict[str, Any]:
        """The same for a statement."""
        return {"reason": self.reason, "campaign_id": self.campaign_id, "way": self.way}


# What failed without a template is meant only when there is one for it now: it would fail again.
_MEANT: Final = """
FROM messages JOIN contacts USING (donation_id)
WHERE messages.state = 'failed' AND messages.reason = :reason
    AND (CAST(:campaign_id AS text) IS NULL OR messages.campaign_id = CAST(:campaign_id AS text))
    AND (CAST(:way AS text) IS NULL OR messages.way = CAST(:way AS text))
    AND (messages.reason <> 'no_template' OR EXISTS (
        SELECT FROM templates
        WHERE templates.way = messages.way
            AND templates.app_id = CASE messages.way WHEN 'wechat' THEN contacts.wechat_app_id ELSE '' END
            AND templates.campaign_id IN (messages.campaign_id, '')
            AND templates.language IN (COALESCE(contacts.language, 'zh'), 'zh')
            AND templates.replaced_at IS NULL AND NOT templates.retired
    ))
"""
_RESEND_FAILED: Final = text(
    f"""
WITH meant AS (
    SELECT messages.donation_id {_MEANT}
    ORDER BY messages.created_at, messages.donation_id LIMIT :rows FOR UPDATE OF messages SKIP LOCKED
)
UPDATE messages SET state = 'pending', next_attempt_at = now(), attempts_left = :attempts_max, reason = NULL,
    requested_by = :person, changed_at = now()
FROM meant WHERE messages.donation_id = meant.donation_id
"""  # noqa: S608 - a constant
)
_COUNT_FAILED: Final = text(f"SELECT count(*) {_MEANT}")


async def resend_failed(
    connection: AsyncConnection, failed: Failed, *, rows: int, person: str, attempts_max: int
) -> tuple[int, int]:
    """Have failed messages whose contact is still there sent again in a person's name, the oldest first, at
    most `rows`; gives back how many, and how many more there are. Never one in doubt.
    """
    values = {**failed.values, "rows": rows, "person": person, "attempts_max": attempts_max}
    queued = (await connection.execute(_RESEND_FAILED, values)).rowcount
    return queued, (await connection.execute(_COUNT_FAILED, failed.values)).scalar_one()
