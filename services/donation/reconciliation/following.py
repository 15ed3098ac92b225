"""What goes on by itself: late donations are booked, days are looked at again, the gauges follow."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import structlog
from sqlalchemy import Row, text, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.accepting import Acceptance
from services.donation.channels.directory import Channel, Directory
from services.donation.reconciliation import breaks as breaks_of
from services.donation.reconciliation import matching, queries
from services.donation.reconciliation.days import ONE, last_due
from services.donation.reconciliation.metrics import (
    BILLS_MISSING,
    LATE_DONATIONS,
    MATCHED_RATIO,
    OLDEST_BREAK_SECONDS,
    OPEN_BREAKS,
    UNMATCHED_FEN,
)
from services.donation.reconciliation.models import breaks
from shared.broker import PublishFailed
from shared.problems import Problem

log = structlog.get_logger(__name__)

POLL_S: Final = 5.0
AT_ONCE: Final = 500
"""Late donations of one pass."""
DAYS_AT_ONCE: Final = 20
"""Days judged in one pass."""
LOOKED_AT_AGAIN: Final = timedelta(hours=1)
SPAN: Final = timedelta(days=31)
"""How far back the gauges look, and days are looked at again."""

_TO_JUDGE: Final = text(
    f"""
    SELECT channel, day FROM (
        SELECT b.channel, b.day, 0 AS place FROM breaks b
        WHERE b.state = 'open' AND (
            (b.kind = 'missing_here' AND EXISTS (SELECT FROM donations d WHERE d.donation_id = b.subject))
            OR (b.kind = 'refund_missing_here' AND EXISTS (
                SELECT FROM reversals r WHERE r.reversal_id = b.subject AND r.status <> 'refused')))
        UNION
        SELECT days.channel, days.day, days.place
        FROM (
            SELECT t.channel, CAST(d AS date) AS day, 1 AS place FROM bill_terms t,
                 generate_series(greatest(t.due_from, CAST(:first AS date)), CAST(:last AS date),
                                 interval '1 day') d
            WHERE t.daily
            UNION
            SELECT channel, day, 1 FROM bills WHERE state = 'current' AND day >= :first
            UNION
            SELECT u.channel, CAST(d AS date), 2 FROM ({queries.UNAGREED}) AS u,
                 generate_series(CAST(:first AS date), CAST(:last AS date), interval '1 day') d
        ) AS days LEFT JOIN reconciled_days r USING (channel, day)
        WHERE r.judged_at IS NULL OR r.judged_at < :before
    ) AS due GROUP BY channel, day ORDER BY min(place), day DESC LIMIT :rows
    """  # noqa: S608 - the text above
)


class Follower:
    """Looks every POLL_S seconds. Several may: judging waits for the channel's lock, and what is asked for
    twice is the same donation. `grace`: how long a notice that is still on its way is waited for before the
    bill's word is booked in its place, without the donor's name.
    """

    def __init__(
        self, engine: AsyncEngine, directory: Directory, acceptance: Acceptance, grace: timedelta
    ) -> None:
        self._engine = engine
        self._directory = directory
        self._acceptance = acceptance
        self._grace = grace

    async def run(self) -> None:
        """Look until cancelled. The database or the broker away: wait and go on."""
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError, TimeoutError, PublishFailed, Problem) as error:
                log.warning("reconciliation_waits", error=repr(error)[:200])
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """One pass."""
        await self._judge_again()
        await self._book_late()
        await self._measure()

    async def _judge_again(self) -> None:
        last = last_due(datetime.now(UTC))
        asked = {
            "first": last - SPAN + ONE,
            "last": last,
            "before": datetime.now(UTC) - LOOKED_AT_AGAIN,
            "rows": DAYS_AT_ONCE,
        }
        async with self._engine.connect() as connection:
            days: Sequence[Row[Any]] = (await connection.execute(_TO_JUDGE, asked)).all()
        for row in days:
            async with self._engine.begin() as connection:
                await matching.lock(connection, row.channel)
                await matching.judge(connection, row.channel, row.day)

    async def _book_late(self) -> None:
        before = datetime.now(UTC) - self._grace
        async with self._engine.connect() as connection:
            rows = await breaks_of.late(connection, before, AT_ONCE)
        if not rows:
            return
        await self._directory.refresh()
        by_channel: defaultdict[str, list[tuple[Row[Any], str]]] = defaultdict(list)
        for row in rows:
            channel = await self._directory.find(row.channel)
            if channel is None or channel.sandbox:
                continue
            try:
                campaign_id = breaks_of.campaign_of(row, channel, row.usual_campaign_id)
            except ValueError as error:  # settings that are none of its scheme: for a person to mend
                log.error(
                    "late_donation_unusable",
                    channel=row.channel,
                    break_id=row.break_id,
                    error=repr(type(error)),
                )
                continue
            if campaign_id is not None:
                by_channel[row.channel].append((row, campaign_id))
        for name, late in by_channel.items():
            channel = await self._directory.find(name)
            assert channel is not None
            await self._ask(channel, late)

    async def _ask(self, channel: Channel, late: Sequence[tuple[Row[Any], str]]) -> None:
        """The campaign is written down first: should this process die between the broker's word and ours,
        the next one asks for the very same donation.
        """
        async with self._engine.begin() as connection:
            for row, campaign_id in late:
                if row.campaign_id is None:
                    chosen = update(breaks).where(breaks.c.break_id == row.break_id)
                    await connection.execute(chosen.values(campaign_id=campaign_id))
        messages = [(row, breaks_of.booking_of(row, channel, campaign_id)) for row, campaign_id in late]
        answers = await asyncio.gather(
            *(breaks_of.ask(self._acceptance, channel, message) for _, message in messages)
        )
        told = [(row, answer) for (row, _), answer in zip(messages, answers, strict=True)]
        async with self._engine.begin() as connection:
            await breaks_of.asked(connection, told, matching.ITSELF)
        LATE_DONATIONS.labels(channel.name).inc(sum(answer is None for answer in answers))

    async def _measure(self) -> None:
        last = last_due(datetime.now(UTC))
        first: date = last - SPAN + ONE
        async with self._engine.connect() as connection:
            shares = await queries.shares(connection, first, last)
            missing = await queries.missing_counts(connection, first, last)
            open_breaks = await queries.open_breaks(connection)
        MATCHED_RATIO.clear()
        UNMATCHED_FEN.clear()
        for row in shares:
            MATCHED_RATIO.labels(row.channel).set(row.matched_fen / row.ours_fen if row.ours_fen else 1)
            UNMATCHED_FEN.labels(row.channel).set(row.ours_fen - row.matched_fen)
        BILLS_MISSING.clear()
        for row in missing:
            BILLS_MISSING.labels(row.channel).set(row.missing)
        OPEN_BREAKS.clear()
        for row in open_breaks:
            OPEN_BREAKS.labels(row.kind).set(row.breaks)
        oldest = min((row.oldest for row in open_breaks), default=None)
        age_s = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0
        OLDEST_BREAK_SECONDS.set(age_s)
