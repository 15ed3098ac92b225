"""What is asked of the tables about a donor's personal data.

By contact there is no index: donors ask a few times a month, and an index would be paid for by every
donation. A million rows are read in a second.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.privacy.models import erasures
from shared.dead_letters import DeadLetter

# ---------------------------------------------------------------- finding, giving out

_BY: Final = {
    "donation_id": "d.donation_id = :value",
    "transaction_id": "d.transaction_id = :value",
    "receipt": "d.donation_id IN (SELECT donation_id FROM receipt_items WHERE number = :value)",
    "email": "lower(d.contact_email) = lower(:value)",
    "phone": "d.contact_phone = :value",
    "wechat_openid": "d.contact_wechat_openid = :value",
}


async def find(connection: AsyncConnection, field: str, value: Any, rows: int) -> Sequence[Row[Any]]:
    """The donations of a donor, the newest first, at most `rows`."""
    statement = text(
        "SELECT d.donation_id, d.channel, d.transaction_id, d.campaign_id, d.amount_fen, d.occurred_at,"  # noqa: S608 - this file's words
        f" d.erased_at FROM donations d WHERE {_BY[field]}"
        " ORDER BY d.occurred_at DESC, d.donation_id LIMIT :rows"
    )
    return (await connection.execute(statement, {"value": value, "rows": rows})).all()


_DATA: Final = text(
    """
    SELECT d.*, w.withdrawn_at AS consent_withdrawn_at, m.state AS message_state, e.note AS desk_note
    FROM donations d LEFT JOIN consent_withdrawals w USING (donation_id)
    LEFT JOIN donor_messages m ON m.message_id = d.donation_id
    LEFT JOIN desk_entries e ON e.entry_id = d.donation_id
    WHERE d.donation_id = ANY(:ids) ORDER BY d.occurred_at, d.donation_id
    """
)
_RECEIPTS: Final = text(
    """
    SELECT i.donation_id, r.number, r.donor_name, r.shown_name, r.amount_fen, r.issued_at, r.valid,
           k.kept_until AS restricted_until
    FROM receipt_items i JOIN receipts r USING (number) LEFT JOIN restricted_receipts k USING (number)
    WHERE i.donation_id = ANY(:ids) ORDER BY r.issued_at, r.number
    """
)
_LOOK: Final = text(
    "INSERT INTO personal_data_looks (person, act, sought_by, donation_ids)"
    " VALUES (:person, :act, :sought_by, :ids)"
)


async def data_of(connection: AsyncConnection, ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    """All that is known of the donors of these donations."""
    return (await connection.execute(_DATA, {"ids": list(ids)})).all()


async def receipts_of(connection: AsyncConnection, ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    """The receipts of these donations, one row for each donation on one."""
    return (await connection.execute(_RECEIPTS, {"ids": list(ids)})).all()


async def note_look(
    connection: AsyncConnection, person: str, act: str, sought_by: str, ids: Iterable[UUID]
) -> None:
    """Write down who looked for which donor's data."""
    asked = {"person": person, "act": act, "sought_by": sought_by, "ids": list(ids)}
    await connection.execute(_LOOK, asked)


# ---------------------------------------------------------------- requests

_LIST: Final = text(
    """
    SELECT * FROM erasures WHERE (CAST(:state AS text) IS NULL OR state = :state)
    AND (CAST(:after AS uuid) IS NULL OR (asked_at, erasure_id) <
         (SELECT asked_at, erasure_id FROM erasures WHERE erasure_id = :after))
    ORDER BY asked_at DESC, erasure_id DESC LIMIT :rows
    """
)
_LOCK: Final = text("SELECT * FROM erasures WHERE erasure_id = :erasure_id FOR UPDATE")
_DECIDE: Final = text(
    "UPDATE erasures SET state = :state, decided_by = :person, decided_at = :at"
    " WHERE erasure_id = :erasure_id RETURNING *"
)
_RESTRICTED: Final = text(
    "SELECT erasure_id, number, kept_until FROM restricted_receipts"
    " WHERE erasure_id = ANY(:ids) ORDER BY number"
)
_KNOWN: Final = text("SELECT donation_id FROM donations WHERE donation_id = ANY(:ids)")
_DONE: Final = text("SELECT donation_id FROM erased_donations WHERE donation_id = ANY(:ids)")


async def add_erasure(connection: AsyncConnection, row: Mapping[str, Any]) -> Row[Any]:
    """Write a request down."""
    added: Row[Any] = (await connection.execute(insert(erasures).values(**row).returning(erasures))).one()
    return added


async def list_erasures(
    connection: AsyncConnection, state: str | None, after: UUID | None, rows: int
) -> Sequence[Row[Any]]:
    """Requests, the newest first, beginning behind `after`."""
    return (await connection.execute(_LIST, {"state": state, "after": after, "rows": rows})).all()


async def lock_erasure(connection: AsyncConnection, erasure_id: UUID) -> Row[Any] | None:
    """A request, locked until the end of the transaction."""
    return (await connection.execute(_LOCK, {"erasure_id": erasure_id})).one_or_none()


async def decide(
    connection: AsyncConnection, erasure_id: UUID, state: str, person: str, at: datetime
) -> Row[Any]:
    """Write down what became of a request that the caller has locked."""
    asked = {"erasure_id": erasure_id, "state": state, "person": person, "at": at}
    return (await connection.execute(_DECIDE, asked)).one()


async def restricted_of(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, list[Row[Any]]]:
    """The receipts that these erasures have restricted, by erasure."""
    found: dict[UUID, list[Row[Any]]] = {}
    for row in await connection.execute(_RESTRICTED, {"ids": list(ids)}):
        found.setdefault(row.erasure_id, []).append(row)
    return found


async def known(connection: AsyncConnection, ids: Iterable[UUID]) -> set[UUID]:
    """Those of these that are donations here."""
    return set((await connection.execute(_KNOWN, {"ids": list(ids)})).scalars())


async def erased(connection: AsyncConnection, ids: Iterable[UUID]) -> set[UUID]:
    """Those of these whose donors were erased."""
    return set((await connection.execute(_DONE, {"ids": list(ids)})).scalars())


# ---------------------------------------------------------------- erasing

# A held donation's own event names nobody; its release's does.
_TRACES: Final = text(
    """
    SELECT d.donation_id, d.channel, d.campaign_id,
           array_remove(ARRAY[CASE WHEN d.held_reason IS NULL THEN d.source || ':' || d.sequence END,
                              (SELECT r.source || ':' || r.sequence FROM releases r
                               WHERE r.donation_id = d.donation_id)], NULL)
           || ARRAY(SELECT x.source || ':' || x.sequence FROM message_decisions x
                    WHERE x.message_id = d.donation_id AND x.state = 'approved' AND x.source IS NOT NULL
                    ORDER BY x.number DESC LIMIT 20) AS event_ids,
           ARRAY(SELECT m.mail_id FROM receipt_mails m JOIN receipt_items i USING (number)
                 WHERE i.donation_id = d.donation_id ORDER BY m.mail_id LIMIT 20) AS receipt_mail_ids
    FROM donations d WHERE d.donation_id = ANY(:ids) ORDER BY d.donation_id
    """
)
_NOTE: Final = text(
    """
    INSERT INTO erased_donations (donation_id, erasure_id, channel, campaign_id, event_ids, receipt_mail_ids,
        erased_at) VALUES (:donation_id, :erasure_id, :channel, :campaign_id, :event_ids, :receipt_mail_ids,
        :erased_at) ON CONFLICT DO NOTHING
    """
)
_FORGET: Final = (
    text(
        """
        UPDATE donations SET erased_at = now(), donor_display = 'anonymous', donor_name = NULL,
            donor_alias = NULL, contact_email = NULL, contact_phone = NULL, contact_wechat_openid = NULL,
            contact_wechat_app_id = NULL, contact_language = NULL, message = NULL
        WHERE donation_id = ANY(:ids)
        """
    ),
    text(
        "UPDATE donor_messages SET reversed = true, screened = 9223372036854775807, word = NULL,"
        " personal = '{}', rule = CASE WHEN state IN ('new', 'waiting') THEN 'donor_erased' ELSE rule END,"
        " state = CASE WHEN state IN ('new', 'waiting') THEN 'refused_by_rule' ELSE state END"
        " WHERE message_id = ANY(:ids)"
    ),
    text("UPDATE message_decisions SET note = NULL WHERE message_id = ANY(:ids) AND note IS NOT NULL"),
    text("UPDATE reversals SET reason = NULL WHERE donation_id = ANY(:ids) AND reason IS NOT NULL"),
    text("UPDATE receipt_waivers SET note = 'erased' WHERE donation_id = ANY(:ids)"),
    text("UPDATE bill_lines SET said = NULL WHERE subject = ANY(:ids) AND said IS NOT NULL"),
    text("UPDATE breaks SET said = NULL WHERE subject = ANY(:ids) AND said IS NOT NULL"),
    text("UPDATE erased_donations SET applied_at = now() WHERE donation_id = ANY(:ids)"),
    text(
        "UPDATE idempotency_keys SET answer = CAST(CAST(answer AS jsonb) || '{\"note\": null}' AS json)"
        " WHERE answer ->> 'entry_id' = ANY(CAST(CAST(:ids AS uuid[]) AS text[]))"
    ),
    text(
        "UPDATE idempotency_keys SET answer = CAST(CAST(answer AS jsonb) - 'entry' AS json)"
        " WHERE answer #>> '{entry,entry_id}' = ANY(CAST(CAST(:ids AS uuid[]) AS text[]))"
    ),
)
_FORGET_ENTRY: Final = text(
    "UPDATE desk_entries SET note = NULL, digest = :digest WHERE entry_id = ANY(:ids)"
)
_NAMED: Final = text(
    "SELECT DISTINCT r.number, r.issued_at FROM receipt_items i JOIN receipts r USING (number)"
    " WHERE i.donation_id = ANY(:ids) ORDER BY r.number"
)
_RESTRICT: Final = text(
    "INSERT INTO restricted_receipts (number, erasure_id, kept_until)"
    " VALUES (:number, :erasure_id, :kept_until) ON CONFLICT DO NOTHING"
)
_FORGET_ANSWERS: Final = text(
    "UPDATE idempotency_keys SET answer = CAST(CAST(answer AS jsonb) || '{\"donor_name\": null}' AS json)"
    " WHERE answer ->> 'number' = ANY(:numbers)"
)


async def traces(connection: AsyncConnection, ids: Iterable[UUID]) -> Sequence[Row[Any]]:
    """Where these donations come from, and which events and mails of theirs told of the donor."""
    return (await connection.execute(_TRACES, {"ids": list(ids)})).all()


async def note_erased(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write down that these donors are erased; one that is written down already stays."""
    await connection.execute(_NOTE, [dict(row) for row in rows])


async def forget(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Take out of the tables what is known of the donors of these donations, which the caller has locked."""
    for statement in _FORGET:
        await connection.execute(statement, {"ids": list(ids)})
    # A digest of what was typed would tell whoever tries names whether one is right.
    await connection.execute(_FORGET_ENTRY, {"ids": list(ids), "digest": secrets.token_bytes(32)})


async def receipts_naming(connection: AsyncConnection, ids: Sequence[UUID]) -> Sequence[Row[Any]]:
    """The receipts that these donations are on."""
    return (await connection.execute(_NAMED, {"ids": list(ids)})).all()


async def restrict(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Show these receipts' donors to nobody; answers that were kept for repeats name them no more either."""
    await connection.execute(_RESTRICT, [dict(row) for row in rows])
    await connection.execute(_FORGET_ANSWERS, {"numbers": [row["number"] for row in rows]})


# Of a letter only its place and reason remain. It has its record in base64, which the database can't search;
# there are few of one channel, and they are looked at one by one.
_LETTERS: Final = text(
    "SELECT source, sequence, letter FROM dead_letters WHERE source LIKE :channel ORDER BY source, sequence"
)
_EMPTY_LETTER: Final = text(
    "UPDATE dead_letters SET letter = :letter WHERE source = :source AND sequence = :sequence"
)


async def empty_letters(connection: AsyncConnection, channel: str, transaction_ids: Iterable[str]) -> int:
    """Take the content out of the dead letters of a channel that speak of these transactions; how many."""
    sought = [each.encode() for each in transaction_ids]
    asked = {"channel": f"intake.{channel}/%".replace("_", r"\_")}
    emptied = 0
    for row in (await connection.execute(_LETTERS, asked)).all():
        letter = DeadLetter.model_validate_json(row.letter)
        if letter.value is None or not any(each in letter.value for each in sought):
            continue
        bare = letter.model_copy(update={"key": None, "value": None, "headers": ()})
        place = {"source": row.source, "sequence": row.sequence}
        await connection.execute(_EMPTY_LETTER, {**place, "letter": bare.to_bytes()})
        emptied += 1
    return emptied


# ---------------------------------------------------------------- on its way, and booked

_UNSENT: Final = text("SELECT * FROM erased_donations WHERE sent_at IS NULL ORDER BY erased_at LIMIT :rows")
_SENT: Final = text("UPDATE erased_donations SET sent_at = now() WHERE donation_id = ANY(:ids)")
_AWAITED: Final = text(
    "SELECT e.donation_id FROM erased_donations e JOIN donations d USING (donation_id)"
    " WHERE e.applied_at IS NULL LIMIT :rows"
)
TOLD_AT: Final = text("SELECT * FROM erased_donations WHERE source = :source AND sequence = ANY(:sequences)")
"""What stands at some positions of a source, to be told again."""
_LOCK_ERASED: Final = text(
    "SELECT * FROM erased_donations WHERE donation_id = ANY(:ids) ORDER BY donation_id FOR UPDATE"
)
_BOOK: Final = text(
    "UPDATE erased_donations SET source = :source, sequence = :sequence, booked_at = :booked_at,"
    " sent_at = coalesce(sent_at, :booked_at) WHERE donation_id = :donation_id"
)


async def unsent(connection: AsyncConnection, rows: int) -> Sequence[Row[Any]]:
    """Erasures that the broker has not confirmed, the oldest first."""
    return (await connection.execute(_UNSENT, {"rows": rows})).all()


async def mark_sent(connection: AsyncConnection, ids: Iterable[UUID]) -> None:
    """The broker has them."""
    await connection.execute(_SENT, {"ids": list(ids)})


async def awaited(connection: AsyncConnection, rows: int) -> list[UUID]:
    """Donations that have come after the record of their erasure: all is being read again."""
    return list((await connection.execute(_AWAITED, {"rows": rows})).scalars())


async def lock_erased(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, dict[str, Any]]:
    """What is written down of these erasures, locked until the end of the transaction."""
    found = await connection.execute(_LOCK_ERASED, {"ids": list(ids)})
    return {row.donation_id: dict(row._mapping) for row in found}  # noqa: SLF001 - public


async def book_erased(connection: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Give erasures the positions of their records."""
    named = ("donation_id", "source", "sequence", "booked_at")
    await connection.execute(_BOOK, [{name: row[name] for name in named} for row in rows])
