"""Delivering: every endpoint has a worker and connections of its own, so that none waits for another.

A worker takes a few deliveries of its endpoint (a wave), calls with all of them at once, and writes down
how they ended in one transaction. The next wave begins when the slowest call of this one has ended: a
partner that hangs holds up itself. Bounds: WEBHOOK_CONNECTIONS calls of an endpoint at once and
WEBHOOK_WAVES waves in one process; the fifteen seconds of a call; ten failures in a row until an endpoint
is slowed to one call at a time.
"""

import asyncio
import contextlib
import random
import ssl
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.exc import ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.partners import claims, queries
from services.notification.partners.claims import Claimed, Ended, Probing, Wave
from services.notification.partners.client import Line, Resolve, Result, SystemResolver
from services.notification.partners.metrics import ATTEMPT_SECONDS, ATTEMPTS, FIRST_ATTEMPT_SECONDS
from services.notification.partners.schedule import PROBE_MAX_S, Outcome, after_attempt
from services.notification.partners.signing import headers_of
from services.notification.settings import Settings
from shared.secret_box import SecretBox
from shared.service import stop_process

log = structlog.get_logger(__name__)

POLL_S: Final = 1.0
STOP_S: Final = 4.0
DATABASE_PAUSE_S: Final = 1.0
LINE_KEPT_S: Final = 60.0
"""An endpoint's connections are let go when nothing was sent over them for so long."""
ENDPOINTS_MAX: Final = 200
"""Endpoints that may be registered; each may hold a thread of the resolver, and connections."""


class Dispatcher:
    """Sends what is due until it is told to stop. `on_notice` is called when an owner is to be told
    something.

    `resolve` is the machine's resolver unless a test gives another.
    """

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        box: SecretBox,
        on_notice: Callable[[], None],
        resolve: Resolve | None = None,
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._box = box
        self._on_notice = on_notice
        self._system = SystemResolver(ENDPOINTS_MAX)
        self._resolve: Resolve = resolve or self._system
        self._tls = ssl.create_default_context(cafile=settings.webhook_ca_file)
        self._lines: dict[UUID, Line] = {}
        self._workers: dict[UUID, asyncio.Task[None]] = {}
        self._waves = asyncio.Semaphore(settings.webhook_waves)
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Look now instead of at the next poll; called when deliveries have been written."""
        self._wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send for as long as the block runs. On the way out the calls in hand have four seconds; those that
        are cut off go out again when their lease has run out.
        """
        looking = asyncio.create_task(self._look_or_stop(), name="webhook-dispatcher")
        try:
            yield
        finally:
            self._stopping.set()
            self._wake.set()
            tasks = [looking, *self._workers.values()]
            _, late = await asyncio.wait(tasks, timeout=STOP_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(line.close() for line in self._lines.values()), return_exceptions=True)
            self._system.close()

    async def _look_or_stop(self) -> None:
        """Look again and again; a defect takes the process with it, an outage of the database does not."""
        try:
            while not self._stopping.is_set():
                await self._look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), POLL_S)
                self._wake.clear()
        except Exception as error:  # noqa: BLE001 - a defect, whatever it is
            log.error("webhook_dispatcher_failed", error=type(error).__name__)
            stop_process()

    async def _look(self) -> None:
        """See that every endpoint with something due has its worker, and let go of unused connections."""
        try:
            async with self._engine.connect() as connection:
                due = await queries.endpoints_due(connection)
        except ProgrammingError:
            raise  # a statement that can't be run is a defect, not an outage
        except (SQLAlchemyError, OSError) as error:
            log.warning("webhooks_wait_for_database", error=type(error).__name__)
            return
        for endpoint_id in due:
            if endpoint_id not in self._workers and not self._stopping.is_set():
                worker = asyncio.create_task(self._work_or_stop(endpoint_id), name=f"webhook-{endpoint_id}")
                self._workers[endpoint_id] = worker
        await self._let_go()

    async def _let_go(self) -> None:
        now_s = time.monotonic()
        for endpoint_id, line in list(self._lines.items()):
            if endpoint_id not in self._workers and now_s - line.used_at_s > LINE_KEPT_S:
                del self._lines[endpoint_id]
                await line.close()

    async def _work_or_stop(self, endpoint_id: UUID) -> None:
        try:
            while not self._stopping.is_set() and await self._wave(endpoint_id):
                pass
        except ProgrammingError as error:
            log.error("webhook_worker_failed", error=type(error).__name__)
            stop_process()
        except (SQLAlchemyError, OSError) as error:
            # What it had in hand goes out again when its lease has run out.
            log.warning("webhook_worker_gives_up", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - a defect, whatever it is
            log.error("webhook_worker_failed", error=type(error).__name__)
            stop_process()
        finally:
            del self._workers[endpoint_id]

    async def _wave(self, endpoint_id: UUID) -> bool:
        """Send a few deliveries of an endpoint; False when nothing of it may be sent now."""
        settings = self._settings
        probing = Probing(settings.webhook_probe_first_s, PROBE_MAX_S, _spread())
        async with self._waves:
            async with self._engine.begin() as connection:
                wave = await claims.claim(
                    connection,
                    endpoint_id,
                    rows=settings.webhook_connections,
                    lease_s=settings.webhook_lease_s,
                    probing=probing,
                )
            if wave is None:
                return False
            ended = await self._send(wave)
            async with self._engine.begin() as connection:
                notice = await claims.finish(connection, wave, ended, settings.sender)
        self._note(wave, ended)
        if notice is not None:
            log.warning("webhook_endpoint_changed", endpoint_id=str(endpoint_id), notice=notice.value)
            self._on_notice()
        return True

    async def _send(self, wave: Wave) -> list[Ended]:
        try:
            secrets = [self._box.open(str(wave.endpoint_id), each) for each in wave.sealed]
        except InvalidTag:
            log.error("webhook_secret_unreadable", endpoint_id=str(wave.endpoint_id), do="check WEBHOOK_KEY")
            unsent = Result(Outcome.UNREADABLE_SECRET, 0)
            return [self._ended(each, datetime.now(UTC), unsent) for each in wave.claimed]
        line = await self._line(wave)
        return await asyncio.gather(*(self._call(line, secrets, each) for each in wave.claimed))

    async def _line(self, wave: Wave) -> Line:
        """The connections to the endpoint, new ones when its URL has changed."""
        line = self._lines.get(wave.endpoint_id)
        if line is None or line.url != wave.url:
            if line is not None:
                await line.close()
            line = Line(wave.url, self._settings.webhook_bounds, self._resolve, self._tls)
            self._lines[wave.endpoint_id] = line
        return line

    async def _call(self, line: Line, secrets: Sequence[str], claimed: Claimed) -> Ended:
        started_at = datetime.now(UTC)
        headers = headers_of(secrets, claimed.event_id, int(started_at.timestamp()), claimed.body)
        return self._ended(claimed, started_at, await line.call(headers, claimed.body))

    def _ended(self, claimed: Claimed, started_at: datetime, result: Result) -> Ended:
        step = after_attempt(
            result.outcome,
            attempt=claimed.turn,
            delays_s=self._settings.webhook_delays_s,
            jitter=random.random(),  # noqa: S311 - no secret
            asked_s=result.retry_after_s,
        )
        return Ended(claimed, started_at, result, step)

    @staticmethod
    def _note(wave: Wave, ended: Sequence[Ended]) -> None:
        for each in ended:
            ATTEMPTS.labels(each.result.outcome.value).inc()
            ATTEMPT_SECONDS.observe(each.result.duration_ms / 1000)
            if each.claimed.attempt == 1:
                FIRST_ATTEMPT_SECONDS.observe(each.claimed.waited_s + each.result.duration_ms / 1000)
            if each.result.outcome is not Outcome.DELIVERED:
                log.warning(
                    "webhook_not_delivered",
                    endpoint_id=str(wave.endpoint_id),
                    event_id=each.claimed.event_id,
                    attempt=each.claimed.attempt,
                    outcome=each.result.outcome.value,
                    status=each.result.status,
                    state=each.step.state.value,
                )


def _spread() -> float:
    return 0.85 + 0.3 * random.random()  # noqa: S311 - no secret
