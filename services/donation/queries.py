"""What is asked of the donation database, and how. Statements over whole batches: one for 2,000 rows."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.holding import CampaignState, Known
from services.donation.models import conflicts, dead_letters, donations, reversals
from shared.dead_letters import DeadLetter
from shared.positions import source_of

COLUMNS: Final = {
    "donation_id": "uuid",
    "channel": "text",
    "transaction_id": "text",
    "campaign_id": "text",
    "amount_fen": "bigint",
    "fee_fen": "bigint",
    "occurred_at": "timestamptz",
    "received_at": "timestamptz",
    "donor_kind": "text",
    "donor_name": "text",
    "donor_alias": "text",
    "donor_display": "text",
    "contact_email": "text",
    "contact_phone": "text",
    "contact_wechat_openid": "text",
    "contact_wechat_app_id": "text",
    "contact_language": "text",
    "message": "text",
    "pledge_id": "uuid",
    "source": "text",
    "sequence": "bigint",
    "held_reason": "text",
    "status": "text",
}
"""The columns of a new donation, in the order of `insert_donations`' rows."""

# Sorted by key: two workers that insert the same keys wait for each other in one order, never in a ring. The
# message of a donation that counts goes into the queue with it; a held one's comes with its release.
_INSERT: Final = text(
    f"WITH new AS (INSERT INTO donations ({', '.join(COLUMNS)})"  # noqa: S608 - names from this file
    f" SELECT * FROM unnest({', '.join(f'CAST(:{name} AS {kind}[])' for name, kind in COLUMNS.items())})"
    f" AS given ({', '.join(COLUMNS)}) ORDER BY donation_id ON CONFLICT (donation_id) DO NOTHING"
    " RETURNING donation_id, campaign_id, amount_fen, received_at,"
    " message IS NOT NULL AND held_reason IS NULL AS queued),"
    " queue AS (INSERT INTO donor_messages (message_id, campaign_id, amount_fen, received_at)"
    " SELECT donation_id, campaign_id, amount_fen, received_at FROM new WHERE queued ORDER BY donation_id"
    " ON CONFLICT DO NOTHING)"
    " SELECT donation_id FROM new"
)


async def insert_donations(connection: AsyncConnection, rows: Sequence[tuple[Any, ...]]) -> set[UUID]:
    """Insert donations that are not there yet (`rows` in the order of COLUMNS), and put the messages of those
    that count into the queue; gives back the new ones.
    """
    columns = zip(*rows, strict=True)
    arrays = {
        # unnest fills up what is shorter with NULL; each element costs the driver 0.3 µs.
        name: [] if values.count(None) == len(values) else values
        for name, values in zip(COLUMNS, columns, strict=True)
    }
    return {row[0] for row in await connection.execute(_INSERT, arrays)}


async def stored_donations(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """The rows of these donations."""
    found = await connection.execute(select(donations).where(donations.c.donation_id.in_(list(ids))))
    return {row.donation_id: row for row in found}


async def lock_donations(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """The rows of these donations, locked until the end of the transaction."""
    wanted = select(donations).where(donations.c.donation_id.in_(list(ids)))
    found = await connection.execute(wanted.order_by(donations.c.donation_id).with_for_update())
    return {row.donation_id: row for row in found}


_CAMPAIGNS_AND_CHANNELS: Final = """
    SELECT campaign_id, status, closed_at,
           NULL AS channel, CAST(NULL AS text[]) AS campaigns, false AS sandbox,
           NULL AS source, CAST(NULL AS bigint) AS sequence, CAST(NULL AS bytea) AS letter
    FROM campaigns WHERE campaign_id = ANY(:campaigns)
    UNION ALL
    SELECT NULL, NULL, NULL, channel, campaigns, sandbox, NULL, NULL, NULL
    FROM channels WHERE channel = ANY(:channels) AND (campaigns IS NOT NULL OR sandbox)
    """
_KNOWN: Final = text(_CAMPAIGNS_AND_CHANNELS)


async def known_of(connection: AsyncConnection, campaigns: Iterable[str], channels: Iterable[str]) -> Known:
    """What is known of these campaigns and these channels now."""
    asked = {"campaigns": list(campaigns), "channels": list(channels)}
    return _known((await connection.execute(_KNOWN, asked)).all())


def _known(rows: Sequence[Row[Any]]) -> Known:
    return Known(
        {row.campaign_id: CampaignState(row.status, row.closed_at) for row in rows if row.campaign_id},
        {row.channel: frozenset(row.campaigns) for row in rows if row.campaigns is not None},
        frozenset(row.channel for row in rows if row.sandbox),
    )


_BEFORE: Final = """
    greatest(
        (SELECT max(sequence) FROM donations e WHERE e.source = asked.source AND e.sequence < asked.first),
        (SELECT max(sequence) FROM releases e WHERE e.source = asked.source AND e.sequence < asked.first),
        (SELECT max(sequence) FROM reversals e WHERE e.source = asked.source AND e.sequence < asked.first),
        (SELECT max(sequence) FROM conflicts e WHERE e.source = asked.source AND e.sequence < asked.first),
        (SELECT max(sequence) FROM message_decisions e
         WHERE e.source = asked.source AND e.sequence < asked.first),
        (SELECT max(sequence) FROM consent_withdrawals e
         WHERE e.source = asked.source AND e.sequence < asked.first),
        (SELECT max(sequence) FROM erased_donations e
         WHERE e.source = asked.source AND e.sequence < asked.first)
    )"""
_PREVIOUS: Final = text(
    f"SELECT asked.source, {_BEFORE} AS previous"  # noqa: S608 - this file's own text
    " FROM unnest(CAST(:sources AS text[]), CAST(:firsts AS bigint[])) AS asked (source, first)"
)


async def previous_positions(connection: AsyncConnection, firsts: Mapping[str, int]) -> dict[str, int | None]:
    """For each source the sequence of the last event before `first`; None when there is none.

    Asked of the indexes in the transaction that books the batch (0.1 ms a source), never remembered: another
    worker may have had this partition in between.
    """
    asked = {"sources": list(firsts), "firsts": list(firsts.values())}
    return {row.source: row.previous for row in await connection.execute(_PREVIOUS, asked)}


class Look(NamedTuple):
    """What is asked before a batch is booked.

    `previous`: as `previous_positions` of each source's first record in the batch. `buried`: what went to the
    dead letters of these records by their positions: it stays there, whatever the rules say today; its
    content comes back by replay, at a new position.
    """

    known: Known
    previous: dict[str, int | None]
    buried: dict[tuple[str, int], DeadLetter]


# One round trip for all of it: each costs a small batch as much as booking it.
_LOOK: Final = text(
    f"""
    {_CAMPAIGNS_AND_CHANNELS}
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, false, asked.source, {_BEFORE}, NULL
    FROM unnest(CAST(:sources AS text[]), CAST(:firsts AS bigint[])) AS asked (source, first)
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, false, d.source, d.sequence, d.letter
    FROM unnest(CAST(:sources AS text[]), CAST(:firsts AS bigint[]), CAST(:lasts AS bigint[]))
         AS asked (source, first, last)
    JOIN dead_letters d ON d.source = asked.source AND d.sequence BETWEEN asked.first AND asked.last
    """  # noqa: S608 - this file's own text
)


async def look(
    connection: AsyncConnection,
    spans: Mapping[str, tuple[int, int]],
    campaigns: Iterable[str],
    channels: Iterable[str],
) -> Look:
    """Look before a batch is booked, in its transaction. `spans`: the first and the last sequence of each
    source in it.
    """
    firsts, lasts = zip(*spans.values(), strict=True)
    asked = {
        "campaigns": list(campaigns),
        "channels": list(channels),
        "sources": list(spans),
        "firsts": list(firsts),
        "lasts": list(lasts),
    }
    rows = (await connection.execute(_LOOK, asked)).all()
    return Look(
        _known(rows),
        {row.source: row.sequence for row in rows if row.source is not None and row.letter is None},
        {
            (row.source, row.sequence): DeadLetter.model_validate_json(row.letter)
            for row in rows
            if row.letter is not None
        },
    )


async def insert_conflicts(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep conflicts; one that comes again is there already."""
    await connection.execute(upsert(conflicts).on_conflict_do_nothing(), list(rows))


async def insert_dead_letters(connection: AsyncConnection, letters: Iterable[DeadLetter]) -> None:
    """Keep dead letters; one that comes again is there already."""
    rows = [
        {
            "source": source_of(letter.topic, letter.partition),
            "sequence": letter.offset,
            "reason": letter.reason,
            "detail": letter.detail,
            "letter": letter.to_bytes(),
            "failed_at": letter.failed_at,
        }
        for letter in letters
    ]
    await connection.execute(upsert(dead_letters).on_conflict_do_nothing(), rows)


_RELEASES: Final = text("SELECT * FROM releases WHERE donation_id = ANY(:ids)")
_RELEASE: Final = text(
    "INSERT INTO releases (donation_id, source, sequence, released_at)"
    " VALUES (:donation_id, :source, :sequence, :released_at)"
)
_COUNTS_NOW: Final = text("UPDATE donations SET status = 'received' WHERE donation_id = ANY(:ids)")
_BOOKED: Final = text("UPDATE held_decisions SET open = false WHERE donation_id = ANY(:ids) AND open")


async def releases_of(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """The releases of these donations that have been booked."""
    found = await connection.execute(_RELEASES, {"ids": list(ids)})
    return {row.donation_id: row for row in found}


async def insert_releases(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Book releases of donations that the caller has locked."""
    await connection.execute(_RELEASE, list(rows))
    ids = [row["donation_id"] for row in rows]
    await connection.execute(_COUNTS_NOW, {"ids": ids})
    await connection.execute(_BOOKED, {"ids": ids})


_LOCK_REVERSALS: Final = text(
    "SELECT * FROM reversals WHERE reversal_id = ANY(:ids) ORDER BY reversal_id FOR UPDATE"
)
_REVERSED: Final = text(
    "SELECT donation_id, CAST(sum(amount_fen) AS bigint) AS reversed_fen FROM reversals"
    " WHERE donation_id = ANY(:ids) AND status = 'applied' GROUP BY donation_id"
)
_DECIDE: Final = text(
    "UPDATE reversals SET status = :status, source = :source, sequence = :sequence, applied_at = :applied_at"
    " WHERE reversal_id = :reversal_id"
)


async def insert_reversals(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Write down reversals that are not known yet, undecided; gives back the new ones. Sorted, so that two
    workers with the same reversals wait for each other in one order.
    """
    wanted = [{**row, "status": "pending"} for row in sorted(rows, key=lambda row: row["reversal_id"])]
    statement = upsert(reversals).on_conflict_do_nothing().returning(reversals.c.reversal_id)
    return set((await connection.execute(statement, wanted)).scalars())


async def lock_reversals(connection: AsyncConnection, ids: Iterable[UUID]) -> dict[UUID, Row[Any]]:
    """The reversals that are known under these ids, locked until the end of the transaction."""
    found = await connection.execute(_LOCK_REVERSALS, {"ids": list(ids)})
    return {row.reversal_id: row for row in found}


async def reversed_amounts(connection: AsyncConnection, donation_ids: Iterable[UUID]) -> dict[UUID, int]:
    """How many fen of these donations went back; the caller has locked the donations."""
    found = await connection.execute(_REVERSED, {"ids": list(donation_ids)})
    return {row.donation_id: row.reversed_fen for row in found}


async def decide_reversals(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Write down what became of reversals that the caller has locked."""
    await connection.execute(_DECIDE, list(rows))


_CAMPAIGN: Final = text(
    "INSERT INTO campaigns (campaign_id, status, closed_at) VALUES (:campaign_id, :status, :closed_at)"
    " ON CONFLICT (campaign_id) DO UPDATE SET status = excluded.status, closed_at = excluded.closed_at"
)


async def save_campaign_states(connection: AsyncConnection, states: Mapping[str, CampaignState]) -> None:
    """Remember what the newest event said of each campaign."""
    rows = [
        {"campaign_id": campaign_id, "status": state.status, "closed_at": state.closed_at}
        for campaign_id, state in sorted(states.items())
    ]
    if rows:
        await connection.execute(_CAMPAIGN, rows)


# The rule of holding.Known.held_reason as a condition; tests/services/donation holds the two together.
_RELEASABLE: Final = text(
    """
    SELECT d.donation_id FROM donations d JOIN campaigns c USING (campaign_id)
    WHERE d.status = 'held'
      AND (c.status = 'launched' OR (c.status = 'closed' AND d.occurred_at <= c.closed_at))
      AND NOT EXISTS (SELECT FROM channels ch WHERE ch.channel = d.channel
                      AND NOT (d.campaign_id = ANY(ch.campaigns)))
    LIMIT :rows
    """
)
_DECIDED: Final = text(
    """
    SELECT h.donation_id FROM held_decisions h JOIN donations d USING (donation_id)
    WHERE h.open AND d.status = 'held' LIMIT :rows
    """
)
_REVERSALS_DUE: Final = text(
    """
    SELECT r.reversal_id, r.donation_id FROM reversals r JOIN donations d USING (donation_id)
    WHERE r.status = 'pending' AND d.status = 'received'
    LIMIT :rows
    """
)


_WAITING_REVERSALS: Final = text(
    """
    SELECT coalesce(d.status, 'unknown') AS state, count(*) AS reversals,
           CAST(greatest(extract(epoch FROM now() - min(coalesce(r.asked_at, r.occurred_at))), 0)
                AS double precision) AS oldest_s
    FROM reversals r LEFT JOIN donations d USING (donation_id) WHERE r.status = 'pending' GROUP BY 1
    """
)
_STILL_WAITING: Final = text(
    "SELECT EXISTS (SELECT FROM donations WHERE donation_id = ANY(:held) AND status = 'held')"
    " OR EXISTS (SELECT FROM reversals WHERE reversal_id = ANY(:due) AND status = 'pending')"
)


async def releasable(connection: AsyncConnection, rows: int) -> list[UUID]:
    """Held donations whose campaign takes them now, or that a person lets go on."""
    decided = (await connection.execute(_DECIDED, {"rows": rows})).scalars().all()
    return list(decided) or list((await connection.execute(_RELEASABLE, {"rows": rows})).scalars())


async def waiting_reversals(connection: AsyncConnection) -> Sequence[Row[Any]]:
    """How many wait and for how long, by how their donation stands."""
    return (await connection.execute(_WAITING_REVERSALS)).all()


async def reversals_due(connection: AsyncConnection, rows: int) -> list[Row[Any]]:
    """Waiting reversals whose donation counts now."""
    return list(await connection.execute(_REVERSALS_DUE, {"rows": rows}))


async def still_waiting(connection: AsyncConnection, held: Sequence[UUID], due: Sequence[UUID]) -> bool:
    """Whether any of these donations is still held, or any of these reversals still waits."""
    asked = {"held": list(held), "due": list(due)}
    return bool((await connection.execute(_STILL_WAITING, asked)).scalar_one())


_STATUS: Final = text(
    """
    SELECT d.source, d.sequence, d.status, d.held_reason, d.received_at, d.amount_fen,
           r.source AS release_source, r.sequence AS release_sequence,
           coalesce((SELECT sum(amount_fen) FROM reversals v
                     WHERE v.donation_id = d.donation_id AND v.status = 'applied'), 0) AS reversed_fen,
           EXISTS (SELECT FROM conflicts c WHERE c.donation_id = d.donation_id) AS conflicted
    FROM donations d LEFT JOIN releases r USING (donation_id)
    WHERE d.donation_id = :donation_id
    """
)


_REVERSAL_STATUS: Final = text(
    "SELECT reversal_id, donation_id, status, kind, amount_fen, applied_at FROM reversals"
    " WHERE reversal_id = :reversal_id"
)


async def reversal_status(connection: AsyncConnection, reversal_id: UUID) -> Row[Any] | None:
    """Where a reversal stands."""
    return (await connection.execute(_REVERSAL_STATUS, {"reversal_id": reversal_id})).first()


async def donation_status(connection: AsyncConnection, donation_id: UUID) -> Row[Any] | None:
    """Where a donation stands, without anything about its donor."""
    return (await connection.execute(_STATUS, {"donation_id": donation_id})).first()
