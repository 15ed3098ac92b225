"""Donors who were erased (Personal Information Protection Law art. 47): what they had agreed to show goes.

An erasure may be read before what it is of, and by another worker, so it stays written down, and what comes
later is taken out again. A company's name is nobody's personal data: it leaves the screens as with a
withdrawn consent, and its row stays for the sums.
"""

from collections.abc import Collection
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_NOTE: Final = text(
    "INSERT INTO erased_donors (donation_id) SELECT unnest(CAST(:ids AS uuid[])) ON CONFLICT DO NOTHING"
)
_BLANK: Final = (
    text(
        "UPDATE recent_donors SET shown_name = NULL WHERE shown_name IS NOT NULL"
        " AND donation_id IN (SELECT donation_id FROM erased_donors)"
    ),
    text("DELETE FROM messages WHERE message_id IN (SELECT donation_id FROM erased_donors)"),
)


async def write(connection: AsyncConnection, ids: Collection[UUID]) -> None:
    """Erase these donors, in the transaction that has moved the marks."""
    await connection.execute(_NOTE, {"ids": sorted(ids)})
    await sweep(connection)


async def sweep(connection: AsyncConnection) -> None:
    """Take out what came after its erasure."""
    for statement in _BLANK:
        await connection.execute(statement)
