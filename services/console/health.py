"""How the services are, as each says itself: for the page of the evening."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Final, Literal

import httpx
from pydantic import BaseModel, ValidationError

from services.console.forwarding import Forwarder
from shared.service import Readiness

ASK_S: Final = 3.5
"""A service gives its own parts three seconds."""
FRESH_S: Final = 2.0


class ServiceHealth(BaseModel):
    """One service: ready, not ready with what is missing, or away."""

    service: str
    state: Literal["ready", "not ready", "away"]
    missing: list[str] = []
    answered_in_ms: int | None = None


class Health(BaseModel):
    """All of them at one moment."""

    as_of: datetime
    services: list[ServiceHealth]


async def _ask(client: httpx.AsyncClient, service: str, url: str) -> ServiceHealth:
    begun = time.monotonic()
    try:
        answer = await client.get(f"{url}/readyz", timeout=ASK_S)
        said = Readiness.model_validate_json(answer.content)
    except (httpx.HTTPError, ValidationError):
        return ServiceHealth(service=service, state="away")
    took_ms = round((time.monotonic() - begun) * 1000)
    return ServiceHealth(service=service, state=said.status, missing=said.missing, answered_in_ms=took_ms)


class Watch:
    """Asks at most once in FRESH_S seconds, however many pages look."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._lock = asyncio.Lock()
        self._known: Health | None = None
        self._asked_s = 0.0

    async def look(self) -> Health:
        """How they are now, or were a moment ago."""
        async with self._lock:
            if self._known is None or time.monotonic() - self._asked_s > FRESH_S:
                client = self._forwarder.client
                asked = (_ask(client, name, url) for name, url in self._forwarder.services.items())
                self._known = Health(as_of=datetime.now(UTC), services=list(await asyncio.gather(*asked)))
                self._asked_s = time.monotonic()
            return self._known
