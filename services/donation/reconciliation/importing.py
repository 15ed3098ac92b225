"""Taking a bill: all of it or nothing, twice without effect, a corrected one in the place of the first."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.reconciliation import matching
from services.donation.reconciliation.bill_formats import Format, read_bill
from services.donation.reconciliation.bill_lines import BillLine, require_whole
from services.donation.reconciliation.days import ONE
from services.donation.reconciliation.models import bills
from shared.refusals import Refused

AT_ONCE: Final = 5_000
"""Lines of one statement: what the driver writes of them holds the event loop for 20 ms."""

_COLUMNS: Final = {
    "number": "integer",
    "kind": "text",
    "subject": "uuid",
    "transaction_id": "text",
    "reversal_id": "text",
    "amount_fen": "bigint",
    "fee_fen": "bigint",
    "occurred_at": "timestamptz",
    "campaign_id": "text",
}
_INSERT: Final = text(
    f"INSERT INTO bill_lines (bill_id, {', '.join(_COLUMNS)})"  # noqa: S608 - names from this file
    f" SELECT :bill_id, * FROM unnest({', '.join(f'CAST(:{n} AS {kind}[])' for n, kind in _COLUMNS.items())})"
)


class BillSuperseded(Refused):
    """A bill that a later one has replaced."""

    code = "bill-superseded"
    title = "A corrected bill has taken the place of this one"


@dataclass(frozen=True, slots=True)
class ReadBill:
    """A bill, read and checked, that no database has seen. `rows` in the order of _COLUMNS."""

    channel: str
    day: date
    form: Format
    sha256: bytes
    rows: Sequence[tuple[Any, ...]]
    lines: Sequence[BillLine]

    def sum_fen(self, kind: str) -> tuple[int, int]:
        """How many lines of a kind there are, and their fen."""
        amounts = [line.amount_fen for line in self.lines if line.kind == kind]
        return len(amounts), sum(amounts)

    @property
    def fees_fen(self) -> int:
        """What the channel kept, less what it gave back."""
        return sum(line.fee_fen or 0 for line in self.lines)


async def read(content: bytes, channel: str, day: date, form: Format) -> ReadBill:
    """Read and check a bill in a thread: 100,000 lines take a second. Raises BillUnusable."""
    return await asyncio.to_thread(_read, content, channel, day, form)


def _read(content: bytes, channel: str, day: date, form: Format) -> ReadBill:
    numbered = read_bill(content, form)
    numbers = require_whole(numbered, channel, day)
    subjects: Sequence[UUID] = list(numbers)
    rows = [
        (
            number,
            line.kind,
            subject,
            line.transaction_id,
            line.reversal_id,
            line.amount_fen,
            line.fee_fen,
            line.occurred_at,
            line.campaign_id,
        )
        for (number, line), subject in zip(numbered, subjects, strict=True)
    ]
    digest = hashlib.sha256(content).digest()
    return ReadBill(channel, day, form, digest, rows, [line for _, line in numbered])


async def take(connection: AsyncConnection, bill: ReadBill, person: str) -> tuple[Row[Any], bool]:
    """Write a bill down and judge its day and the days beside it; gives back its row, and whether it is new.

    Raises BillSuperseded for one that was taken before a corrected one.
    """
    await matching.lock(connection, bill.channel)
    known = await _known(connection, bill)
    if known is not None:
        if known.state == "superseded":
            raise BillSuperseded("It was imported before; what counts is the later one.", fields=["body"])
        return known, False
    row = await _write(connection, bill, person)
    for day in (bill.day - ONE, bill.day, bill.day + ONE):
        await matching.judge(connection, bill.channel, day)
    return row, True


async def _known(connection: AsyncConnection, bill: ReadBill) -> Row[Any] | None:
    c = bills.c
    same = (c.channel == bill.channel) & (c.day == bill.day) & (c.sha256 == bill.sha256)
    return (await connection.execute(select(bills).where(same))).one_or_none()


async def _write(connection: AsyncConnection, bill: ReadBill, person: str) -> Row[Any]:
    c = bills.c
    current = (c.channel == bill.channel) & (c.day == bill.day) & (c.state == "current")
    await connection.execute(update(bills).where(current).values(state="superseded"))
    payments, payments_fen = bill.sum_fen("payment")
    refunds, refunds_fen = bill.sum_fen("refund")
    new = insert(bills).values(
        channel=bill.channel,
        day=bill.day,
        sha256=bill.sha256,
        format=bill.form,
        state="current",
        payments=payments,
        payments_fen=payments_fen,
        refunds=refunds,
        refunds_fen=refunds_fen,
        fees_fen=bill.fees_fen,
        imported_by=person,
        imported_at=datetime.now(UTC),
    )
    row = (await connection.execute(new.returning(*bills.c))).one()
    for start in range(0, len(bill.rows), AT_ONCE):
        columns = zip(*bill.rows[start : start + AT_ONCE], strict=True)
        arrays = {name: list(values) for name, values in zip(_COLUMNS, columns, strict=True)}
        await connection.execute(_INSERT, {"bill_id": row.bill_id, **arrays})
    if bill.rows:
        # Without it the planner thinks of the new bill as of a few lines and looks each one up.
        await connection.execute(text("ANALYZE bill_lines"))
    return row
