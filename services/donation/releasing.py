"""Lets held donations and waiting reversals go on, by a record of their own on `intake.internal`.

The record gives the event a position of its own; one that used the held donation's old position would be
skipped by every mark. Asking twice is harmless: the second record finds the release booked.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation import queries
from services.donation.intake import Release, ReversalDue
from services.donation.metrics import (
    DONATION_STATES,
    RELEASES_ASKED,
    REVERSALS_OLDEST,
    REVERSALS_WAITING,
)
from shared.broker import INTAKE_INTERNAL, Publisher, PublishFailed

log = structlog.get_logger(__name__)

POLL_S: Final = 1.0
MAX_ROWS: Final = 2_000
PATIENCE_S: Final = 15.0
_ONE_AT_A_TIME: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('shanliu.releasing'))")


class Releaser:
    """Looks for what can go on: when a campaign changed, and every second."""

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled. The database or the broker away: wait and go on."""
        while True:
            self._wake.clear()
            try:
                while await self.ask():
                    pass
                await self.measure()
            except (SQLAlchemyError, OSError, TimeoutError, PublishFailed) as error:
                log.warning("releasing_waits", error=repr(error)[:200])
            try:
                await asyncio.wait_for(self._wake.wait(), POLL_S)
            except TimeoutError:
                continue

    async def ask(self) -> bool:
        """Ask for at most MAX_ROWS of each kind and wait until the worker has booked them; True when there
        were any. So no more than one such batch is ever on its way, however many are held.
        """
        async with self._engine.begin() as connection:
            if not (await connection.execute(_ONE_AT_A_TIME)).scalar_one():
                return False
            held = await queries.releasable(connection, MAX_ROWS)
            due = await queries.reversals_due(connection, MAX_ROWS)
        messages: list[tuple[UUID, Release | ReversalDue]] = [
            (each, Release(donation_id=each)) for each in held
        ]
        messages.extend((row.donation_id, ReversalDue(reversal_id=row.reversal_id)) for row in due)
        for start in range(0, len(messages), 500):
            await self._send(messages[start : start + 500])
        if messages:
            await self._booked(held, [row.reversal_id for row in due])
        return bool(messages)

    async def measure(self) -> None:
        """Tell what waits on: a reversal of a donation that nobody knows waits for ever."""
        async with self._engine.connect() as connection:
            rows = await queries.waiting_reversals(connection)
        for state in DONATION_STATES:
            found = next((row for row in rows if row.state == state), None)
            REVERSALS_WAITING.labels(state).set(found.reversals if found else 0)
            REVERSALS_OLDEST.labels(state).set(found.oldest_s if found else 0)

    async def _send(self, messages: Sequence[tuple[UUID, Release | ReversalDue]]) -> None:
        """Keyed by the donation, so that a release lies before the reversals of the same donation."""
        sends = (
            self._publisher.send(INTAKE_INTERNAL, message.model_dump_json().encode(), key=str(key).encode())
            for key, message in messages
        )
        await asyncio.gather(*sends)
        RELEASES_ASKED.inc(len(messages))

    async def _booked(self, held: Sequence[UUID], due: Sequence[UUID]) -> None:
        """Return when none of these waits any more, or after PATIENCE_S: then they are asked for again."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            async with self._engine.connect() as connection:
                if not await queries.still_waiting(connection, held, due):
                    return
            await asyncio.sleep(0.05)
