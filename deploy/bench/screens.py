"""Many screens in one process: `python -m deploy.bench.screens <url> <streams> <file>`.

It notes when which frame reached which stream, and writes it down at SIGTERM: what the frames hold is read
afterwards, so that a thousand streams of ten frames a second cost a part of a core.
"""

import asyncio
import gc
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import uvloop

CONNECT_AT_ONCE: Final = 50
AGAIN_S: Final = 0.3
_FRAME: Final = re.compile(rb"event: (snapshot|change)\nid: (\d+)\ndata: ([^\n]*)\n")
_ID: Final = b"\nid: "
_END: Final = b"\n\n\r\n"
_LINES: Final = 6
"""Of one frame in HTTP's chunk: the chunk's two, and event, id, data and an empty one."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the screens saw. `arrivals`: of each stream, (version, time.monotonic_ns()) in order; `frames`: of
    each version, the frame's data as it came first.
    """

    arrivals: list[list[tuple[int, int]]]
    frames: Mapping[int, Mapping[str, Any]]
    reconnects: int

    @classmethod
    def read(cls, file: Path) -> "Seen":
        """Read what a screens process has written."""
        written = json.loads(file.read_text("utf-8"))
        return cls(
            [[(version, at_ns) for version, at_ns in stream] for stream in written["arrivals"]],
            {int(version): json.loads(data) for version, data in written["frames"].items()},
            written["reconnects"],
        )


class Audience:
    """The streams of one campaign."""

    def __init__(self, url: str, streams: int) -> None:
        self._url = urlsplit(url)
        self._address = (self._url.hostname or "", self._url.port or 80)
        self.everybody_sees = asyncio.Event()
        self.arrivals: list[list[tuple[int, int]]] = [[] for _ in range(streams)]
        self.frames: dict[int, str] = {}
        self.reconnects = 0
        self._at_once = asyncio.Semaphore(CONNECT_AT_ONCE)

    async def watch(self) -> None:
        """Open every stream and keep it open until cancelled."""
        await asyncio.gather(*(self._follow(number) for number in range(len(self.arrivals))))

    async def _follow(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        while True:
            screen = _Screen(self, number)
            async with self._at_once:
                try:
                    await loop.create_connection(lambda: screen, *self._address)  # noqa: B023 - used at once
                    await asyncio.wait({screen.shown, screen.ended}, return_when=asyncio.FIRST_COMPLETED)
                except OSError:
                    screen.ended.set_result(None)
            await screen.ended
            self.reconnects += 1
            await asyncio.sleep(AGAIN_S)

    def request(self, number: int) -> bytes:
        """What opens a stream: from the beginning, or from the last frame it has."""
        seen = self.arrivals[number]
        resume = f"last-event-id: {seen[-1][0]}\r\n" if seen else ""
        return (
            f"GET {self._url.path} HTTP/1.1\r\nhost: {self._url.netloc}\r\n"
            f"accept: text/event-stream\r\n{resume}\r\n"
        ).encode()

    def took(self, number: int, version: int, at_ns: int, data: bytes) -> None:
        """A frame has reached a stream."""
        self.arrivals[number].append((version, at_ns))
        if version not in self.frames:
            self.frames[version] = data.decode()
        if not self.everybody_sees.is_set() and all(self.arrivals):
            self.everybody_sees.set()


class _Screen(asyncio.Protocol):
    def __init__(self, audience: Audience, number: int) -> None:
        loop = asyncio.get_running_loop()
        self._audience = audience
        self._number = number
        self._rest = b""
        self.shown: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._transport.write(self._audience.request(self._number))

    def data_received(self, data: bytes) -> None:
        at_ns = time.monotonic_ns()
        if data.startswith(b"HTTP/1.1 ") and data[9:12] != b"200":
            self._transport.close()
        if self._took_known(data, at_ns):
            return
        data = self._rest + data
        end = 0
        for frame in _FRAME.finditer(data):
            self._audience.took(self._number, int(frame[2]), at_ns, frame[3])
            end = frame.end()
            if not self.shown.done():
                self.shown.set_result(None)
        # A frame may come in pieces; what is kept for its rest is bounded by the largest frame.
        self._rest = data[end:][-65_536:]

    def _took_known(self, data: bytes, at_ns: int) -> bool:
        """Note one whole frame that another stream has had before, which nearly every one is, without looking
        through all of it: that takes as long as receiving it.
        """
        whole = not self._rest.strip() and data.endswith(_END) and data.count(b"\n") == _LINES
        if not whole or not self.shown.done():
            return False
        begin = data.index(_ID) + len(_ID)
        version = int(data[begin : data.index(b"\n", begin)])
        if version not in self._audience.frames:
            return False
        self._audience.took(self._number, version, at_ns, b"")
        return True

    def connection_lost(self, _: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def main(url: str, streams: int, ready: Callable[[], None]) -> Audience:
    """Watch until SIGTERM; calls `ready` when every stream has shown a number."""
    audience = Audience(url, streams)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    watching = asyncio.create_task(audience.watch())
    everybody = asyncio.create_task(audience.everybody_sees.wait())
    everybody.add_done_callback(lambda _: ready())
    await stopped.wait()
    watching.cancel()
    return audience


if __name__ == "__main__":
    gc.disable()  # it would look through all that was seen, again and again, in the frames' time
    to = Path(sys.argv[3])
    seen = uvloop.run(main(sys.argv[1], int(sys.argv[2]), to.with_suffix(".ready").touch))
    found = {"arrivals": seen.arrivals, "frames": seen.frames, "reconnects": seen.reconnects}
    to.write_text(json.dumps(found), "utf-8")
