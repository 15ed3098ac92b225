"""What is asked of reconciliation's tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.reconciliation.models import bill_terms, bills, break_history, breaks

UNAGREED: Final = """
    SELECT c.channel FROM channels c
    WHERE NOT c.sandbox AND c.scheme <> 'desk'
      AND NOT EXISTS (SELECT FROM bill_terms t WHERE t.channel = c.channel)
"""
"""The channels that somebody forgot to agree with: whoever takes money elsewhere has bills of it. A sandbox
takes none, and the desk counts its own drawers."""
_SHARES: Final = text(
    f"""
    SELECT channel, CAST(sum(ours_fen) AS bigint) AS ours_fen, CAST(sum(matched_fen) AS bigint) AS matched_fen
    FROM reconciled_days r WHERE day >= :first
      AND (EXISTS (SELECT FROM bills b WHERE b.channel = r.channel AND b.day = r.day)
           OR day <= :last AND (
               EXISTS (SELECT FROM bill_terms t
                       WHERE t.channel = r.channel AND t.daily AND t.due_from <= r.day)
               OR r.ours_fen > 0 AND r.channel IN ({UNAGREED})))
    GROUP BY channel ORDER BY channel
    """  # noqa: S608 - the text above
)
_MISSING: Final = f"""
    SELECT channel, day, terms_missing FROM (
        SELECT t.channel, CAST(d AS date) AS day, false AS terms_missing FROM bill_terms t,
             generate_series(greatest(t.due_from, CAST(:first AS date)), CAST(:last AS date),
                             interval '1 day') d
        WHERE t.daily
        UNION ALL
        SELECT r.channel, r.day, true FROM reconciled_days r
        WHERE r.ours_fen > 0 AND r.day BETWEEN :first AND :last AND r.channel IN ({UNAGREED})
    ) AS owed
    WHERE NOT EXISTS (
        SELECT FROM bills b WHERE b.channel = owed.channel AND b.day = owed.day AND b.state = 'current')
"""  # noqa: S608 - the text above
_MISSING_DAYS: Final = text(f"{_MISSING} ORDER BY day DESC, channel")
_MISSING_COUNTS: Final = text(
    f"""
    SELECT c.channel, count(m.day) AS missing
    FROM (SELECT channel FROM bill_terms UNION ALL {UNAGREED}) AS c LEFT JOIN ({_MISSING}) m USING (channel)
    GROUP BY c.channel
    """  # noqa: S608 - the text above
)
_OPEN: Final = text(
    "SELECT kind, count(*) AS breaks, min(opened_at) AS oldest FROM breaks WHERE state = 'open' GROUP BY kind"
)


async def shares(connection: AsyncConnection, first: date, last: date) -> Sequence[Row[Any]]:
    """Of each channel what it gave on the days that a bill is owed for or has come for, one that came before
    it was due among them, and how much of it agrees. Where nothing was agreed each day with money owes one.
    """
    return (await connection.execute(_SHARES, {"first": first, "last": last})).all()


async def missing_days(connection: AsyncConnection, first: date, last: date) -> Sequence[Row[Any]]:
    """The days whose bill has not come, newest first; `terms_missing`: nothing was agreed on bills."""
    return (await connection.execute(_MISSING_DAYS, {"first": first, "last": last})).all()


async def missing_counts(connection: AsyncConnection, first: date, last: date) -> Sequence[Row[Any]]:
    """How many bills each channel owes."""
    return (await connection.execute(_MISSING_COUNTS, {"first": first, "last": last})).all()


async def open_breaks(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """Of each kind how many are open, and since when the oldest."""
    return (await connection.execute(_OPEN)).all()


async def terms(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """What was agreed with each channel about its bills."""
    return (await connection.execute(select(bill_terms).order_by(bill_terms.c.channel))).all()


async def terms_of(connection: AsyncConnection, channel: str) -> Row[Any] | None:
    """The same of one channel."""
    wanted = select(bill_terms).where(bill_terms.c.channel == channel)
    return (await connection.execute(wanted)).one_or_none()


async def set_terms(connection: AsyncConnection, row: dict[str, Any]) -> None:
    """Write them down in the place of what stood there."""
    statement = upsert(bill_terms).values(row)
    await connection.execute(statement.on_conflict_do_update(index_elements=["channel"], set_=row))


@dataclass(frozen=True, slots=True)
class BillFilter:
    """Which bills are listed; None: all."""

    channel: str | None = None
    day: date | None = None
    state: str | None = None


async def list_bills(
    connection: AsyncConnection, wanted: BillFilter, before: int | None, rows: int
) -> Sequence[Row[Any]]:
    """Newest import first; `before` continues a list."""
    c = bills.c
    statement = select(bills).order_by(c.bill_id.desc()).limit(rows)
    for column, value in ((c.channel, wanted.channel), (c.day, wanted.day), (c.state, wanted.state)):
        if value is not None:
            statement = statement.where(column == value)
    if before is not None:
        statement = statement.where(c.bill_id < before)
    return (await connection.execute(statement)).all()


_DAYS: Final = text(
    """
    SELECT r.*, b.bill_id, b.payments, b.payments_fen, b.refunds, b.refunds_fen, b.fees_fen, b.imported_at,
           (SELECT coalesce(jsonb_object_agg(kind, n), '{}') FROM (
               SELECT kind, count(*) AS n FROM breaks x
               WHERE x.channel = r.channel AND x.day = r.day AND x.state = 'open' GROUP BY kind) k) AS open
    FROM reconciled_days r
         LEFT JOIN bills b ON b.channel = r.channel AND b.day = r.day AND b.state = 'current'
    WHERE (CAST(:channel AS text) IS NULL OR r.channel = :channel)
      AND r.day BETWEEN :first AND :last
      AND (b.bill_id IS NOT NULL OR r.ours > 0)
    ORDER BY r.day DESC, r.channel LIMIT :rows
    """
)


async def days(
    connection: AsyncConnection, channel: str | None, first: date, last: date, rows: int
) -> Sequence[Row[Any]]:
    """How days stand, newest first."""
    asked = {"channel": channel, "first": first, "last": last, "rows": rows}
    return (await connection.execute(_DAYS, asked)).all()


@dataclass(frozen=True, slots=True)
class BreakFilter:
    """Which breaks are listed; None: all."""

    channel: str | None = None
    kind: str | None = None
    state: str | None = None
    day: date | None = None


async def list_breaks(
    connection: AsyncConnection, wanted: BreakFilter, after: int | None, rows: int
) -> Sequence[Row[Any]]:
    """Oldest first; `after` continues a list."""
    c = breaks.c
    statement = select(breaks).order_by(c.break_id).limit(rows)
    sought = (
        (c.channel, wanted.channel),
        (c.kind, wanted.kind),
        (c.state, wanted.state),
        (c.day, wanted.day),
    )
    for column, value in sought:
        if value is not None:
            statement = statement.where(column == value)
    if after is not None:
        statement = statement.where(c.break_id > after)
    return (await connection.execute(statement)).all()


async def one_break(connection: AsyncConnection, break_id: int) -> Row[Any] | None:
    """A break."""
    return (await connection.execute(select(breaks).where(breaks.c.break_id == break_id))).one_or_none()


async def history(connection: AsyncConnection, break_id: int) -> Sequence[Row[Any]]:
    """What became of a break, first things first."""
    c = break_history.c
    statement = select(break_history).where(c.break_id == break_id).order_by(c.number)
    return (await connection.execute(statement)).all()


_TOTALS: Final = text(
    """
    SELECT channel, to_char(date_trunc('month', day), 'YYYY-MM') AS month,
           CAST(sum(ours) AS bigint) AS ours, CAST(sum(ours_fen) AS bigint) AS ours_fen,
           CAST(sum(matched) AS bigint) AS matched, CAST(sum(matched_fen) AS bigint) AS matched_fen,
           CAST(coalesce(sum(payments_fen), 0) AS bigint) AS bills_fen,
           CAST(coalesce(sum(refunds_fen), 0) AS bigint) AS refunds_fen,
           CAST(coalesce(sum(fees_fen), 0) AS bigint) AS fees_fen,
           count(bill_id) AS bills
    FROM reconciled_days r LEFT JOIN bills b USING (channel, day)
    WHERE (b.state = 'current' OR b.state IS NULL)
      AND day >= make_date(:year, 1, 1) AND day < make_date(:year + 1, 1, 1)
    GROUP BY channel, 2 ORDER BY 2, channel
    """
)


async def totals(connection: AsyncConnection, year: int) -> Sequence[Row[Any]]:
    """By channel and month what was given, what agrees, and what the channel kept."""
    return (await connection.execute(_TOTALS, {"year": year})).all()
