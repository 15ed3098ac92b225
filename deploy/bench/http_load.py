"""A load over HTTP that costs little itself: requests signed beforehand, responses hardly read.

Open loop for latency: request n leaves at its time whether or not those before it were answered, so that a
slow moment is felt by all who would have come in it. Closed loop for throughput.
"""

import asyncio
import contextlib
import re
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

CONNECTIONS: Final = 50
MAX_CONNECTIONS: Final = 400
TICK_S: Final = 0.002
ANSWER_S: Final = 30.0
AGAIN_S: Final = 0.3
ACCEPTED: Final = 202
NOT_MODIFIED: Final = 304
"""An answer that has no body and says no length."""
_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Answers:
    """What came of the requests, by their number. Times are time.monotonic_ns(), 0: never."""

    sent_ns: list[int]
    answered_ns: list[int]
    statuses: list[int]
    repeated: int = 0
    """How many were sent again, because they were refused for now or not answered."""
    late_ms: float = 0.0
    """The furthest that the generator was behind its own schedule."""
    seconds: float = 0.0

    @property
    def accepted(self) -> int:
        """How many were answered 202."""
        return self.statuses.count(ACCEPTED)

    @property
    def others(self) -> dict[int, int]:
        """How many ended otherwise, by status; 0: without an answer."""
        return {status: count for status, count in Counter(self.statuses).items() if status != ACCEPTED}


class Load:
    """Sends `requests`, each once, to the host of `url`. With `patient` as a careful channel does: what is
    refused for now (429, 503) or breaks off is sent again until it is accepted.
    """

    def __init__(self, url: str, requests: Sequence[bytes], *, patient: bool = False) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._requests = requests
        self._patient = patient
        self._idle: deque[_Connection] = deque()
        self._open = 0
        self._waiting: deque[int] = deque()
        self._again: deque[tuple[float, int]] = deque()
        self._numbers: Iterator[int] | None = None
        self._left = len(requests)
        self._done = asyncio.Event()
        self.answers = Answers([0] * len(requests), [0] * len(requests), [0] * len(requests))

    async def at_rate(self, per_second: float) -> Answers:
        """Open loop: request n leaves `n / per_second` seconds after the start."""
        await self._connect(CONNECTIONS)
        begun_s = time.monotonic()
        number = 0
        while self._left and time.monotonic() - begun_s < len(self._requests) / per_second + ANSWER_S:
            now_s = time.monotonic()
            due = min(len(self._requests), int((now_s - begun_s) * per_second) + 1)
            if due > number:
                behind_s = now_s - begun_s - number / per_second
                self.answers.late_ms = max(self.answers.late_ms, behind_s * 1000)
            self._waiting.extend(range(number, due))
            number = due
            while self._again and self._again[0][0] <= now_s:
                self._waiting.append(self._again.popleft()[1])
            await self._send_waiting()
            await asyncio.sleep(TICK_S)
        return self._finish(begun_s)

    async def at_once(self, connections: int = CONNECTIONS) -> Answers:
        """Closed loop: each connection sends its next request when the one before is answered."""
        await self._connect(connections)
        begun_s = time.monotonic()
        self._numbers = iter(range(len(self._requests)))
        for connection in list(self._idle):
            connection.send(next(self._numbers))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S + len(self._requests) / 200):
                await self._done.wait()
        return self._finish(begun_s)

    def _finish(self, begun_s: float) -> Answers:
        self.answers.seconds = time.monotonic() - begun_s
        for connection in self._idle:
            connection.close()
        return self.answers

    async def _send_waiting(self) -> None:
        while self._waiting:
            if not self._idle:
                if self._open >= MAX_CONNECTIONS:
                    return
                await self._connect(min(10, len(self._waiting)))
            if not self._idle:
                return  # nobody answers now
            connection = self._idle.popleft()
            if not connection.closed:
                connection.send(self._waiting.popleft())

    async def _connect(self, count: int) -> None:
        loop = asyncio.get_running_loop()
        made = await asyncio.gather(
            *(
                loop.create_connection(lambda: _Connection(self), self._host, self._port)
                for _ in range(count)
            ),
            return_exceptions=True,
        )
        for each in made:
            if not isinstance(each, BaseException):
                self._open += 1
                self._idle.append(each[1])

    def request(self, number: int) -> bytes:
        """The bytes of a request, which is being sent."""
        self.answers.sent_ns[number] = self.answers.sent_ns[number] or time.monotonic_ns()
        return self._requests[number]

    def answered(self, connection: "_Connection", number: int, status: int) -> None:
        """A connection has the answer to a request and is free."""
        self._settle(number, status)
        if self._numbers is None:
            self._idle.append(connection)
        elif (following := next(self._numbers, None)) is not None:
            connection.send(following)

    def broken(self, number: int | None) -> None:
        """A connection has ended, with a request that was not answered or with none."""
        self._open -= 1
        if number is not None:
            self._settle(number, 0)

    def _settle(self, number: int, status: int) -> None:
        if self._patient and status in {0, 429, 503}:
            self.answers.repeated += 1
            self._again.append((time.monotonic() + AGAIN_S, number))
            return
        self.answers.statuses[number] = status
        self.answers.answered_ns[number] = time.monotonic_ns()
        self._left -= 1
        if not self._left:
            self._done.set()


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._number: int | None = None
        self._received = b""
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def send(self, number: int) -> None:
        """Send a request; the load is told of its answer."""
        assert self._transport is not None
        self._number = number
        self._transport.write(self._load.request(number))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        status = int(head[9:12]) if found else 0
        length = _LENGTH.search(head)
        if not found or (status != NOT_MODIFIED and (length is None or len(body) < int(length.group(1)))):
            return
        number, self._number, self._received = self._number, None, b""
        if number is not None:
            self._load.answered(self, number, status)

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        self._load.broken(self._number)

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None and not self.closed:
            self._transport.close()
