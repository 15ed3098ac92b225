"""Sending: a few workers, each with its own connection to the mail server and one mail in hand at a time.

A worker connects first and claims then, so that a mail server that is down costs no message an attempt. One
message a claim, not a batch: what a process dies over is in doubt, and doubt is kept to the mails that were
really being sent.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

import structlog
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.addresses import BadAddress, deliverable
from services.notification.claims import Claimed, anything_due, claim, finish
from services.notification.delivery import Answer, Outcome, after_attempt
from services.notification.mailer import Mailer, RelayUnavailable
from services.notification.metrics import ATTEMPT_SECONDS, ATTEMPTS
from services.notification.pace import Pace
from services.notification.settings import Settings
from services.notification.thanks import compose
from shared.service import stop_process

log = structlog.get_logger(__name__)

POLL_S: Final = 1.0
STOP_S: Final = 4.0
LAST_WORD_S: Final = 2.0
PAUSE_MIN_S: Final = 0.5
PAUSE_MAX_S: Final = 30.0
DATABASE_PAUSE_S: Final = 1.0


class Sender:
    """Sends what is due until it is told to stop. `on_end` is called after news for the others."""

    def __init__(self, settings: Settings, engine: AsyncEngine, on_end: Callable[[], None]) -> None:
        self._settings = settings
        self._engine = engine
        self._on_end = on_end
        self._pace = Pace(settings.smtp_rate_per_s)
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Look now instead of at the next poll; called when messages have become ready."""
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send for as long as the block runs. On the way out the mails in hand are finished, four seconds at
        most; what the server has not answered by then is written down as what it is.
        """
        workers = [
            asyncio.create_task(self._work_or_stop(), name=f"sender-{number}")
            for number in range(self._settings.smtp_connections)
        ]
        try:
            yield
        finally:
            self._stopping.set()
            self._wake.set()
            _, late = await asyncio.wait(workers, timeout=STOP_S)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work_or_stop(self) -> None:
        """A worker that fails takes the process with it; what it had in hand is found by its lease."""
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - a defect, whatever it is
            log.error("sender_failed", error=type(error).__name__)
            stop_process()

    async def _work(self) -> None:
        mailer = Mailer(self._settings)
        pause_s = PAUSE_MIN_S
        try:
            while not self._stopping.is_set():
                try:
                    if not await self._send_next(mailer):
                        await self._rest(POLL_S)
                        await mailer.close_if_idle()
                    pause_s = PAUSE_MIN_S
                except RelayUnavailable as error:
                    log.warning("relay_unavailable", reason=str(error), pause_s=pause_s)
                    # Never in step with the other workers, and longer each time.
                    await self._pause(pause_s * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
                    pause_s = min(pause_s * 2, PAUSE_MAX_S)
                except ProgrammingError:
                    raise  # a statement that can't be run is a defect, not an outage
                except (SQLAlchemyError, OSError) as error:
                    log.warning("database_unavailable", error=type(error).__name__)
                    await self._pause(DATABASE_PAUSE_S)
        finally:
            await mailer.close()

    async def _send_next(self, mailer: Mailer) -> bool:
        """Send the message that is due longest; False when none is."""
        async with self._engine.connect() as connection:
            if not await anything_due(connection):
                return False
        await self._pause(self._pace.reserve(time.monotonic()))
        if self._stopping.is_set():
            return False
        await mailer.ready()
        async with self._engine.begin() as connection:
            claimed = await claim(connection, self._settings.lease_s, self._settings.partitions)
        if claimed is None:
            return False
        await self._attempt(mailer, claimed)
        return True

    async def _attempt(self, mailer: Mailer, claimed: Claimed) -> None:
        begun = time.monotonic()
        lease_ends_s = begun + self._settings.lease_s
        try:
            answer = await self._give(mailer, claimed, lease_ends_s)
        except asyncio.CancelledError:
            # Told to stop while the server keeps silent: what is known is written down, then obeyed.
            mailer.drop()
            doubt = Answer(Outcome.UNKNOWN, "stopped")
            spared = Answer(Outcome.NOT_REACHED, "stopped")
            await asyncio.wait_for(self._record(claimed, doubt if mailer.given_away else spared), LAST_WORD_S)
            raise
        ATTEMPT_SECONDS.observe(time.monotonic() - begun)
        await self._record_persistently(claimed, answer, lease_ends_s)

    async def _give(self, mailer: Mailer, claimed: Claimed, lease_ends_s: float) -> Answer:
        """Write the mail and give it to the server."""
        try:
            recipient = deliverable(claimed.email)
            mail = compose(
                claimed.thanks, sender=self._settings.sender, recipient=recipient, now=datetime.now(UTC)
            )
        except BadAddress:
            return Answer(Outcome.REFUSED, "bad_address")
        except Exception as error:  # noqa: BLE001 - one mail that can't be written must not stop the others
            log.error("mail_not_written", donation_id=str(claimed.donation_id), error=type(error).__name__)
            return Answer(Outcome.REFUSED, "not_written")
        return await mailer.send(recipient, mail, not_after_s=lease_ends_s)

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

    async def _rest(self, seconds: float) -> None:
        """Wait for work: until woken, or for `seconds` (a message's next try may have come)."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return
        if not self._stopping.is_set():
            self._wake.clear()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the stop."""
        if seconds > 0:
            try:
                await asyncio.wait_for(self._stopping.wait(), seconds)
            except TimeoutError:
                return
