"""Partners to send webhooks to, in one process: `python -m deploy.bench.receivers <port> <partners>
<file>`.

Partner n answers 204 at the path /n; the last one takes the request and never answers. It notes when each
got what (time.monotonic_ns, which all processes of a machine share), and writes it down at SIGTERM.
"""

import asyncio
import json
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import uvloop

from deploy.local.layout import LOOPBACK

_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_ID: Final = re.compile(rb"webhook-id: ([^\r]+)", re.IGNORECASE)
_PATH: Final = re.compile(rb"POST /(\d+) ")


@dataclass(frozen=True, slots=True)
class Received:
    """(webhook-id, time.monotonic_ns()) of each partner, in order."""

    by_partner: list[list[tuple[str, int]]]

    @classmethod
    def read(cls, file: Path) -> "Received":
        """Read what a process of receivers has written."""
        return cls([[(name, at) for name, at in each] for each in json.loads(file.read_text("utf-8"))])


class _Receiver(asyncio.Protocol):
    def __init__(self, received: list[list[tuple[str, int]]]) -> None:
        self._received = received
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end]
            length = int(found[1]) if (found := _LENGTH.search(head)) else 0
            if len(self._rest) < end + 4 + length:
                return
            self._rest = self._rest[end + 4 + length :]
            self._take(head)

    def _take(self, head: bytes) -> None:
        path, event_id = _PATH.match(head), _ID.search(head)
        assert path is not None
        assert event_id is not None
        partner = int(path[1])
        self._received[partner].append((event_id[1].decode(), time.monotonic_ns()))
        if partner < len(self._received) - 1:
            self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def _serve(port: int, partners: int, file: Path) -> list[list[tuple[str, int]]]:
    received: list[list[tuple[str, int]]] = [[] for _ in range(partners)]
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, told.set)
    server = await loop.create_server(lambda: _Receiver(received), LOOPBACK, port, backlog=1024)
    file.with_suffix(".ready").touch()
    await told.wait()
    server.close()
    return received


if __name__ == "__main__":
    written = Path(sys.argv[3])
    seen = uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]), written))
    written.write_text(json.dumps(seen), "utf-8")
