"""Decisions get their positions, in the transaction of a batch of intake records.

A decision's record is booked while no later decision about the same message is to be told: then the screens
are told the later one only, whatever order the records came in. Decisions are never taken out of the table,
so a record that was passed over once is passed over each time it is read.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.moderation import queries
from services.donation.moderation.queries import NewDecision

REVERSED: Final = "donation_reversed"
_BOOKED: Final = ("message_id", "number", "source", "sequence", "booked_at")


class Asked(NamedTuple):
    """The record of a decision, and where it lies. `at`: when the broker took it (UTC)."""

    message_id: UUID
    number: int
    source: str
    sequence: int
    at: datetime


async def book(
    connection: AsyncConnection, asked: Sequence[Asked], emptied: Collection[UUID]
) -> list[dict[str, Any]]:
    """Withdraw what belongs to the `emptied` donations, of which nothing is left, and book the records of
    decisions; gives back the rows of those whose events are to be told from here, in no particular order.

    All messages are locked at once, in one order: two workers never wait for each other in a ring.
    """
    if not asked and not emptied:
        return []
    messages = await queries.lock_messages(connection, {*emptied, *(each.message_id for each in asked)})
    await _withdraw(connection, [messages[each] for each in emptied if each in messages])
    return await _book(connection, asked) if asked else []


async def _book(connection: AsyncConnection, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    rows = await queries.telling(connection, {each.message_id for each in asked})
    known = {(row.message_id, row.number): dict(row._mapping) for row in rows}  # noqa: SLF001 - public
    newest = {row.message_id: row.number for row in rows}
    told, new = [], []
    for each in asked:
        row = known.get((each.message_id, each.number))
        if row is None:
            continue
        if row["source"] is None and newest[each.message_id] == each.number:
            row |= {"source": each.source, "sequence": each.sequence, "booked_at": each.at}
            new.append({name: row[name] for name in _BOOKED})
        if (row["source"], row["sequence"]) == (each.source, each.sequence):
            told.append(row)
    if new:
        await queries.book_decisions(connection, new)
    return told


async def _withdraw(connection: AsyncConnection, messages: Sequence[Row[Any]]) -> None:
    """What is shown is withdrawn by a decision of the rule's own; what waits will not be shown."""
    shown = [
        NewDecision(row.message_id, row.version + 1, "refuse", "withdrawn", REVERSED)
        for row in messages
        if row.state == "approved"
    ]
    if shown:
        await queries.add_decisions(connection, shown, None, datetime.now(UTC))
    if messages:
        await queries.mark_reversed(connection, [row.message_id for row in messages])
