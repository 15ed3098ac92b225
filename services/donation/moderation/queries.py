"""What is asked of moderation's tables. Statements over whole batches: one for 200 decisions."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from services.donation.moderation.rules import CampaignRules, State, Word

Order = Literal["oldest", "largest"]

# ---------------------------------------------------------------- the queue


_ADD: Final = text(
    "INSERT INTO donor_messages (message_id, campaign_id, amount_fen, received_at)"
    " SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:campaigns AS text[]), CAST(:amounts AS bigint[]),"
    " CAST(:received AS timestamptz[])) ON CONFLICT DO NOTHING"
)


class NewMessage(NamedTuple):
    """A message of a donation that counts from now on."""

    message_id: UUID
    campaign_id: str
    amount_fen: int
    received_at: datetime


async def add_messages(connection: AsyncConnection, messages: Sequence[NewMessage]) -> None:
    """Put messages into the queue, unscreened. One that is there stays as it is."""
    ids, campaigns, amounts, received = zip(*sorted(messages), strict=True)
    columns = {"ids": list(ids), "campaigns": list(campaigns), "amounts": list(amounts)}
    await connection.execute(_ADD, columns | {"received": list(received)})


_SHOWN: Final = (
    "SELECT m.message_id, m.campaign_id, m.amount_fen, m.received_at, m.state, m.version, m.rank, m.rule,"
    " m.word, m.personal, m.reversed, d.channel, d.occurred_at, d.donor_kind,"
    " coalesce(d.message, '') AS text,"
    " CASE WHEN EXISTS (SELECT FROM consent_withdrawals w WHERE w.donation_id = d.donation_id) THEN NULL"
    " WHEN d.donor_display = 'name' THEN d.donor_name WHEN d.donor_display = 'alias' THEN d.donor_alias"
    " END AS name,"
    " last.decided_by, last.decided_at, last.reason, last.note"
    " FROM {messages} m JOIN donations d ON d.donation_id = m.message_id"
    " LEFT JOIN message_decisions last ON last.message_id = m.message_id AND last.number = m.version"
)
_ORDERS: Final[Mapping[Order, tuple[str, str]]] = {
    "oldest": (
        "rank, received_at, message_id",
        "(rank, received_at, message_id) > (:key, :received_at, :message_id)",
    ),
    "largest": (
        "amount_fen DESC, received_at DESC, message_id DESC",
        "(amount_fen, received_at, message_id) < (:key, :received_at, :message_id)",
    ),
}
_SORTED: Final = {
    order: ", ".join(f"m.{column}" for column in keys.split(", ")) for order, (keys, _) in _ORDERS.items()
}


class Place(NamedTuple):
    """Where a page of the queue ended. `key`: the rank there, or the amount in fen, by the page's order."""

    key: int
    received_at: datetime
    message_id: UUID


async def list_messages(
    connection: AsyncConnection,
    campaign_id: str,
    state: State,
    order: Order,
    *,
    min_amount_fen: int | None,
    after: Place | None,
    rows: int,
) -> Sequence[Row[Any]]:
    """A page of a campaign's messages in one state. The state stands in the statement, not beside it: only
    then is the index one that the planner may use.
    """
    keys, beyond = _ORDERS[order]
    asked: dict[str, Any] = {"campaign_id": campaign_id, "rows": rows}
    where = f"campaign_id = :campaign_id AND state = '{state}'"
    if min_amount_fen is not None:
        where += " AND amount_fen >= :min_amount_fen"
        asked["min_amount_fen"] = min_amount_fen
    if after is not None:
        where += f" AND {beyond}"
        asked |= after._asdict()
    page = f"(SELECT * FROM donor_messages WHERE {where} ORDER BY {keys} LIMIT :rows)"  # noqa: S608 - this file's words
    statement = _SHOWN.format(messages=page) + f" ORDER BY {_SORTED[order]}"
    return (await connection.execute(text(statement), asked)).all()


COUNTED: Final = 1_000
"""How far waiting messages are counted: what is more is "more than that", at a bounded cost."""
CAMPAIGNS: Final = 200
"""How many campaigns are listed at most, those that are not closed first."""
_CAMPAIGNS: Final = text(
    "SELECT c.campaign_id, c.status, (SELECT count(*) FROM (SELECT FROM donor_messages m"
    " WHERE m.campaign_id = c.campaign_id AND m.state = 'waiting' LIMIT :counted) found) AS waiting"
    " FROM campaigns c ORDER BY c.status = 'closed', c.campaign_id LIMIT :campaigns"
)


async def waiting(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """The campaigns, each with how many of its messages wait, COUNTED at most."""
    bounds = {"counted": COUNTED, "campaigns": CAMPAIGNS}
    return (await connection.execute(_CAMPAIGNS, bounds)).all()


_ONE: Final = text(_SHOWN.format(messages="donor_messages") + " WHERE m.message_id = :message_id")


async def message(connection: AsyncConnection, message_id: UUID) -> Row[Any] | None:
    """One message, in whatever state."""
    return (await connection.execute(_ONE, {"message_id": message_id})).one_or_none()


_HISTORY: Final = text("SELECT * FROM message_decisions WHERE message_id = :message_id ORDER BY number")


async def decisions_of(connection: AsyncConnection, message_id: UUID) -> Sequence[Row[Any]]:
    """What was decided about a message, the first first."""
    return (await connection.execute(_HISTORY, {"message_id": message_id})).all()


_LAST_TWO: Final = text(
    "SELECT d.message_id, d.number, d.verdict, d.state, d.decided_by FROM message_decisions d"
    " JOIN donor_messages m USING (message_id)"
    " WHERE m.message_id = ANY(:ids) AND d.number >= m.version - 1"
)


async def last_decisions(
    connection: AsyncConnection, ids: Iterable[UUID]
) -> dict[tuple[UUID, int], Row[Any]]:
    """The last two decisions about each of these messages, by message and number."""
    rows = await connection.execute(_LAST_TWO, {"ids": list(ids)})
    return {(row.message_id, row.number): row for row in rows}


# ---------------------------------------------------------------- decisions


_LOCK: Final = text(
    "SELECT * FROM donor_messages WHERE message_id = ANY(:ids) ORDER BY message_id FOR UPDATE"
)
_DECIDE: Final = text(
    """
    WITH told AS (
        SELECT * FROM unnest(CAST(:message_id AS uuid[]), CAST(:number AS integer[]),
            CAST(:verdict AS text[]), CAST(:state AS text[]), CAST(:rule AS text[]),
            CAST(:reason AS text[]), CAST(:note AS text[]), CAST(:told AS boolean[]))
            AS new (message_id, number, verdict, state, rule, reason, note, told)
    ), written AS (
        INSERT INTO message_decisions
            (message_id, number, verdict, state, rule, reason, note, told, decided_by, decided_at)
        SELECT told.*, :decided_by, :decided_at FROM told
    )
    UPDATE donor_messages m SET state = told.state, version = told.number,
        rule = CASE told.verdict WHEN 'reopen' THEN m.rule ELSE told.rule END
    FROM told WHERE m.message_id = told.message_id
    """
)


class NewDecision(NamedTuple):
    """One decision about a message that the caller has locked. `number`: its version from now on. `told`: the
    screens must know, because it was shown or is from now on.
    """

    message_id: UUID
    number: int
    verdict: str
    state: State
    rule: str | None = None
    reason: str | None = None
    note: str | None = None
    told: bool = True


async def lock_messages(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """The messages that are known under these ids, locked until the end of the transaction."""
    return {row.message_id: row for row in await connection.execute(_LOCK, {"ids": list(ids)})}


async def add_decisions(
    connection: AsyncConnection, decisions: Sequence[NewDecision], decided_by: str | None, at: datetime
) -> None:
    """Write decisions down, and what they make of their messages. `decided_by` None: a rule. What is reopened
    to be undecided has been screened before, and keeps what the rules said.
    """
    columns = dict(zip(NewDecision._fields, map(list, zip(*decisions, strict=True)), strict=True))
    await connection.execute(_DECIDE, columns | {"decided_by": decided_by, "decided_at": at})


_UNSENT: Final = text(
    "SELECT message_id, number FROM message_decisions WHERE sent_at IS NULL AND told"
    " ORDER BY decided_at, message_id, number LIMIT :rows"
)
_SENT: Final = text(
    "UPDATE message_decisions d SET sent_at = now() FROM unnest(CAST(:ids AS uuid[]),"
    " CAST(:numbers AS integer[])) AS sent (message_id, number)"
    " WHERE d.message_id = sent.message_id AND d.number = sent.number AND d.sent_at IS NULL"
)


async def unsent(connection: AsyncConnection, rows: int) -> Sequence[Row[Any]]:
    """Decisions that the screens must know of and the broker has not confirmed, the oldest first."""
    return (await connection.execute(_UNSENT, {"rows": rows})).all()


async def mark_sent(connection: AsyncConnection, decisions: Iterable[tuple[UUID, int]]) -> None:
    """Note that the broker has the records of these decisions."""
    ids, numbers = zip(*decisions, strict=True)
    await connection.execute(_SENT, {"ids": list(ids), "numbers": list(numbers)})


_TOLD: Final = (
    "SELECT x.message_id, x.number, x.state, x.rule, x.decided_at, x.source, x.sequence, x.booked_at,"
    " d.campaign_id, d.channel, d.donor_kind, d.donor_name, d.donor_alias,"
    " CASE WHEN EXISTS (SELECT FROM consent_withdrawals w WHERE w.donation_id = d.donation_id)"
    " THEN 'anonymous' ELSE d.donor_display END AS donor_display,"
    " d.message AS text FROM message_decisions x JOIN donations d ON d.donation_id = x.message_id"
)
TOLD_AT: Final = text(_TOLD + " WHERE x.source = :source AND x.sequence = ANY(:sequences)")
"""What stands at some positions of a source, to be told again."""
_TELLING: Final = text(_TOLD + " WHERE x.message_id = ANY(:ids) AND x.told ORDER BY x.message_id, x.number")
_BOOK: Final = text(
    "UPDATE message_decisions SET source = :source, sequence = :sequence, booked_at = :booked_at"
    " WHERE message_id = :message_id AND number = :number"
)


async def telling(connection: AsyncConnection, ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    """The decisions about these messages that the screens must know of, each with what is to be told."""
    return (await connection.execute(_TELLING, {"ids": list(ids)})).all()


async def book_decisions(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give decisions the positions of their records."""
    await connection.execute(_BOOK, list(rows))


_REVERSED: Final = text(
    "UPDATE donor_messages SET reversed = true, screened = 9223372036854775807,"
    " rule = CASE WHEN state IN ('new', 'waiting') THEN 'donation_reversed' ELSE rule END,"
    " state = CASE WHEN state IN ('new', 'waiting') THEN 'refused_by_rule' ELSE state END"
    " WHERE message_id = ANY(:ids)"
)


async def mark_reversed(connection: AsyncConnection, ids: Iterable[UUID]) -> None:
    """Note that nothing is left of these donations: what waits will not be shown. What is shown has been
    withdrawn before.
    """
    await connection.execute(_REVERSED, {"ids": list(ids)})


# ---------------------------------------------------------------- the rules


_WORDS: Final = text("SELECT * FROM message_word_lists ORDER BY version DESC LIMIT 1")
_ADD_WORDS: Final = text(
    "INSERT INTO message_word_lists VALUES (:version, :words, :person, now()) RETURNING *"
).bindparams(bindparam("words", type_=JSONB))
_RULES: Final = text(
    "SELECT * FROM message_rules WHERE campaign_id = :campaign_id ORDER BY version DESC LIMIT 1"
)
_ADD_RULES: Final = text(
    "INSERT INTO message_rules VALUES (:campaign_id, :version, :automatic, :first_from_fen,"
    " :required_from_fen, :max_characters, :person, now()) RETURNING *"
)
_LOCK_RULES: Final = text("SELECT pg_advisory_xact_lock(hashtext('shanliu.moderation.rules'))")
_REVISION: Final = text(
    "SELECT (SELECT count(*) FROM message_word_lists) + (SELECT count(*) FROM message_rules)"
)


async def lock_rules(connection: AsyncConnection) -> None:
    """Have whoever else changes the rules wait until the end of the transaction."""
    await connection.execute(_LOCK_RULES)


async def words(connection: AsyncConnection) -> Row[Any]:
    """The word list in force; the first was there from the beginning."""
    return (await connection.execute(_WORDS)).one()


async def add_words(
    connection: AsyncConnection, version: int, listed: Iterable[Word], person: str
) -> Row[Any]:
    """Put a version of the word list in force."""
    said = [{"word": each.word, "match": each.match} for each in listed]
    return (await connection.execute(_ADD_WORDS, {"version": version, "words": said, "person": person})).one()


async def rules(connection: AsyncConnection, campaign_id: str) -> Row[Any] | None:
    """What a campaign has set; None: nothing, the defaults hold."""
    return (await connection.execute(_RULES, {"campaign_id": campaign_id})).one_or_none()


async def add_rules(
    connection: AsyncConnection, campaign_id: str, version: int, new: CampaignRules, person: str
) -> Row[Any]:
    """Put a version of a campaign's rules in force."""
    row = {
        "campaign_id": campaign_id,
        "version": version,
        "automatic": new.automatic,
        "first_from_fen": new.first_from_fen,
        "required_from_fen": new.required_from_fen,
        "max_characters": new.max_characters,
        "person": person,
    }
    return (await connection.execute(_ADD_RULES, row)).one()


async def revision(connection: AsyncConnection) -> int:
    """How often the rules were changed: what was screened by an earlier revision is screened again."""
    return int((await connection.execute(_REVISION)).scalar_one())


# ---------------------------------------------------------------- screening


_UNSCREENED: Final = text(
    "SELECT m.message_id, m.campaign_id, m.amount_fen, m.version, d.message AS text FROM donor_messages m"
    " JOIN donations d ON d.donation_id = m.message_id"
    " WHERE m.state IN ('new','waiting','refused_by_rule') AND m.screened < :revision"
    " ORDER BY m.screened LIMIT :rows FOR UPDATE OF m SKIP LOCKED"
)
_TEXTS: Final = text(
    "SELECT m.message_id, m.campaign_id, m.amount_fen, m.version, d.message AS text FROM donor_messages m"
    " JOIN donations d ON d.donation_id = m.message_id WHERE m.message_id = ANY(:ids)"
)
_SCREENED: Final = text(
    """
    UPDATE donor_messages m SET state = seen.state, rule = seen.rule, word = seen.word,
        personal = string_to_array(seen.personal, ','), rank = seen.rank, screened = :revision
    FROM unnest(CAST(:message_id AS uuid[]), CAST(:state AS text[]), CAST(:rule AS text[]),
        CAST(:word AS text[]), CAST(:personal AS text[]), CAST(:rank AS smallint[]))
        AS seen (message_id, state, rule, word, personal, rank)
    WHERE m.message_id = seen.message_id
    """
)


class Screened(NamedTuple):
    """What the rules said of a message."""

    message_id: UUID
    state: Literal["waiting", "refused_by_rule", "approved"]
    rule: str | None
    word: str | None
    personal: str
    """Kinds, with a comma between."""
    rank: int
    """0: ahead of the others."""


async def unscreened(connection: AsyncConnection, revision: int, rows: int) -> Sequence[Row[Any]]:
    """Undecided messages that the rules of this revision have not seen, locked."""
    return (await connection.execute(_UNSCREENED, {"revision": revision, "rows": rows})).all()


async def to_screen(connection: AsyncConnection, ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    """These messages, as `unscreened` gives them; the caller has locked them."""
    return (await connection.execute(_TEXTS, {"ids": list(ids)})).all()


async def mark_screened(connection: AsyncConnection, seen: Sequence[Screened], revision: int) -> None:
    """Write down what the rules said of messages that the caller has locked."""
    columns = dict(zip(Screened._fields, map(list, zip(*seen, strict=True)), strict=True))
    await connection.execute(_SCREENED, columns | {"revision": revision})
