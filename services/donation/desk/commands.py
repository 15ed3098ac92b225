"""What people at the desk do: each function is one command, in the transaction of its caller.

Locks: the hall, then the entry. What goes to the channel's topic is written down with the entry in the same
transaction and sent afterwards (sending.py): an entry that was answered counts, whatever dies then.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.desk import queries
from services.donation.desk.schemas import Closing, Counted, Drawer, Entry, EntryBody, MethodSum
from services.donation.desk.undoing import Asker, Entered, require_undoable
from services.donation.intake import ReversalRequest, donation_id_of
from services.donation.queries import known_of
from shared.broker import INTAKE_DESK, INTAKE_PREFIX
from shared.refusals import NotFound, Refused

CHANNEL: Final = INTAKE_DESK.removeprefix(INTAKE_PREFIX)
"""The channel of the desk's entries; the migration makes it, deploy/topics.yaml its topic."""


class CampaignUnknown(Refused):
    """A campaign's id that was mistyped: at the desk the donor still stands there."""

    code = "campaign-unknown"
    title = "No campaign has this id"
    status = 422


class HallUnknown(NotFound):
    """A hall's name that was mistyped: its money would be written down where nobody looks for it."""

    code = "hall-unknown"
    title = "Nothing was ever entered in this hall"


class NumberTaken(Refused):
    """The same placard or cheque with something else."""

    code = "number-taken"
    title = "This number was entered before, with other content"


async def enter(
    connection: AsyncConnection, person: str, body: EntryBody, window: timedelta
) -> tuple[Row[Any], bool]:
    """Write an entry down; gives back its row and whether it is new: the same placard or cheque typed again
    with the same content is the entry that is there. Raises CampaignUnknown, NumberTaken.
    """
    if not (await known_of(connection, [body.campaign_id], [])).states:
        raise CampaignUnknown(
            "Look at the campaign's id again; a draft is known here once it is filed.", fields=["campaign_id"]
        )
    await queries.lock_hall(connection, body.hall)
    digest = hashlib.sha256(body.model_dump_json(exclude={"note"}).encode()).digest()
    before = await _under_its_number(connection, body)
    standing = next((row for row in before if row.undone_at is None), None)
    if standing is not None:
        if standing.digest != digest:
            field = "placard" if body.method == "placard" else "cheque_number"
            entry = Entry.model_validate(standing).model_dump(mode="json")
            detail = (
                f"{standing.entered_by} entered it with {standing.amount_fen} fen. Nothing was entered now."
            )
            raise NumberTaken(detail, fields=[field], entry=entry)
        return standing, False
    number = body.placard or str(await queries.next_number(connection, body.hall))
    again = f".{len(before) + 1}" if body.placard and before else ""
    transaction_id = f"{body.hall}.{body.method}.{number}{again}"
    now = datetime.now(UTC)
    row = await queries.add_entry(
        connection,
        {
            "entry_id": donation_id_of(CHANNEL, transaction_id),
            "hall": body.hall,
            "method": body.method,
            "number": number,
            "cheque_number": body.cheque_number,
            "transaction_id": transaction_id,
            "campaign_id": body.campaign_id,
            "amount_fen": body.amount_fen,
            "digest": digest,
            "note": body.note,
            "entered_by": person,
            "entered_at": now,
            "undo_until": now + window,
        },
    )
    donation = body.as_donation(transaction_id, now).model_dump_json(exclude_none=True)
    await queries.add_message(connection, row.entry_id, donation.encode(), now)
    return row, True


async def _under_its_number(connection: AsyncConnection, body: EntryBody) -> list[Row[Any]]:
    number = body.placard or body.cheque_number
    if number is None:
        return []
    return list(await queries.with_number(connection, body.hall, body.method, number))


async def undo(connection: AsyncConnection, asker: Asker, entry_id: UUID, reason: str) -> Row[Any]:
    """Take an entry back: a void of all of it. Raises NotFound and what undoing.require_undoable does."""
    row = await queries.lock_entry(connection, entry_id)
    if row is None:
        raise NotFound("There is no entry of this id.")
    now = datetime.now(UTC)
    entered = Entered(
        row.entered_by, row.undo_until, row.closing_id is not None, undone=row.undone_at is not None
    )
    require_undoable(entered, asker, now)
    void = ReversalRequest.model_construct(
        reversal_id=f"{row.transaction_id}.undo",
        transaction_id=row.transaction_id,
        kind="void",
        amount_fen=row.amount_fen,
        occurred_at=now,
        reason=reason,
    )
    await queries.add_message(connection, entry_id, void.model_dump_json(exclude_none=True).encode(), now)
    values = {"undone_at": now, "undone_by": asker.name, "undo_reason": reason}
    return await queries.undo(connection, entry_id, values)


async def close_drawer(
    connection: AsyncConnection, person: str, hall: str, counted: Counted, note: str | None
) -> Closing:
    """Write down what was counted beside what was entered; the next entry begins a new drawer. Raises
    HallUnknown, and NotFound when there is neither an entry nor money since the last closing.
    """
    if not await queries.has_entries(connection, hall):
        raise HallUnknown("Look at the hall's name: a drawer begins with its first entry.", fields=["hall"])
    await queries.lock_hall(connection, hall)
    entered = {row.method: row for row in await queries.sums(connection, hall)}
    counts: list[dict[str, Any]] = []
    for method, fen in counted.model_dump().items():
        row = entered.get(method)
        if row is not None or fen:
            entries, entered_fen = (row.entries, row.entered_fen) if row is not None else (0, 0)
            counts.append(
                {"method": method, "entries": entries, "entered_fen": entered_fen, "counted_fen": fen}
            )
    if not counts:
        raise NotFound("Nothing was entered in this hall since its drawer was last closed.")
    closing = {"hall": hall, "closed_by": person, "closed_at": datetime.now(UTC), "note": note}
    made = await queries.close(connection, closing, counts)
    return Closing.of(made, list(await queries.counts_of(connection, [made.closing_id])))


async def drawer(connection: AsyncConnection, hall: str) -> Drawer:
    """What a hall's drawer must hold now."""
    sums = [MethodSum.model_validate(row) for row in await queries.sums(connection, hall)]
    return Drawer(hall=hall, sums=sums, entered_fen=sum(each.entered_fen for each in sums))
