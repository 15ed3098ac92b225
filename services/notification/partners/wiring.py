"""The wiring of partners' webhooks, for the service's app.py."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.models import idempotency_keys
from services.notification.partners.api import Parts
from services.notification.partners.client import Resolve
from services.notification.partners.commands import Office
from services.notification.partners.delivering import Dispatcher
from services.notification.partners.replaying import Replayer
from services.notification.partners.upkeep import PartnersUpkeep
from services.notification.settings import Settings
from shared.run_once import Runner
from shared.secret_box import SecretBox
from shared.service import background

PARTNERS_CONNECTIONS: Final = 6
"""Four for the waves, which need one only before and after their calls; replays and upkeep; a request."""


class Partners:
    """Delivery, replays and upkeep. Without WEBHOOK_KEY nobody can be registered, and nothing runs.
    `on_notice` is called when a mail to an owner has been written.
    """

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        on_notice: Callable[[], None],
        resolve: Resolve | None = None,
    ) -> None:
        self._engine = engine
        self._office: Office | None = None
        self._dispatcher: Dispatcher | None = None
        if settings.webhook_key is not None:
            box = SecretBox(settings.webhook_key.get_secret_value())
            self._office = Office(settings, box)
            self._dispatcher = Dispatcher(settings, engine, box, on_notice, resolve)
        self._replayer = Replayer(settings, engine, self.wake)
        self._upkeep = PartnersUpkeep(settings, engine, self.wake)

    def wake(self) -> None:
        """Deliveries have been written, or may go out now."""
        if self._dispatcher is not None:
            self._dispatcher.wake()

    def parts(self) -> list[AbstractAsyncContextManager[Any]]:
        """What runs beside the service's other parts."""
        if self._dispatcher is None:
            return []
        return [
            background("webhook-replays", self._replayer.run),
            background("webhook-upkeep", self._upkeep.run),
            self._dispatcher.running(),
        ]

    def for_api(self) -> Parts:
        """What the routes work with."""
        return Parts(self._engine, Runner(self._engine, idempotency_keys, self.wake), self._office)
