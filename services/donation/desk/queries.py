"""What is asked of the desk's tables."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, exists, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.desk.models import desk_closings, desk_counts, desk_entries, desk_messages

_LOCK_HALL: Final = text(
    "INSERT INTO desk_halls (hall, last_number) VALUES (:hall, 0)"
    " ON CONFLICT (hall) DO UPDATE SET hall = excluded.hall RETURNING last_number"
)
_COUNT_ON: Final = text(
    "UPDATE desk_halls SET last_number = last_number + 1 WHERE hall = :hall RETURNING last_number"
)
_entries = desk_entries.c


async def lock_hall(connection: AsyncConnection, hall: str) -> None:
    """Hold up everyone else who writes in this hall until the end of the transaction: 3 ms an entry."""
    await connection.execute(_LOCK_HALL, {"hall": hall})


async def has_entries(connection: AsyncConnection, hall: str) -> bool:
    """Whether anything was ever entered in a hall, undone entries too."""
    return bool((await connection.execute(select(exists().where(_entries.hall == hall)))).scalar_one())


async def next_number(connection: AsyncConnection, hall: str) -> int:
    """The hall's next running number; the caller has the hall."""
    return int((await connection.execute(_COUNT_ON, {"hall": hall})).scalar_one())


async def with_number(connection: AsyncConnection, hall: str, method: str, number: str) -> Sequence[Row[Any]]:
    """The entries under a placard's or a cheque's number, undone ones too, the oldest first."""
    column = _entries.number if method == "placard" else _entries.cheque_number
    wanted = select(desk_entries).where(_entries.hall == hall, _entries.method == method, column == number)
    return (await connection.execute(wanted.order_by(_entries.entered_at))).all()


async def add_entry(connection: AsyncConnection, row: Mapping[str, Any]) -> Row[Any]:
    """Write an entry down."""
    return (await connection.execute(insert(desk_entries).values(**row).returning(*_entries))).one()


async def add_message(connection: AsyncConnection, entry_id: UUID, body: bytes, at: datetime) -> None:
    """Write down what has to go to the channel's topic."""
    row = {"entry_id": entry_id, "body": body, "written_at": at}
    await connection.execute(insert(desk_messages).values(**row))


async def lock_entry(connection: AsyncConnection, entry_id: UUID) -> Row[Any] | None:
    """An entry, locked until the end of the transaction."""
    wanted = select(desk_entries).where(_entries.entry_id == entry_id).with_for_update()
    return (await connection.execute(wanted)).one_or_none()


async def undo(connection: AsyncConnection, entry_id: UUID, values: Mapping[str, Any]) -> Row[Any]:
    """Note that an entry is taken back."""
    statement = update(desk_entries).where(_entries.entry_id == entry_id).values(**values)
    return (await connection.execute(statement.returning(*_entries))).one()


async def unsent(connection: AsyncConnection, rows: int) -> Sequence[Row[int, bytes]]:
    """Messages that the broker has not confirmed, in the order they were written."""
    c = desk_messages.c
    wanted = select(c.message_id, c.body).where(c.sent_at.is_(None)).order_by(c.message_id).limit(rows)
    return (await connection.execute(wanted)).all()


async def mark_sent(connection: AsyncConnection, ids: Iterable[int]) -> None:
    """Empty messages that the broker has."""
    sent = update(desk_messages).where(desk_messages.c.message_id.in_(list(ids)))
    await connection.execute(sent.values(sent_at=func.now(), body=None))


async def list_entries(
    connection: AsyncConnection, hall: str | None, person: str | None, before: datetime | None, rows: int
) -> Sequence[Row[Any]]:
    """The newest first, undone ones too; `before` continues a list."""
    wanted = select(desk_entries).order_by(_entries.entered_at.desc()).limit(rows)
    if hall is not None:
        wanted = wanted.where(_entries.hall == hall)
    if person is not None:
        wanted = wanted.where(_entries.entered_by == person)
    if before is not None:
        wanted = wanted.where(_entries.entered_at < before)
    return (await connection.execute(wanted)).all()


_SUMS: Final = text(
    """
    SELECT method, count(*) AS entries, CAST(sum(amount_fen) AS bigint) AS entered_fen FROM desk_entries
    WHERE hall = :hall AND closing_id IS NULL AND undone_at IS NULL GROUP BY method ORDER BY method
    """
)


async def sums(connection: AsyncConnection, hall: str) -> Sequence[Row[Any]]:
    """What was entered in a hall since its drawer was last closed, by method."""
    return (await connection.execute(_SUMS, {"hall": hall})).all()


_STANDING: Final = text(
    """
    SELECT count(DISTINCT hall) AS open_drawers, count(*) FILTER (WHERE undo_until > now()) AS undoable
    FROM desk_entries WHERE closing_id IS NULL AND undone_at IS NULL
    """
)


async def standing(connection: AsyncConnection) -> Row[Any]:
    """How many drawers are open, and how many entries can still be undone by who entered them."""
    return (await connection.execute(_STANDING)).one()


async def close(
    connection: AsyncConnection, closing: Mapping[str, Any], counts: Sequence[Mapping[str, Any]]
) -> Row[Any]:
    """Write a closing down; the hall's open entries belong to it from then on."""
    row = (
        await connection.execute(insert(desk_closings).values(**closing).returning(*desk_closings.c))
    ).one()
    rows = [{**count, "closing_id": row.closing_id} for count in counts]
    await connection.execute(insert(desk_counts), rows)
    open_entries = update(desk_entries).where(_entries.hall == row.hall, _entries.closing_id.is_(None))
    await connection.execute(open_entries.values(closing_id=row.closing_id))
    return row


async def closings(connection: AsyncConnection, hall: str, rows: int) -> Sequence[Row[Any]]:
    """A hall's closings, the newest first."""
    c = desk_closings.c
    wanted = select(desk_closings).where(c.hall == hall).order_by(c.closing_id.desc()).limit(rows)
    return (await connection.execute(wanted)).all()


async def counts_of(connection: AsyncConnection, ids: Iterable[int]) -> Sequence[Row[Any]]:
    """What was counted at these closings."""
    c = desk_counts.c
    wanted = select(desk_counts).where(c.closing_id.in_(list(ids))).order_by(c.closing_id, c.method)
    return (await connection.execute(wanted)).all()
