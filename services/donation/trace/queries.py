"""What is asked of the trace's tables, and how."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.trace.models import trace_helped, trace_movements
from services.donation.trace.movements import Movement

# ---------------------------------------------------------------- what campaigns announce

_COLUMNS: Final = tuple(trace_movements.c.keys())


async def add_movements(connection: AsyncConnection, movements: Sequence[Movement]) -> None:
    """Keep what moved; what is there already stays as it is."""
    if not movements:
        return
    rows = [{name: getattr(each, name) for name in _COLUMNS} for each in movements]
    await connection.execute(upsert(trace_movements).on_conflict_do_nothing(), rows)
    helped = [
        {name: getattr(each, name) for name in ("source", "sequence", "kind")}
        | {"unit": unit, "of": of, "count": count}
        for each in movements
        for (unit, of), count in each.helped.items()
    ]
    if helped:
        await connection.execute(upsert(trace_helped).on_conflict_do_nothing(), helped)


# ---------------------------------------------------------------- counting donations

Counted = Literal["donations", "releases", "reversals"]
_TAKEN: Final[Mapping[Counted, tuple[str, str]]] = {
    # A donation that was held counts from its release on.
    "donations": (
        "e.campaign_id, CASE WHEN e.held_reason IS NULL THEN e.amount_fen ELSE 0 END, 0",
        "",
    ),
    "releases": ("d.campaign_id, d.amount_fen, 0", "JOIN donations d USING (donation_id)"),
    "reversals": ("d.campaign_id, 0, e.amount_fen", "JOIN donations d USING (donation_id)"),
}
"""For each table: campaign, what it received and what went back; and where the campaign stands."""
COUNTED: Final[tuple[Counted, ...]] = tuple(_TAKEN)

# Sources are found by stepping through the index of positions, and their new rows are taken in its order: a
# range of sequences would be guessed to be half of the table, and the whole of it read (0.7 s at 10^6 rows).
_COUNT: Final = """
    WITH RECURSIVE sources AS (
        (SELECT source FROM {what} WHERE source IS NOT NULL ORDER BY source LIMIT 1)
        UNION ALL
        SELECT (SELECT e.source FROM {what} e WHERE e.source > s.source ORDER BY e.source LIMIT 1)
        FROM sources s WHERE s.source IS NOT NULL
    ), taken (source, sequence, campaign_id, received_fen, reversed_fen) AS MATERIALIZED (
        SELECT e.source, e.sequence, {columns}
        FROM sources s LEFT JOIN trace_positions p ON p.what = '{what}' AND p.source = s.source,
        LATERAL (SELECT * FROM {what} AS next
                 WHERE next.source = s.source AND next.sequence > coalesce(p.sequence, -1)
                 ORDER BY next.sequence LIMIT :rows) AS e {join}
    ), counted AS (
        INSERT INTO trace_funds AS fund (campaign_id, received_fen, reversed_fen)
        SELECT campaign_id, sum(received_fen), sum(reversed_fen) FROM taken GROUP BY campaign_id
        ON CONFLICT (campaign_id) DO UPDATE SET received_fen = fund.received_fen + excluded.received_fen,
            reversed_fen = fund.reversed_fen + excluded.reversed_fen
    ), moved AS (
        INSERT INTO trace_positions (what, source, sequence)
        SELECT '{what}', source, max(sequence) FROM taken GROUP BY source
        ON CONFLICT (what, source) DO UPDATE SET sequence = excluded.sequence
    )
    SELECT coalesce(bool_or(rows = :rows), false)
    FROM (SELECT count(*) AS rows FROM taken GROUP BY source) AS each
"""
_COUNTS: Final = {
    what: text(_COUNT.format(what=what, columns=columns, join=join))
    for what, (columns, join) in _TAKEN.items()
}
_ALONE: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('shanliu.stating'))")
# now() is the transaction's beginning: every statement in it saw at least what was committed by then.
_STATE: Final = text(
    "INSERT INTO trace_moment (stated_at) VALUES (now())"
    " ON CONFLICT (one) DO UPDATE SET stated_at = excluded.stated_at"
)


async def alone(connection: AsyncConnection) -> bool:
    """Whether nobody else counts; the lock is held to the end of the transaction."""
    return bool((await connection.execute(_ALONE)).scalar_one())


async def count_new(connection: AsyncConnection, what: Counted, rows: int) -> bool:
    """Add at most `rows` of each source to the sums; True when a source may have more."""
    return bool((await connection.execute(_COUNTS[what], {"rows": rows})).scalar_one())


async def state(connection: AsyncConnection) -> None:
    """All is counted that was committed when this transaction began."""
    await connection.execute(_STATE)


# ---------------------------------------------------------------- reading

_MOMENT: Final = text("SELECT stated_at FROM trace_moment")
# What a split moved is the donor's own money in the other fund. When refunds came after it, the parts shrink
# alike until the split is corrected.
_OWN: Final = text(
    """
    WITH own AS (
        SELECT d.donation_id, d.campaign_id, d.occurred_at, net.fen, counted.is_so,
               coalesce(split.fen, 0) AS split_fen
        FROM receipt_items i JOIN donations d USING (donation_id) LEFT JOIN releases r USING (donation_id),
        LATERAL (SELECT d.amount_fen - coalesce(sum(v.amount_fen), 0) AS fen FROM reversals v
                 WHERE v.donation_id = d.donation_id AND v.status = 'applied') AS net,
        LATERAL (SELECT sum(m.amount_fen) AS fen FROM trace_movements m
                 WHERE m.donation_id = d.donation_id AND m.kind = 'transfer_out'
                   AND m.announced_at <= :at) AS split,
        LATERAL (SELECT EXISTS (
            SELECT FROM trace_positions p
            WHERE CASE WHEN d.held_reason IS NULL
                  THEN (p.what, p.source) = ('donations', d.source) AND p.sequence >= d.sequence
                  ELSE (p.what, p.source) = ('releases', r.source) AND p.sequence >= r.sequence END
        ) AS is_so) AS counted
        WHERE i.number = :number
    ), parts AS (
        SELECT campaign_id, occurred_at, greatest(fen - split_fen, 0) AS fen, is_so FROM own
        WHERE split_fen = 0 OR fen > split_fen
        UNION ALL
        SELECT m.other, own.occurred_at,
               div(m.amount_fen * least(own.fen, own.split_fen), own.split_fen), own.is_so
        FROM own JOIN trace_movements m USING (donation_id)
        WHERE m.kind = 'transfer_out' AND m.announced_at <= :at
    )
    SELECT p.campaign_id, coalesce(k.title, p.campaign_id) AS title,
           CAST(sum(p.fen) FILTER (WHERE p.is_so) AS bigint) AS own_fen,
           CAST(sum(p.fen) FILTER (WHERE NOT p.is_so) AS bigint) AS new_fen
    FROM parts p LEFT JOIN receipt_campaigns k USING (campaign_id)
    GROUP BY p.campaign_id, k.title ORDER BY min(p.occurred_at), p.campaign_id
    """
)
_FUNDS: Final = text(
    """
    SELECT asked.campaign_id, coalesce(f.received_fen, 0) AS received_fen,
           coalesce(f.reversed_fen, 0) AS reversed_fen,
           coalesce(m.moved_in_fen, 0) AS moved_in_fen, coalesce(m.moved_out_fen, 0) AS moved_out_fen,
           coalesce(m.split_fen, 0) AS split_fen,
           coalesce(m.paid_fen, 0) AS paid_fen, coalesce(m.returned_fen, 0) AS returned_fen,
           coalesce(m.goods_in_fen, 0) - coalesce(m.goods_back_fen, 0) AS goods_in_fen,
           coalesce(m.goods_lost_fen, 0) AS goods_lost_fen
    FROM unnest(CAST(:campaigns AS text[])) AS asked (campaign_id)
    LEFT JOIN trace_funds f USING (campaign_id)
    LEFT JOIN (
        SELECT campaign_id,
               CAST(sum(amount_fen) FILTER (WHERE kind = 'transfer_in') AS bigint) AS moved_in_fen,
               CAST(sum(amount_fen) FILTER (WHERE kind = 'transfer_out' AND donation_id IS NULL)
                   AS bigint) AS moved_out_fen,
               CAST(sum(amount_fen) FILTER (WHERE kind = 'transfer_out' AND donation_id IS NOT NULL)
                   AS bigint) AS split_fen,
               CAST(sum(amount_fen) FILTER (WHERE kind = 'payment') AS bigint) AS paid_fen,
               CAST(sum(amount_fen) FILTER (WHERE kind = 'return') AS bigint) AS returned_fen,
               CAST(sum(amount_fen) FILTER (WHERE kind = 'goods_in') AS bigint) AS goods_in_fen,
               CAST(sum(amount_fen) FILTER (WHERE kind = 'goods_back') AS bigint) AS goods_back_fen,
               CAST(sum(amount_fen) FILTER (WHERE kind = 'goods_lost') AS bigint) AS goods_lost_fen
        FROM trace_movements WHERE campaign_id = ANY(:campaigns) AND announced_at <= :at
        GROUP BY campaign_id
    ) AS m USING (campaign_id)
    """
)
# What came back whole helped nobody. Goods are given out at their value, apart from money.
_OUT: Final = """
    SELECT o.source, o.sequence, o.kind, o.campaign_id, o.use, o.title, o.amount_fen, o.moved_on, coalesce((
        SELECT sum(b.amount_fen) FROM trace_movements b
        WHERE b.kind IN ('return', 'goods_returned') AND b.about = o.about AND b.announced_at <= :at
    ), 0) AS returned_fen
    FROM trace_movements o
    WHERE o.campaign_id = ANY(:campaigns) AND o.kind IN ('payment', 'goods_out') AND o.announced_at <= :at
"""
_USES: Final = text(
    f"""
    SELECT campaign_id, kind, use, CAST(sum(amount_fen) AS bigint) AS paid_fen,
           CAST(sum(returned_fen) AS bigint) AS returned_fen, count(*) AS payments, max(moved_on) AS last_on,
           (array_agg(DISTINCT title) FILTER (WHERE title IS NOT NULL))[1:5] AS titles
    FROM ({_OUT}) AS gone GROUP BY campaign_id, kind, use
    ORDER BY campaign_id, kind DESC, paid_fen DESC, use
    """  # noqa: S608 - texts of this file
)
_HELPED: Final = text(
    f"""
    SELECT campaign_id, kind, use, h.unit, h.of, CAST(sum(h.count) AS bigint) AS number
    FROM ({_OUT}) AS gone JOIN trace_helped h USING (source, sequence, kind)
    WHERE amount_fen > returned_fen GROUP BY campaign_id, kind, use, h.unit, h.of
    ORDER BY h.of, number DESC, h.unit
    """  # noqa: S608 - texts of this file
)
_MOVED: Final = text(
    """
    SELECT m.campaign_id, coalesce(k.title, m.other) AS towards,
           CAST(sum(m.amount_fen) AS bigint) AS amount_fen
    FROM trace_movements m LEFT JOIN receipt_campaigns k ON k.campaign_id = m.other
    WHERE m.campaign_id = ANY(:campaigns) AND m.kind = 'transfer_out' AND m.donation_id IS NULL
      AND m.announced_at <= :at
    GROUP BY 1, 2 ORDER BY 3 DESC, 2
    """
)


async def stated_at(connection: AsyncConnection) -> datetime | None:
    """The moment up to which the sums are whole; None when nothing has been counted yet."""
    moment: datetime | None = (await connection.execute(_MOMENT)).scalar_one_or_none()
    return moment


async def own_parts(connection: AsyncConnection, number: str, at: datetime) -> list[Row[Any]]:
    """What is left of a receipt's donations at a moment, by campaign; NULL for none: own_fen of those in the
    sums, new_fen of those that came later.
    """
    return list(await connection.execute(_OWN, {"number": number, "at": at}))


async def funds(connection: AsyncConnection, campaigns: Sequence[str], at: datetime) -> dict[str, Row[Any]]:
    """The figures of these campaigns' funds at a moment."""
    asked = {"campaigns": list(campaigns), "at": at}
    return {row.campaign_id: row for row in await connection.execute(_FUNDS, asked)}


async def uses(
    connection: AsyncConnection, campaigns: Sequence[str], at: datetime
) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """What these campaigns had spent and given out by a moment, by use, the largest first; and how many that
    helped.
    """
    asked = {"campaigns": list(campaigns), "at": at}
    return list(await connection.execute(_USES, asked)), list(await connection.execute(_HELPED, asked))


async def transfers(connection: AsyncConnection, campaigns: Sequence[str], at: datetime) -> list[Row[Any]]:
    """Where these campaigns had moved money to by a moment."""
    return list(await connection.execute(_MOVED, {"campaigns": list(campaigns), "at": at}))
