"""Speaking HTTP to a provider: bounded in time and size, and plain about what may have arrived.

A request that never left is NOT_REACHED; one that left and was not answered in words is UNKNOWN, for the
provider may have taken the message (the same doubt as after SMTP's DATA).
"""

import asyncio
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from services.notification.couriers.ways import CourierUnavailable
from services.notification.delivery import Answer, Outcome

RESPONSE_MAX_BYTES: Final = 64 * 1024
KEPT_OPEN_S: Final = 10.0
"""An unused connection is not kept longer: one that the other side closes while it is used makes doubt."""
_CODE: Final = re.compile(r"[A-Za-z0-9._:^-]{1,64}")
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Unanswered(Exception):
    """There is no answer in words; `answer` says what that means for the message."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a provider may take to take a connection, and then to answer."""

    connect_s: float
    answer_s: float


def code_of(value: object) -> str:
    """A provider's code as a reason that can be stored: never its words, which may hold a number."""
    text = str(value)
    return text if _CODE.fullmatch(text) else "unreadable_code"


class Provider:
    """One provider at `url` (https://host; a test serves http on loopback), spoken to by one worker: what all
    couriers over HTTP have in common (see ways.Courier).
    """

    def __init__(self, url: str, timeouts: Timeouts) -> None:
        parts = urlsplit(url)
        self.url = url.rstrip("/")
        self.host = parts.netloc
        self._address = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = parts.scheme == "https"
        self._connect_timeout_s = timeouts.connect_s
        self._answer_timeout_s = timeouts.answer_s
        self._client: httpx.AsyncClient | None = None
        self._failed = False
        self.given_away = False

    async def ready(self) -> None:
        """After a failure to get through, see that the provider takes connections again, so that one that is
        away costs no message an attempt. Raises CourierUnavailable.
        """
        if not self._failed:
            return
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                tls = ssl.create_default_context() if self._tls else None
                _, writer = await asyncio.open_connection(*self._address, ssl=tls)
            writer.close()
        except (OSError, TimeoutError) as error:
            raise CourierUnavailable("provider_away") from error
        self._failed = False

    async def post(
        self,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        not_after_s: float,
        gives_away: bool = True,
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON object that came back. `gives_away`: the letter is in what is sent. Raises
        Unanswered.
        """
        self.given_away = False
        if time.monotonic() > not_after_s:
            raise Unanswered(Answer(Outcome.NOT_REACHED, "lease_lost"))
        self.given_away = gives_away
        try:
            async with asyncio.timeout(self._connect_timeout_s + self._answer_timeout_s):
                status, answer = await self._exchange(path, headers, body)
        except _NOT_SENT as error:
            self._failed = True
            self.given_away = False
            reason = "timed_out" if isinstance(error, httpx.TimeoutException) else "connection_lost"
            raise Unanswered(Answer(Outcome.NOT_REACHED, reason)) from None
        except (httpx.HTTPError, TimeoutError):
            self.drop()
            doubt = Outcome.UNKNOWN if gives_away else Outcome.NOT_REACHED
            raise Unanswered(Answer(doubt, "no_answer")) from None
        try:
            words = json.loads(answer)
        except (ValueError, RecursionError):
            words = None
        if isinstance(words, dict):
            return status, words
        # A gateway in between may have passed the request on before it failed; a 4xx was not passed on.
        definite = 400 <= status < 500 or not gives_away
        outcome = Outcome.REFUSED_FOR_NOW if definite else Outcome.UNKNOWN
        raise Unanswered(Answer(outcome, f"http_{status}"))

    async def _exchange(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=httpx.Timeout(self._answer_timeout_s, connect=self._connect_timeout_s),
                limits=httpx.Limits(max_connections=4, keepalive_expiry=KEPT_OPEN_S),
                follow_redirects=False,
                trust_env=False,
            )
        answer = bytearray()
        async with self._client.stream(
            "POST", f"{self.url}{path}", headers=dict(headers), content=body
        ) as response:
            async for piece in response.aiter_bytes():
                answer += piece
                if len(answer) > RESPONSE_MAX_BYTES:
                    return response.status_code, b""
        return response.status_code, bytes(answer)

    async def close_if_idle(self) -> None:
        """Nothing to do: unused connections close by themselves."""

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def drop(self) -> None:
        """Forget the connections; what they carried is no longer listened to."""
        client, self._client = self._client, None
        if client is not None:
            closing = asyncio.ensure_future(client.aclose())
            _closing.add(closing)
            closing.add_done_callback(_closing.discard)


_closing: Final[set[asyncio.Future[None]]] = set()
"""Keeps what is being closed from being collected."""
