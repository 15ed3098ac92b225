"""Real reporting processes, and screens that connect to them as browsers do."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn

from deploy.local.layout import unused_ports
from services.reporting.app import create_app
from services.reporting.settings import Settings
from tests.processes import Process
from tests.waiting import until


@asynccontextmanager
async def working(settings: Settings) -> AsyncIterator[None]:
    """A worker inside the test's own process."""
    app = create_app(settings.model_copy(update={"roles": "worker"}))
    async with app.router.lifespan_context(app):
        yield


@asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The screens role inside the test's own process, asked without a network."""
    app = create_app(settings.model_copy(update={"roles": "screens"}))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://reporting") as client,
    ):
        yield client


class _Server(uvicorn.Server):
    """A server that leaves pytest's signal handlers alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def hosting(settings: Settings) -> AsyncIterator[int]:
    """The screens role inside the test's own process, on a port: streams need a network. Gives the port."""
    app = create_app(settings.model_copy(update={"roles": "screens"}))
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        port: int = listener.getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:

            async def ready() -> bool:
                return task.done() or (await client.get("/readyz", timeout=30)).status_code == 200

            await until(ready, deadline_s=30)
        yield port
    finally:
        app.state.stopping.set()
        server.should_exit = True
        await task


@dataclass
class Served:
    """A process of the service and its address."""

    process: Process
    base_url: str
    port: int

    async def stop(self, within_s: float = 10.0) -> int:
        """SIGTERM and the exit code. Raises TimeoutError when it is not gone in time."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(within_s):
            return await self.process.wait()


@asynccontextmanager
async def serving(
    settings: Settings, roles: str = "screens", port: int | None = None
) -> AsyncIterator[Served]:
    """A process of its own, ready to be asked."""
    port = port or unused_ports(1)[0]
    environment = {
        **os.environ,
        "DATABASE_URL": settings.database_url,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "KAFKA_NAMESPACE": settings.kafka_namespace,
        "PARTITIONS": str(settings.partitions),
        "HTTP_PORT": str(port),
        "ROLES": roles,
        "MAX_STREAMS": str(settings.max_streams),
        "LOG_LEVEL": "warning",
    }
    if settings.operators_file is not None:
        environment["OPERATORS_FILE"] = str(settings.operators_file)
    process = Process("services.reporting", environment)
    served = Served(process, f"http://127.0.0.1:{port}", port)
    try:
        async with httpx.AsyncClient(base_url=served.base_url) as client:

            async def ready() -> bool:
                assert process.returncode is None, "the process has ended"
                try:
                    return (await client.get("/readyz", timeout=5)).status_code == 200
                except httpx.TransportError:
                    return False

            await until(ready, deadline_s=30)
        yield served
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@dataclass
class Screen:
    """One connection to a stream, read as it comes."""

    port: int
    campaign_id: str
    last_event_id: str | None = None
    status: int = 0
    text: str = ""
    ended: bool = False
    frames: list[tuple[str, str | None, str]] = field(default_factory=list)
    """(event, id, data) of each frame so far."""
    link: str | None = None
    """The path of a registered screen; without it the campaign's public stream."""

    async def watch(self) -> None:
        """Read until the server ends the stream or the task is cancelled."""
        resume = f"last-event-id: {self.last_event_id}\r\n" if self.last_event_id else ""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        try:
            path = f"{self.link or f'/v1/campaigns/{self.campaign_id}'}/stream"
            writer.write(f"GET {path} HTTP/1.1\r\nhost: screen\r\n{resume}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            self.status = int(head.split()[1])
            while size := int(await reader.readline() or b"0", 16):
                self._take((await reader.readexactly(size + 2))[:-2].decode())
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended = True
            writer.close()

    def _take(self, chunk: str) -> None:
        *frames, self.text = (self.text + chunk).split("\n\n")
        for frame in frames:
            fields = dict(line.split(": ", 1) for line in frame.splitlines())
            if "event" in fields:
                self.frames.append((fields["event"], fields.get("id"), fields["data"]))

    @property
    def ids(self) -> list[str]:
        return [identity for _, identity, _ in self.frames if identity is not None]


@asynccontextmanager
async def screens(
    port: int,
    campaign_id: str,
    count: int = 1,
    *,
    last_event_id: str | None = None,
    link: str | None = None,
) -> AsyncIterator[list[Screen]]:
    """Connected screens, each with its first frame."""
    connected = [Screen(port, campaign_id, last_event_id, link=link) for _ in range(count)]
    tasks = [asyncio.create_task(screen.watch()) for screen in connected]
    try:
        await until(
            lambda: all(screen.status and (screen.frames or screen.ended) for screen in connected),
            deadline_s=30,
        )
        yield connected
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
