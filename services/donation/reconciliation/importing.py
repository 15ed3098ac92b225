"""Taking a bill: all of it or nothing, twice without effect, a corrected one in the place of the first."""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.intake import donation_id_of
from services.donation.reconciliation import matching
from services.donation.reconciliation.bill_formats import Format, merchants_of, read_bill, read_by_profile
from services.donation.reconciliation.bill_lines import BillLine, require_whole
from services.donation.reconciliation.days import ONE, bounds_of
from services.donation.reconciliation.doubts import LOOKED_AT, Compared, doubts, require_beyond_doubt
from services.donation.reconciliation.models import bills
from services.donation.statements.profiles import Profile
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
    "said": "text",
}
_INSERT: Final = text(
    f"INSERT INTO bill_lines (bill_id, {', '.join(_COLUMNS)})"  # noqa: S608 - names from this file
    f" SELECT :bill_id, {', '.join(name for name in _COLUMNS if name != 'said')}, CASE WHEN said IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM donations d WHERE d.donation_id = subject) THEN said END"
    f" FROM unnest({', '.join(f'CAST(:{n} AS {kind}[])' for n, kind in _COLUMNS.items())})"
    f" AS new ({', '.join(_COLUMNS)})"
)
_FORGET: Final = text(
    "UPDATE bill_lines SET said = NULL WHERE said IS NOT NULL AND bill_id IN"
    " (SELECT bill_id FROM bills WHERE channel = :channel AND day = :day AND state = 'superseded')"
)


class ProfileMissing(Refused):
    """A form that only the channel could describe."""

    code = "profile-missing"
    title = "The channel has no profile"
    status = 422


class BillSuperseded(Refused):
    """A bill that a later one has replaced."""

    code = "bill-superseded"
    title = "A corrected bill has taken the place of this one"


@dataclass(frozen=True, slots=True)
class ReadBill:
    """A bill, read and checked, that no database has seen: each line with its number in the file."""

    channel: str
    day: date
    form: Format
    sha256: bytes
    numbered: Sequence[tuple[int, BillLine]]
    merchants: frozenset[str] = frozenset()

    def sum_fen(self, kind: str) -> tuple[int, int]:
        """How many lines of a kind there are, and their fen."""
        amounts = [line.amount_fen for _, line in self.numbered if line.kind == kind]
        return len(amounts), sum(amounts)

    @property
    def fees_fen(self) -> int:
        """What the channel kept, less what it gave back."""
        return sum(line.fee_fen or 0 for _, line in self.numbered)


async def read(
    content: bytes, channel: str, day: date, form: Format, profile: Profile | None = None
) -> ReadBill:
    """Read and check a bill in a thread: 100,000 lines take a second. `profile`: with the form profile.

    Raises BillUnusable, Unreadable, and ProfileMissing when the channel has none.
    """
    if form == "profile" and profile is None:
        raise ProfileMissing("The channel's settings have no profile of its files.", fields=["format"])
    return await asyncio.to_thread(_read, content, channel, day, form, profile)


def _read(content: bytes, channel: str, day: date, form: Format, profile: Profile | None) -> ReadBill:
    numbered = read_by_profile(content, profile, datetime.now(UTC)) if profile else read_bill(content, form)
    require_whole(numbered, channel, day)
    digest = hashlib.sha256(content).digest()
    return ReadBill(channel, day, form, digest, numbered, merchants_of(content, form))


def _rows(bill: ReadBill) -> list[tuple[Any, ...]]:
    return [
        (
            number,
            line.kind,
            line.subject_on(bill.channel),
            line.transaction_id,
            line.reversal_id,
            line.amount_fen,
            line.fee_fen,
            line.occurred_at,
            line.campaign_id,
            line.said,
        )
        for number, line in bill.numbered
    ]


_REFUNDED: Final = text(
    """
    SELECT d.transaction_id, CAST(sum(r.amount_fen) AS bigint) AS fen
    FROM donations d JOIN reversals r USING (donation_id)
    WHERE d.donation_id = ANY(:ids) AND r.kind = 'refund' AND r.status <> 'refused'
      AND r.occurred_at < :before
    GROUP BY d.transaction_id
    """
)


async def with_refunds_as_notified(connection: AsyncConnection, bill: ReadBill) -> ReadBill:
    """Alipay's bill gives each refund its request's number, and its notices only how much of a trade has gone
    back so far, by which schemes/refunds.py names a reversal. So the lines are named like that too, from
    what went back on earlier days on.
    """
    refunds = sorted(
        (line.occurred_at, at) for at, (_, line) in enumerate(bill.numbered) if line.kind == "refund"
    )
    if bill.form != "alipay" or not refunds:
        return bill
    numbered = list(bill.numbered)
    ids = [donation_id_of(bill.channel, numbered[at][1].transaction_id) for _, at in refunds]
    found = await connection.execute(_REFUNDED, {"ids": ids, "before": bounds_of(bill.day)[0]})
    so_far: defaultdict[str, int] = defaultdict(int, {row.transaction_id: row.fen for row in found})
    for _, at in refunds:
        number, line = numbered[at]
        so_far[line.transaction_id] += line.amount_fen
        named = f"{line.transaction_id}-{so_far[line.transaction_id]}"
        numbered[at] = number, replace(line, reversal_id=named)
    return replace(bill, numbered=numbered)


_KNOWN: Final = text("SELECT count(*) FROM donations WHERE donation_id = ANY(:ids)")
_OURS: Final = text(
    "SELECT transaction_id, count(*) OVER () AS ours FROM donations"
    " WHERE channel = :channel AND occurred_at >= :starts AND occurred_at < :ends LIMIT 100"
)


async def compared(connection: AsyncConnection, bill: ReadBill, merchant: str | None) -> Compared:
    """A bill beside what is known here. `merchant`: whose bills the channel's are, where its settings say."""
    payments = [line.transaction_id for _, line in bill.numbered if line.kind == "payment"]
    looked_at = payments[:: 1 + len(payments) // LOOKED_AT]
    ids = [donation_id_of(bill.channel, each) for each in looked_at]
    known = (await connection.execute(_KNOWN, {"ids": ids})).scalar_one()
    starts, ends = bounds_of(bill.day)
    asked = {"channel": bill.channel, "starts": starts, "ends": ends}
    ours = (await connection.execute(_OURS, asked)).all()
    return Compared(
        len(payments),
        looked_at,
        known,
        ours[0].ours if ours else 0,
        [row.transaction_id for row in ours],
        bill.merchants if merchant is not None else frozenset(),
        merchant,
    )


async def take(
    connection: AsyncConnection,
    bill: ReadBill,
    person: str,
    *,
    merchant: str | None = None,
    confirmed: bool = False,
) -> tuple[Row[Any], bool]:
    """Write a bill down and judge its day and the days beside it; gives back its row, and whether it is new.
    `confirmed`: a person has looked at it, and it is right although it looks like another's.

    Raises BillSuperseded for one that was taken before a corrected one, BillDoubtful.
    """
    await matching.lock(connection, bill.channel)
    known = await _known(connection, bill)
    if known is not None:
        if known.state == "superseded":
            raise BillSuperseded("It was imported before; what counts is the later one.", fields=["body"])
        return known, False
    odd = doubts(await compared(connection, bill, merchant))
    if not confirmed:
        require_beyond_doubt(odd)
    row = await _write(connection, await with_refunds_as_notified(connection, bill), person, odd)
    for day in (bill.day - ONE, bill.day, bill.day + ONE):
        await matching.judge(connection, bill.channel, day)
    return row, True


async def _known(connection: AsyncConnection, bill: ReadBill) -> Row[Any] | None:
    c = bills.c
    same = (c.channel == bill.channel) & (c.day == bill.day) & (c.sha256 == bill.sha256)
    return (await connection.execute(select(bills).where(same))).one_or_none()


async def _write(connection: AsyncConnection, bill: ReadBill, person: str, odd: Sequence[str]) -> Row[Any]:
    c = bills.c
    current = (c.channel == bill.channel) & (c.day == bill.day) & (c.state == "current")
    await connection.execute(update(bills).where(current).values(state="superseded"))
    await connection.execute(_FORGET, {"channel": bill.channel, "day": bill.day})
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
        doubts=list(odd) or None,
    )
    row = (await connection.execute(new.returning(*bills.c))).one()
    rows = await asyncio.to_thread(_rows, bill)
    for start in range(0, len(rows), AT_ONCE):
        columns = zip(*rows[start : start + AT_ONCE], strict=True)
        arrays = {name: list(values) for name, values in zip(_COLUMNS, columns, strict=True)}
        await connection.execute(_INSERT, {"bill_id": row.bill_id, **arrays})
    if rows:
        # Without it the planner thinks of the new bill as of a few lines and looks each one up.
        await connection.execute(text("ANALYZE bill_lines"))
    return row
