"""The one place where entries get their place and are written, in the transaction of what they book."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.ledger import chain
from services.campaign.ledger.entries import Entry
from services.campaign.ledger.periods import booking_day

# Every booking holds it shared, a close alone: no entry can slip into a month while it is being closed.
_SHARE_PERIODS: Final = text("SELECT pg_advisory_xact_lock_shared(hashtext('shanliu.ledger.periods'))")

# All rows or none, as with marks: who holds some and then inserts others can wait in a ring.
_LOCK_HEADS: Final = text(
    "SELECT journal, sequence, hash, (SELECT max(month) FROM ledger_periods WHERE state = 'closed') AS closed"
    " FROM ledger_journals WHERE journal = ANY(:journals)"
    " AND (SELECT count(*) FROM ledger_journals WHERE journal = ANY(:journals)) = :number"
    " ORDER BY journal FOR NO KEY UPDATE"
).bindparams(bindparam("journals", type_=ARRAY(TEXT)))
_ADD_HEADS: Final = text(
    "INSERT INTO ledger_journals (journal, sequence, hash)"
    " SELECT unnest(:journals), 0, decode(repeat('00', 32), 'hex') ON CONFLICT DO NOTHING"
).bindparams(bindparam("journals", type_=ARRAY(TEXT)))

_WRITE: Final = text(
    "WITH entries AS (INSERT INTO ledger_entries"
    "  SELECT * FROM json_populate_recordset(CAST(NULL AS ledger_entries), CAST(:entries AS json))),"
    " postings AS (INSERT INTO ledger_postings"
    "  SELECT * FROM json_populate_recordset(CAST(NULL AS ledger_postings), CAST(:postings AS json)))"
    " UPDATE ledger_journals AS known SET sequence = moved.sequence, hash = moved.hash"
    " FROM json_populate_recordset(CAST(NULL AS ledger_journals), CAST(:heads AS json)) AS moved"
    " WHERE known.journal = moved.journal"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry was booked."""

    journal: str
    sequence: int
    booked_on: date


async def book(connection: AsyncConnection, entries: Sequence[Entry]) -> list[Place]:
    """Put balanced entries at the ends of their journals: three statements, however many they are.

    Locks in this order: the periods (shared), the heads of the journals by their names; the outbox comes
    after. An event whose month is closed is booked on the first day of the first open one. The entries must
    be balanced; the database refuses the commit of others.
    """
    if not entries:
        return []
    heads, closed = await lock(connection, sorted({entry.journal for entry in entries}))
    now = datetime.now(UTC)
    places: list[Place] = []
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for entry in entries:
        sequence, previous = heads[entry.journal]
        place = Place(entry.journal, sequence + 1, booking_day(entry.event_on, closed))
        row = asdict(entry) | asdict(place) | {"recorded_at": now}
        postings = row.pop("postings")
        digest = chain.next_hash(previous, row, postings)
        heads[entry.journal] = (place.sequence, digest)
        places.append(place)
        rows.append(row | {"hash": digest})
        lines += [asdict(place) | line | {"line": at} for at, line in enumerate(postings, start=1)]
    moved = [
        {"journal": journal, "sequence": sequence, "hash": digest}
        for journal, (sequence, digest) in heads.items()
    ]
    await connection.execute(
        _WRITE, {"entries": _json(rows), "postings": _json(lines), "heads": _json(moved)}
    )
    return places


async def lock(
    connection: AsyncConnection, journals: list[str]
) -> tuple[dict[str, tuple[int, bytes]], date | None]:
    """Lock journals until the end of the transaction: (sequence and hash of each head, last closed month).

    Whoever asks the journal before booking calls it first, and what they then read stays so.
    """
    await connection.execute(_SHARE_PERIODS)
    wanted = {"journals": journals, "number": len(journals)}
    rows = (await connection.execute(_LOCK_HEADS, wanted)).all()
    if not rows:
        await connection.execute(_ADD_HEADS, {"journals": journals})
        rows = (await connection.execute(_LOCK_HEADS, wanted)).all()
    return {row.journal: (row.sequence, bytes(row.hash)) for row in rows}, rows[0].closed


def _json(rows: Iterable[dict[str, Any]]) -> str:
    return json.dumps(list(rows), default=_written, ensure_ascii=False)


def _written(value: Any) -> str:
    """Bytes as PostgreSQL reads them; dates, times and ids as everybody does."""
    return f"\\x{value.hex()}" if isinstance(value, bytes) else str(value)
