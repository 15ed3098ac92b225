"""One call of a partner's endpoint: the address looked at first, time and size bounded, no redirect followed.

Each endpoint has connections of its own, so that one partner's can't be used up by another's, and a kept one
leads to exactly the address that was checked. The name stands in SNI, in the certificate's check and in Host.
"""

import asyncio
import re
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult

import httpx
import structlog

from services.notification.partners.models import ANSWER_MAX
from services.notification.partners.networks import (
    BadUrl,
    ForbiddenAddress,
    admitted,
    checked_url,
    in_digits,
)
from services.notification.partners.schedule import Outcome, outcome_of, retry_after_s
from shared.events import CONTENT_TYPE

log = structlog.get_logger(__name__)

ANSWER_BYTES_MAX: Final = 64 * 1024
"""Bytes of an answer's body that are read at most; then the connection is closed."""
ADDRESS_KEPT_S: Final = 30.0
KEEPALIVE_S: Final = 20.0
CONNECT_S: Final = 5.0
"""For each address of a name."""
USER_AGENT: Final = "Shanliu-Webhooks/1"

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Name and port → its addresses in digits; raises OSError."""

_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a call may do. `time_out_s`: name, connection, request and answer together."""

    time_out_s: float
    connections: int
    http_allowed: bool
    private_allowed: bool


@dataclass(frozen=True, slots=True)
class Result:
    """How a call ended. `answer`: the first characters of the partner's, for the delivery log."""

    outcome: Outcome
    duration_ms: int
    status: int | None = None
    answer: str | None = None
    retry_after_s: float | None = None


class SystemResolver:
    """The machine's own resolver, in threads of its own: a name that hangs holds one of them, and each
    endpoint asks for one name at a time, so with as many threads as endpoints none waits for another.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of a name, in the system's order."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._look_up, host, port)

    @staticmethod
    def _look_up(host: str, port: int) -> list[str]:
        return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

    def close(self) -> None:
        """Wait for nobody: a name that hangs must not hold the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Line:
    """The connections to one endpoint's URL.

    httpx's transport without its client: that would keep a partner's cookies, and read proxies from the
    environment, which would choose the address.
    """

    def __init__(self, url: str, bounds: Bounds, resolve: Resolve, tls: ssl.SSLContext) -> None:
        self.url = url
        self.used_at_s = time.monotonic()
        self._bounds = bounds
        self._resolve = resolve
        self._addresses: list[str] = []
        self._looked_at_s = float("-inf")
        self._looking: asyncio.Task[list[str]] | None = None
        limits = httpx.Limits(
            max_connections=bounds.connections,
            max_keepalive_connections=bounds.connections,
            keepalive_expiry=KEEPALIVE_S,
        )
        self._transport = httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)

    async def call(self, headers: Mapping[str, str], body: bytes) -> Result:
        """POST a body. Never raises for what the partner, its names or its network do."""
        begun_s = time.monotonic()
        status: int | None = None
        asked_s: float | None = None
        said = bytearray()
        try:
            async with asyncio.timeout(self._bounds.time_out_s):
                response = await self._send(headers, body)
                status = response.status_code
                asked_s = retry_after_s(status, response.headers.get("retry-after"))
                await _read(response, said)
        except Exception as error:  # noqa: BLE001 - whatever a partner sends must not stop the others
            failed = _outcome_of_failure(error)
            # A status that has come counts, whatever became of the text behind it.
            outcome = failed if status is None else outcome_of(status)
        else:
            outcome = outcome_of(status)
        if status is None:
            self._looked_at_s = float("-inf")
        self.used_at_s = time.monotonic()
        duration_ms = int((self.used_at_s - begun_s) * 1000)
        return Result(outcome, duration_ms, status, _first_of(said), asked_s)

    async def _send(self, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        """Send to the first of the name's addresses that takes a connection."""
        bounds = self._bounds
        parts = checked_url(
            self.url, http_allowed=bounds.http_allowed, private_allowed=bounds.private_allowed
        )
        assert parts.hostname is not None
        port = parts.port or (443 if parts.scheme == "https" else 80)
        failure: Exception | None = None
        for address in await self._admitted(parts.hostname, port):
            try:
                return await self._transport.handle_async_request(
                    self._request(parts, address, port, headers, body)
                )
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    def _request(
        self, parts: SplitResult, address: str, port: int, headers: Mapping[str, str], body: bytes
    ) -> httpx.Request:
        """The request to exactly this address, in the name's name."""
        place = f"[{address}]" if ":" in address else address
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        time_out_s = self._bounds.time_out_s
        return httpx.Request(
            "POST",
            f"{parts.scheme}://{place}:{port}{target}",
            headers={
                "host": parts.netloc,
                "user-agent": USER_AGENT,
                "content-type": CONTENT_TYPE,
                "accept-encoding": "identity",
                **headers,
            },
            content=body,
            extensions={
                "sni_hostname": parts.hostname,
                "timeout": {
                    "connect": min(CONNECT_S, time_out_s),
                    "read": time_out_s,
                    "write": time_out_s,
                    "pool": time_out_s,
                },
            },
        )

    async def _admitted(self, host: str, port: int) -> list[str]:
        """The addresses that may be called, looked up again after 30 s, or when a call got no answer."""
        if in_digits(host) is not None:
            return admitted([host], private_allowed=self._bounds.private_allowed)
        if time.monotonic() - self._looked_at_s <= ADDRESS_KEPT_S:
            return self._addresses
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_up(host, port))
            self._looking.add_done_callback(_noted)
        return await asyncio.shield(self._looking)

    async def _look_up(self, host: str, port: int) -> list[str]:
        try:
            found = await self._resolve(host, port)
            self._addresses = admitted(found, private_allowed=self._bounds.private_allowed)
            self._looked_at_s = time.monotonic()
            return self._addresses
        finally:
            self._looking = None

    async def close(self) -> None:
        """Close what is kept open."""
        if self._looking is not None:
            self._looking.cancel()
        await self._transport.aclose()


async def _read(response: httpx.Response, said: bytearray) -> None:
    """Read the answer's body up to the bound; what is left goes down with the connection."""
    try:
        async for piece in response.aiter_raw():
            said += piece
            if len(said) >= ANSWER_BYTES_MAX:
                return
    finally:
        await response.aclose()


def _noted(looking: "asyncio.Task[list[str]]") -> None:
    """Take note of a failure that nobody waits for any more."""
    if not looking.cancelled():
        looking.exception()


def _outcome_of_failure(error: Exception) -> Outcome:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return Outcome.TIMED_OUT
    if isinstance(error, ForbiddenAddress | BadUrl):
        return Outcome.FORBIDDEN_ADDRESS
    if not isinstance(error, httpx.HTTPError | OSError):
        log.error("webhook_call_failed", error=type(error).__name__)
    return Outcome.NOT_REACHED


def _first_of(said: bytearray) -> str | None:
    text = _UNPRINTABLE.sub(" ", bytes(said[: 4 * ANSWER_MAX]).decode("utf-8", "replace"))
    return text[:ANSWER_MAX].strip() or None
