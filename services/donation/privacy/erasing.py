"""Erasing a donor: what becomes of the rows, in the transaction of whoever has it done.

Names, addresses and words go; the money, its channel's own id, its campaign and its position stay, so that
every total, proof and chain is what it was. Whoever reads all of intake again does this again: the erasure is
a record of `intake.internal` itself.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation import queries as donations
from services.donation.moderation import queries as moderation
from services.donation.moderation.queries import NewDecision
from services.donation.privacy import queries
from services.donation.privacy.keeping import voucher_kept_until

RULE: Final = "donor_erased"
"""The cause of a message's withdrawal with its donor."""
_TOLD: Final = ("erasure_id", "channel", "campaign_id", "event_ids", "receipt_mail_ids", "erased_at")


class Asked(NamedTuple):
    """The record of an erasure, and where it lies. `at`: when the broker took it (UTC)."""

    donation_id: UUID
    told: dict[str, Any]
    source: str
    sequence: int
    at: datetime


async def erase(connection: AsyncConnection, erasure_id: UUID, ids: Sequence[UUID], at: datetime) -> None:
    """Erase the donors of these donations for the first time, and have it told."""
    await donations.lock_donations(connection, ids)
    traces = await queries.traces(connection, ids)
    rows = [{**row._mapping, "erasure_id": erasure_id, "erased_at": at} for row in traces]  # noqa: SLF001 - public
    await queries.note_erased(connection, rows)
    await apply(connection, ids)


async def apply(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    """Take out what is known of the donors of these donations, whose erasure is written down."""
    locked = await donations.lock_donations(connection, ids)
    here = sorted(locked)
    if not here:
        return
    await _withdraw_messages(connection, here)
    await _restrict(connection, here)
    await queries.forget(connection, here)
    for channel in {row.channel for row in locked.values()}:
        mine = [row.transaction_id for row in locked.values() if row.channel == channel]
        await queries.empty_letters(connection, channel, mine)


async def _withdraw_messages(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    shown = [
        NewDecision(row.message_id, row.version + 1, "refuse", "withdrawn", RULE)
        for row in (await moderation.lock_messages(connection, ids)).values()
        if row.state == "approved"
    ]
    if shown:
        await moderation.add_decisions(connection, shown, None, datetime.now(UTC))


async def _restrict(connection: AsyncConnection, ids: Sequence[UUID]) -> None:
    erasures = await queries.lock_erased(connection, ids)
    rows = [
        {
            "number": row.number,
            "erasure_id": next(iter(erasures.values()))["erasure_id"],
            "kept_until": voucher_kept_until(row.issued_at),
        }
        for row in await queries.receipts_naming(connection, ids)
    ]
    if rows:
        await queries.restrict(connection, rows)


async def book(connection: AsyncConnection, asked: Sequence[Asked]) -> list[dict[str, Any]]:
    """Give erasures the positions of their first records, and do here what was not done here yet; gives back
    the rows of those whose events are to be told from here.
    """
    ids = [each.donation_id for each in asked]
    await queries.note_erased(connection, [{"donation_id": each.donation_id, **each.told} for each in asked])
    known = await queries.lock_erased(connection, ids)
    told, new = [], []
    for each in asked:
        row = known[each.donation_id]
        if row["source"] is None:
            row |= {"source": each.source, "sequence": each.sequence, "booked_at": each.at}
            new.append(row)
        if (row["source"], row["sequence"]) == (each.source, each.sequence):
            told.append(row)
    if new:
        await queries.book_erased(connection, new)
    if waiting := [each for each, row in known.items() if row["applied_at"] is None]:
        await apply(connection, waiting)
    return told


def told_of(row: Any) -> dict[str, Any]:
    """What the record of an erasure says, of its row."""
    return {name: row[name] for name in _TOLD}
