"""A real reporting service for the browser to look at, events from real Kafka, and a wire that can be cut."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal, Self

import httpx

from deploy.local.layout import unused_ports
from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS, KafkaSettings, Publisher
from shared.dead_letters import DeadLetter
from shared.events import Event
from tests.processes import Process
from tests.services.reporting.builders import CampaignSource, Source
from tests.waiting import pauses

READY_S: Final = 40.0
STOP_S: Final = 15.0
OPERATOR_TOKEN: Final = "the-desk-of-the-gala-2026"
DESK_TOKEN: Final = "the-desk-that-decides-on-air"
VISITOR_TOKEN: Final = "somebody-without-a-role"
BATCH: Final = 500


async def until(what: str, holds: Callable[[], Any], *, within_s: float = 60.0) -> Any:
    """Wait until `holds()` (or what it awaits to) is true, and give it back."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + within_s
    pause = pauses()
    while True:
        value = holds()
        value = await value if asyncio.iscoroutine(value) else value
        if value:
            return value
        assert loop.time() < end_s, f"not within {within_s} s: {what}"
        await asyncio.sleep(next(pause))


def operators_file(folder: Path) -> Path:
    """Three people: one who may see the desk, one who decides on air, and one who may neither."""
    people = [
        {
            "person": "值班",
            "roles": ["viewer"],
            "token_sha256": hashlib.sha256(OPERATOR_TOKEN.encode()).hexdigest(),
        },
        {
            "person": "导播",
            "roles": ["desk"],
            "token_sha256": hashlib.sha256(DESK_TOKEN.encode()).hexdigest(),
        },
        {"person": "来宾", "roles": [], "token_sha256": hashlib.sha256(VISITOR_TOKEN.encode()).hexdigest()},
    ]
    path = folder / "operators.json"
    path.write_text(json.dumps(people), "utf-8")
    return path


class Reporting:
    """`python -m services.reporting` with both roles, as a process of its own."""

    def __init__(self, environment: Mapping[str, str], log: Path, port: int | None = None) -> None:
        self.port = port or unused_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "ROLES": "worker,screens",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self.port),
            **environment,
        }
        self._log = log
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        process = self._process = self._run()
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                assert process.returncode is None, self._log.read_text("utf-8")[-3000:]
                with suppress(httpx.TransportError):
                    return (await client.get(f"{self.url}/readyz")).status_code == 200
                return False

            await until("reporting is ready", ready, within_s=READY_S)

    def _run(self) -> Process:
        with self._log.open("ab") as log:
            return Process("services.reporting", self._environment, log)

    async def stop(self) -> None:
        """Stop it in order; it has ten seconds, also with streams open."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await asyncio.wait_for(self._process.wait(), STOP_S)
        self._process = None


class Wire:
    """The network between a screen and the server: a TCP proxy that forwards, stalls or refuses.

    Playwright's set_offline does not cut a stream that is already open (tried with Chromium 156), and a real
    cut is silent: nothing arrives and nobody is told.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._cuts = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.state: Literal["open", "silent", "refused"] = "open"
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        self._drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def mend(self) -> None:
        """Let new connections through again; those that a silence has hit stay dead, as behind a new NAT."""
        self.state = "open"

    def silence(self) -> None:
        """Let nothing through and tell nobody, like a cable that was pulled."""
        self.state = "silent"
        self._cuts += 1

    def refuse(self) -> None:
        """End every connection and every new one at once, like a switch that was turned off."""
        self.state = "refused"
        self._drop()

    def _drop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.state != "refused":
                await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass  # a cut is what this is for
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            ways = [self._forward(reader, far_writer), self._forward(far_reader, writer)]
            tasks = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            far_writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        cuts = self._cuts
        while data := await reader.read(65_536):
            if self.state == "silent" or self._cuts != cuts:
                await asyncio.Event().wait()  # for ever: until the wire is taken away
            writer.write(data)
            await writer.drain()


class Evening:
    """The campaign and its donations, published to real Kafka as the other services would."""

    def __init__(self, publisher: Publisher, reporting: Reporting, http: httpx.AsyncClient) -> None:
        self._publisher = publisher
        self._http = http
        self.reporting = reporting
        self.campaigns = CampaignSource(service="campaign/evening")
        self._channels = 0

    def channel(self) -> Source:
        """The events of a channel that nobody else uses."""
        self._channels += 1
        return Source(channel=f"channel-{self._channels}", first_number=self._channels * 10_000_000)

    async def happens(self, *events: Event) -> None:
        """Publish events, in order."""
        await self._publish(events)

    async def _publish(self, events: Iterable[Event]) -> None:
        for source, group in groupby(events, key=lambda event: event.source):
            topic = CAMPAIGN_EVENTS if source.startswith("campaign/") else DONATION_EVENTS
            records = [(event.subject.encode(), event.to_bytes()) for event in group]
            for start in range(0, len(records), BATCH):
                partition = int(source.rpartition("/")[2])
                await self._publisher.send_in_order(topic, partition, records[start : start + BATCH])

    async def bury(self, letter: DeadLetter, partition: int | None = None) -> None:
        if partition is None:
            await self._publisher.send(DEAD_LETTER, letter.to_bytes(), key=letter.origin.encode())
        else:
            record = (letter.origin.encode(), letter.to_bytes())
            await self._publisher.send_in_order(DEAD_LETTER, partition, [record])

    async def totals(self, campaign_id: str) -> dict[str, Any]:
        """What the API says of a campaign."""
        answer = await self._http.get(f"{self.reporting.url}/v1/campaigns/{campaign_id}/totals")
        return dict(answer.json()) if answer.status_code == 200 else {}

    async def counted(self, campaign_id: str, net_fen: int) -> dict[str, Any]:
        """Wait until the API says this number."""

        async def there() -> dict[str, Any] | None:
            totals = await self.totals(campaign_id)
            return totals if totals.get("net_fen") == net_fen else None

        found: dict[str, Any] = await until(f"{campaign_id} at {net_fen} fen", there)
        return found


@asynccontextmanager
async def evening(environment: Mapping[str, str], kafka: KafkaSettings, log: Path) -> AsyncIterator[Evening]:
    """Start reporting; stop it at the end."""
    reporting = Reporting(environment, log)
    await reporting.start()
    try:
        async with Publisher(kafka) as publisher, httpx.AsyncClient() as http:
            yield Evening(publisher, reporting, http)
    finally:
        await reporting.stop()
