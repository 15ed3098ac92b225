"""What time does to deliveries: leases run out, what has waited too long is exhausted, what ended is
forgotten.
"""

from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.partners import claims, queries
from services.notification.partners.metrics import DELIVERIES, ENDPOINTS, OLDEST_SECONDS
from services.notification.partners.schedule import State
from services.notification.settings import Settings
from services.notification.upkeep import regularly

log = structlog.get_logger(__name__)

ENDPOINT_STATES = ("active", "slowed", "paused", "disabled")
"""Of those that are counted; what was deleted is no endpoint any more."""


class PartnersUpkeep:
    """Looks after the tables at start and then every UPKEEP_EVERY_S; several processes may."""

    def __init__(self, settings: Settings, engine: AsyncEngine, wake: Callable[[], None]) -> None:
        self._settings = settings
        self._engine = engine
        self._wake = wake

    async def run(self) -> None:
        """Work until cancelled."""
        await regularly(self._round, self._settings.upkeep_every_s, "webhook_upkeep_waits")

    async def _round(self) -> None:
        async with self._engine.begin() as connection:
            again = await claims.expire_leases(connection)
        async with self._engine.begin() as connection:
            exhausted = await claims.exhaust_waiting(connection, self._settings.sender)
        cancelled = await self._cancel()
        async with self._engine.begin() as connection:
            forgotten = await claims.forget(connection, timedelta(days=self._settings.webhook_log_days))
        if again or exhausted or cancelled or forgotten:
            log.info(
                "webhook_upkeep",
                again=again,
                exhausted=exhausted,
                cancelled=cancelled,
                forgotten=forgotten,
            )
        if again or exhausted:
            self._wake()
        await self._count()

    async def _cancel(self) -> int:
        """All that waits for deleted endpoints, a few rows a transaction; gives back how many."""
        cancelled = 0
        while True:
            async with self._engine.begin() as connection:
                rows = await claims.cancel_of_deleted(connection)
            cancelled += rows
            if rows < claims.ROWS_MAX:
                return cancelled

    async def _count(self) -> None:
        async with self._engine.connect() as connection:
            by_state, endpoints = await queries.counts(connection)
        for state in (State.PENDING, State.SENDING, State.RETRY, State.EXHAUSTED):
            deliveries, oldest_s = by_state.get(state, (0, 0.0))
            DELIVERIES.labels(state.value).set(deliveries)
            OLDEST_SECONDS.labels(state.value).set(oldest_s)
        for name in ENDPOINT_STATES:
            ENDPOINTS.labels(name).set(endpoints.get(name, 0))
