"""Sends donation events again, from the tables, in order: heals what nothing else can.

Every event of a source can be made again from the row that lies at its position. Consumers skip what they
have; what they miss fits onto their marks.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donation import booking, queries
from services.donation.booking import Entry
from services.donation.casework import consent
from services.donation.handlers import Outcome, contacts_of, publish
from services.donation.holding import told
from services.donation.moderation.queries import TOLD_AT
from services.donation.privacy import queries as privacy
from shared.broker import Publisher, persistently
from shared.events import DonationConflicted, DonationHeld, DonationReceived, DonationReversed
from shared.events.donations import DonationConflictedData, DonationHeldData, DonationReversedData

PAGE: Final = 1_000

_SOURCES: Final = text(
    "SELECT source FROM donations UNION SELECT source FROM releases"
    " UNION SELECT source FROM reversals WHERE source IS NOT NULL"
    " UNION SELECT source FROM conflicts"
    " UNION SELECT source FROM message_decisions WHERE source IS NOT NULL"
    " UNION SELECT source FROM consent_withdrawals WHERE source IS NOT NULL"
    " UNION SELECT source FROM erased_donations WHERE source IS NOT NULL ORDER BY source"
)
_POSITIONS: Final = text(
    """
    SELECT kind, sequence FROM (
        (SELECT 'donation' AS kind, sequence FROM donations WHERE source = :source AND sequence > :after
         ORDER BY sequence LIMIT :rows)
        UNION ALL
        (SELECT 'release', sequence FROM releases WHERE source = :source AND sequence > :after
         ORDER BY sequence LIMIT :rows)
        UNION ALL
        (SELECT 'reversal', sequence FROM reversals WHERE source = :source AND sequence > :after
         ORDER BY sequence LIMIT :rows)
        UNION ALL
        (SELECT 'conflict', sequence FROM conflicts WHERE source = :source AND sequence > :after
         ORDER BY sequence LIMIT :rows)
        UNION ALL
        (SELECT 'decision', sequence FROM message_decisions WHERE source = :source AND sequence > :after
         ORDER BY sequence LIMIT :rows)
        UNION ALL
        (SELECT 'withdrawal', sequence FROM consent_withdrawals
         WHERE source = :source AND sequence > :after ORDER BY sequence LIMIT :rows)
        UNION ALL
        (SELECT 'erasure', sequence FROM erased_donations
         WHERE source = :source AND sequence > :after ORDER BY sequence LIMIT :rows)
    ) AS positions ORDER BY sequence LIMIT :rows
    """
)
_NAMELESS: Final = (
    "EXISTS (SELECT FROM consent_withdrawals w WHERE w.donation_id = d.donation_id) AS nameless"
)
_ROWS: Final = {
    "donation": text(
        f"SELECT d.*, {_NAMELESS} FROM donations d"  # noqa: S608 - names from this file
        " WHERE d.source = :source AND d.sequence = ANY(:sequences)"
    ),
    "release": text(
        f"SELECT d.*, r.sequence AS release_sequence, r.released_at, {_NAMELESS}"  # noqa: S608 - the same
        " FROM releases r JOIN donations d USING (donation_id)"
        " WHERE r.source = :source AND r.sequence = ANY(:sequences)"
    ),
    "reversal": text(
        "SELECT d.donation_id, d.channel, d.campaign_id, d.occurred_at AS donation_occurred_at,"
        " d.pledge_id,"
        " r.reversal_id, r.kind, r.amount_fen, r.occurred_at, r.sequence, r.applied_at"
        " FROM reversals r JOIN donations d USING (donation_id)"
        " WHERE r.source = :source AND r.sequence = ANY(:sequences)"
    ),
    "conflict": text("SELECT * FROM conflicts WHERE source = :source AND sequence = ANY(:sequences)"),
    "decision": TOLD_AT,
    "withdrawal": consent.TOLD_AT,
    "erasure": privacy.TOLD_AT,
}


async def sources(engine: AsyncEngine) -> list[str]:
    """The sources of which there are events."""
    async with engine.connect() as connection:
        return list((await connection.execute(_SOURCES)).scalars())


async def republish(engine: AsyncEngine, publisher: Publisher, source: str | None, after: int = -1) -> int:
    """Send the events of one source (or of all) with a sequence above `after`; gives back how many."""
    sent = 0
    async with engine.connect() as plain:
        connection = await plain.execution_options(
            isolation_level="AUTOCOMMIT"
        )  # nothing open while publishing
        sources = [row.source for row in await connection.execute(_SOURCES)] if source is None else [source]
        for each in sources:
            async for entries in _pages(connection, each, after):
                before = await queries.previous_positions(
                    connection, {each: min(entry.sequence for entry in entries)}
                )
                outcome = Outcome(booking.chain(entries, before), contacts_of(entries))
                await persistently(lambda outcome=outcome: publish(publisher, outcome))  # type: ignore[misc]
                sent += len(outcome.events)
    return sent


async def _pages(connection: AsyncConnection, source: str, after: int) -> AsyncIterator[list[Entry]]:
    while True:
        asked = {"source": source, "after": after, "rows": PAGE}
        positions = (await connection.execute(_POSITIONS, asked)).all()
        if not positions:
            return
        entries: list[Entry] = []
        for kind, statement in _ROWS.items():
            sequences = [row.sequence for row in positions if row.kind == kind]
            if sequences:
                rows = await connection.execute(statement, {"source": source, "sequences": sequences})
                entries += [_entry(kind, source, row) for row in rows]
        yield entries
        after = positions[-1].sequence


def _entry(kind: str, source: str, row: Any) -> Entry:
    partition = int(source.rpartition("/")[2])
    if kind == "withdrawal":
        return booking.unnamed(row._mapping, partition)  # noqa: SLF001 - public
    if kind == "erasure":
        return booking.erased(row._mapping, partition)  # noqa: SLF001 - public
    if kind == "decision":
        return booking.decided(row._mapping, partition)  # noqa: SLF001 - public
    return _donation_entry(kind, source, partition, row)


def _donation_entry(kind: str, source: str, partition: int, row: Any) -> Entry:
    if kind == "release":
        return booking.released(
            source, row.release_sequence, partition, row.released_at, row, named=not row.nameless
        )
    if kind == "reversal":
        reversed_ = DonationReversedData.model_validate(row, from_attributes=True)
        subject = str(row.reversal_id)
        return Entry(source, row.sequence, partition, DonationReversed, subject, row.applied_at, reversed_)
    subject = str(row.donation_id)
    if kind == "conflict":
        conflict = DonationConflictedData.model_validate({**row._mapping, "channel": _channel(source)})  # noqa: SLF001 - public
        return Entry(source, row.sequence, partition, DonationConflicted, subject, row.received_at, conflict)
    if row.held_reason is None:
        received = booking.received_data(row, released=False, named=not row.nameless)
        contact = booking.contact_of(row)
        return Entry(
            source, row.sequence, partition, DonationReceived, subject, row.received_at, received, contact
        )
    reason, cause = told(row.held_reason)
    held = DonationHeldData.model_validate({**row._mapping, "reason": reason, "cause": cause})  # noqa: SLF001 - public
    return Entry(source, row.sequence, partition, DonationHeld, subject, row.received_at, held)


def _channel(source: str) -> str:
    return source.removeprefix("intake.").rpartition("/")[0]
