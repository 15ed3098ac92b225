"""Sending thanks: a few workers for each way, each with its own courier and one message in hand at a time.

A worker sees to its courier first and claims then, so that a provider that is down costs no message an
attempt. One
message a claim, not a batch: what a process dies over is in doubt, and doubt is kept to the mails that were
really being sent.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.addresses import BadAddress
from services.notification.claims import Claimed, Terms, anything_due, claim, finish
from services.notification.couriers.ways import Courier, CourierUnavailable
from services.notification.delivery import Answer, Outcome, after_attempt
from services.notification.lanes import Lane
from services.notification.letters.writing import written
from services.notification.metrics import ATTEMPT_SECONDS, ATTEMPTS
from services.notification.pace import reserve
from services.notification.settings import Settings
from services.notification.working import Workers

log = structlog.get_logger(__name__)

POLL_S: Final = 1.0
LAST_WORD_S: Final = 2.0
PAUSE_MIN_S: Final = 0.5
PAUSE_MAX_S: Final = 30.0
DATABASE_PAUSE_S: Final = 1.0


class Sender(Workers):
    """Sends what is due until it is told to stop. `on_end` is called after news for the others."""

    def __init__(
        self, settings: Settings, engine: AsyncEngine, lanes: Sequence[Lane], on_end: Callable[[], None]
    ) -> None:
        super().__init__("sender", lanes, [lane.workers for lane in lanes])
        self._settings = settings
        self._terms = Terms(settings.lease_s, settings.partitions, settings.addressees, settings.daily_limit)
        self._engine = engine
        self._on_end = on_end

    async def _work(self, lane: Lane) -> None:
        courier = lane.courier()
        pause_s = PAUSE_MIN_S
        try:
            while not self._stopping.is_set():
                try:
                    if not await self._send_next(lane, courier):
                        await self._rest(lane, POLL_S)
                        await courier.close_if_idle()
                    pause_s = PAUSE_MIN_S
                except CourierUnavailable as error:
                    log.warning("courier_unavailable", way=lane.way, reason=str(error), pause_s=pause_s)
                    # Never in step with the other workers, and longer each time.
                    await self._pause(pause_s * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
                    pause_s = min(pause_s * 2, PAUSE_MAX_S)
                except ProgrammingError:
                    raise  # a statement that can't be run is a defect, not an outage
                except (SQLAlchemyError, OSError) as error:
                    log.warning("database_unavailable", error=type(error).__name__)
                    await self._pause(DATABASE_PAUSE_S)
        finally:
            await courier.close()

    async def _send_next(self, lane: Lane, courier: Courier) -> bool:
        """Send the message that is due longest; False when none is, or nobody is to be disturbed now."""
        if lane.quiet.holds(datetime.now(UTC)):
            return False
        async with self._engine.connect() as connection:
            if not await anything_due(connection, lane.way):
                return False
        await self._pause(await reserve(self._engine, lane.way, lane.per_second))
        if self._stopping.is_set() or lane.quiet.holds(datetime.now(UTC)):
            return False
        await courier.ready()
        async with self._engine.begin() as connection:
            claimed = await claim(connection, lane.way, self._terms)
        if claimed is None:
            return False
        await self._attempt(courier, claimed)
        return True

    async def _attempt(self, courier: Courier, claimed: Claimed) -> None:
        begun = time.monotonic()
        lease_ends_s = begun + self._settings.lease_s
        try:
            answer = await self._give(courier, claimed, lease_ends_s)
        except asyncio.CancelledError:
            # Told to stop while the server keeps silent: what is known is written down, then obeyed.
            courier.drop()
            doubt = Answer(Outcome.UNKNOWN, "stopped")
            spared = Answer(Outcome.NOT_REACHED, "stopped")
            last = doubt if courier.given_away else spared
            await asyncio.wait_for(self._record(claimed, last), LAST_WORD_S)
            raise
        ATTEMPT_SECONDS.observe(time.monotonic() - begun)
        await self._record_persistently(claimed, answer, lease_ends_s)

    async def _give(self, courier: Courier, claimed: Claimed, lease_ends_s: float) -> Answer:
        """Write the message and give it to the provider."""
        courier.given_away = False
        try:
            letter = written(claimed, self._settings, datetime.now(UTC))
        except BadAddress:
            return Answer(Outcome.REFUSED, "bad_address")
        except Exception as error:  # noqa: BLE001 - one that can't be written must not stop the others
            log.error("message_not_written", donation_id=str(claimed.donation_id), error=type(error).__name__)
            return Answer(Outcome.REFUSED, "not_written")
        return await courier.send(letter, not_after_s=lease_ends_s)

    async def _record_persistently(self, claimed: Claimed, answer: Answer, until_s: float) -> None:
        """Write the answer down, again and again while the database is away, until the lease runs out."""
        while True:
            try:
                return await self._record(claimed, answer)
            except (SQLAlchemyError, OSError) as error:
                log.warning(
                    "answer_not_written",
                    donation_id=str(claimed.donation_id),
                    outcome=answer.outcome.value,
                    error=type(error).__name__,
                )
                if time.monotonic() > until_s:
                    return None
            await asyncio.sleep(DATABASE_PAUSE_S)

    async def _record(self, claimed: Claimed, answer: Answer) -> None:
        step = after_attempt(
            answer.outcome,
            attempt=claimed.attempt,
            attempts_left=claimed.attempts_left,
            backoff=self._settings.backoff,
            jitter=random.random(),  # noqa: S311 - no secret
        )
        async with self._engine.begin() as connection:
            moved = await finish(connection, claimed, answer, step, self._settings.partitions)
        ATTEMPTS.labels(answer.outcome.value).inc()
        self._on_end()
        log.info(
            "attempt_ended",
            donation_id=str(claimed.donation_id),
            attempt=claimed.attempt,
            outcome=answer.outcome.value,
            reason=answer.reason,
            state=step.state.value if moved else "moved on",
        )

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the stop."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._stopping.wait(), seconds)
            except TimeoutError:
                return
