"""Frames written past ASGI: over a real server and real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from services.reporting import hub as hub_module
from services.reporting.connection import StreamProtocol
from services.reporting.frames import change_frame, snapshot_frame
from services.reporting.hub import Hub
from services.reporting.stream import StreamEndpoint
from tests.services.reporting.builders import GALA, state
from tests.waiting import until

HEAD = b"\r\n\r\n"


class Counted:
    """The endpoint, and how many messages it sent by ASGI."""

    def __init__(self, hub: Hub) -> None:
        self.messages = 0
        self._endpoint = StreamEndpoint(hub)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            self.messages += 1
            await send(message)

        await self._endpoint(scope, receive, counting)


@asynccontextmanager
async def served(hub: Hub, http: Any) -> AsyncIterator[tuple[int, Counted]]:
    """A server on a free port, with uvicorn's protocol or ours."""
    endpoint = Counted(hub)
    app = Starlette(routes=[Route("/{campaign_id}", endpoint, methods=["GET"])])
    config = uvicorn.Config(app, port=0, http=http, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1], endpoint
    hub.stop()
    server.should_exit = True
    await serving


class Screen:
    """A connection that reads what comes, as HTTP/1.1 or 1.0."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.got = b""

    @classmethod
    async def open(cls, port: int, version: str = "1.1", method: str = "GET") -> "Screen":
        screen = cls(*await asyncio.open_connection("127.0.0.1", port))
        screen.writer.write(f"{method} /{GALA} HTTP/{version}\r\nhost: here\r\n\r\n".encode())
        await screen.read_to(HEAD)
        return screen

    async def read_to(self, end: bytes) -> None:
        while end not in self.got:
            piece = await self.reader.read(65_536)
            assert piece, self.got
            self.got += piece

    @property
    def body(self) -> bytes:
        """What came behind the head, out of its chunks: each must be whole."""
        rest, body = self.got.partition(HEAD)[2], b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size, 16)
            body += rest[:length]
            assert rest[length : length + 2] == b"\r\n"
            rest = rest[length + 2 :]
        return body


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setattr("services.reporting.feed.FRAME_S", 0.0)
    hub = Hub(max_streams=10)
    hub.offer([state(0)])
    return hub


async def idle(hub: Hub) -> None:
    """Until every stream waits for news."""
    await until(lambda: all(stream._idle for stream in hub._all()))


@pytest.mark.parametrize(("http", "past_asgi"), [(StreamProtocol, True), ("httptools", False)])
async def test_every_screen_gets_every_frame_in_whole_chunks(hub: Hub, http: Any, *, past_asgi: bool) -> None:
    async with served(hub, http) as (port, endpoint):
        screens = [await Screen.open(port) for _ in range(3)]
        for screen in screens:
            await screen.read_to(b"event: snapshot")
        await idle(hub)
        opened = endpoint.messages
        wanted = snapshot_frame(state(0))
        for amount in range(1, 50):
            hub.offer([state(amount)])
            frame = change_frame(state(amount - 1), state(amount))
            wanted += frame
            for screen in screens:
                await screen.read_to(b"id: %d\n" % state(amount).version)
            await idle(hub)
        assert endpoint.messages - opened == (0 if past_asgi else 3 * 49)
        for screen in screens:
            await screen.read_to(wanted[-20:])
            assert screen.body.partition(b"\n\n")[2] == wanted
            screen.writer.close()
        await until(lambda: hub.open_streams == 0)


async def test_a_heartbeat_and_a_last_frame_keep_their_place(hub: Hub) -> None:
    async with served(hub, StreamProtocol) as (port, _):
        screen = await Screen.open(port)
        await screen.read_to(b"event: snapshot")
        await idle(hub)
        (stream,) = hub._all()
        stream.beat(b"event: heartbeat\ndata: {}\n\n")
        hub.offer([state(1)])
        stream.end(b"event: ended\ndata: {}\n\n")
        hub.offer([state(2)])
        await screen.read_to(b"0\r\n\r\n")
        assert screen.body.endswith(
            change_frame(state(0), state(1))
            + change_frame(state(1), state(2))
            + b"event: ended\ndata: {}\n\n"
        )


async def test_what_need_not_be_in_chunks_goes_by_asgi(hub: Hub) -> None:
    async with served(hub, StreamProtocol) as (port, endpoint):
        screen = await Screen.open(port, "1.0")
        await screen.read_to(b"event: snapshot")
        await idle(hub)
        opened = endpoint.messages
        hub.offer([state(1)])
        await screen.read_to(change_frame(state(0), state(1)))
        assert endpoint.messages == opened + 1
        screen.writer.close()
        await until(lambda: hub.open_streams == 0)


async def test_who_asks_for_the_head_alone_gets_no_frame(hub: Hub) -> None:
    async with served(hub, StreamProtocol) as (port, endpoint):
        asked = await Screen.open(port, method="HEAD")
        await idle(hub)
        opened = endpoint.messages
        hub.offer([state(1)])
        await until(lambda: endpoint.messages == opened + 1)
        asked.writer.write_eof()
        hub.stop()
        assert asked.got.partition(HEAD)[2] + await asked.reader.read() == b""
        asked.writer.close()


async def test_a_screen_that_takes_nothing_is_given_up_and_holds_up_no_other(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "WRITE_S", 0.2)
    monkeypatch.setattr(hub_module, "WATCH_S", 0.05)
    watch = asyncio.create_task(hub.watch())
    async with served(hub, StreamProtocol) as (port, _):
        stuck, quick = await Screen.open(port), await Screen.open(port)
        for screen in (stuck, quick):
            await screen.read_to(b"event: snapshot")
        paused: Any = stuck.writer.transport
        paused.pause_reading()
        amount = 0
        while hub.open_streams == 2:
            amount += 1
            hub.offer([state(amount)])
            await quick.read_to(b"id: %d\n" % state(amount).version)
            quick.got = b""
        assert hub.open_streams == 1
        hub.offer([state(amount + 1)])
        await quick.read_to(b"id: %d\n" % state(amount + 1).version)
        stuck.writer.close()
    watch.cancel()
