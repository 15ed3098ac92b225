"""The whole system under a gala's load: every process, a launched campaign, a channel, screens looking on."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.bench.donations import Series, signed_requests
from deploy.bench.ground import Base, Ground, prepared
from deploy.bench.screens import Seen
from deploy.local.problems import StackProblem
from deploy.local.processes import wait_until
from deploy.local.services import BY_NAME
from services.reporting import queries
from services.reporting.totals import CampaignState
from shared import database
from shared.broker import TOTALS

CAMPAIGN: Final = "bench"
CHANNEL: Final = "bench"
OPEN_S: Final = 60.0
COUNTED_S: Final = 60.0
LAST_FRAME_S: Final = 0.5
"""A frame may follow a count by a tenth of a second, and takes its way to the screens."""


@dataclass
class Gala:
    """A running system and what was sent to it."""

    ground: Ground
    key: bytes
    sent: int = 0
    sent_fen: int = 0
    positions: dict[int, dict[str, int]] = field(default_factory=dict)
    """Version → positions, as the topic `totals` has told."""

    @property
    def topic(self) -> str:
        """The channel's intake topic."""
        return f"intake.{CHANNEL}"

    def series(self, count: int) -> Series:
        """New donations, which count as sent from now on."""
        series = Series.of(uuid.uuid4().hex[:8], CAMPAIGN)
        self.sent += count
        self.sent_fen += series.total_fen(count)
        return series

    def requests(self, series: Series, count: int) -> list[bytes]:
        """Signed requests of a series."""
        return signed_requests(series, count, CHANNEL, self.key)

    async def states(self) -> list[CampaignState]:
        """The campaigns as reporting's database has them."""
        url = self.ground.wiring.databases["reporting"]
        async with database.disposing(database.create_engine(url, "bench")) as engine:
            return await queries.read_states(engine)

    async def open_screens(self, streams: int) -> None:
        """Open so many streams in a process of their own; returns when each shows a number."""
        file = self.ground.folder / "screens.json"
        url = f"{self.ground.wiring.url('reporting')}/v1/campaigns/{CAMPAIGN}/stream"
        self.ground.spawn("screens", "deploy.bench.screens", url, str(streams), str(file))
        ready = file.with_suffix(".ready")
        ready.unlink(missing_ok=True)
        if not await asyncio.to_thread(wait_until, ready.exists, OPEN_S):
            raise StackProblem(f"{streams} streams could not be opened within {OPEN_S:.0f} s.")

    async def close_screens(self) -> Seen:
        """What the screens have seen."""
        await asyncio.sleep(LAST_FRAME_S)
        child = self.ground.others.pop("screens")
        await asyncio.to_thread(child.stop)
        return Seen.read(self.ground.folder / "screens.json")

    async def counted(self) -> str | None:
        """Wait until everything sent is in reporting's total; None, or what is wrong with the total."""
        connection = await asyncpg.connect(self.ground.dsn("reporting"), timeout=5)
        statement = (
            "SELECT coalesce(sum(donations), 0)::bigint, coalesce(sum(received_fen), 0)::bigint"
            " FROM campaign_totals WHERE campaign_id = $1"
        )
        found = (0, 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COUNTED_S):
                while found[0] < self.sent:
                    await asyncio.sleep(0.05)
                    row = await connection.fetchrow(statement, CAMPAIGN)
                    assert row is not None
                    found = (row[0], row[1])
        await connection.close()
        if found == (self.sent, self.sent_fen):
            return None
        return f"{found[0]} donations of {self.sent}, {found[1]} fen of {self.sent_fen}"

    async def places_of(self, series: Series) -> list[tuple[int, str, int]]:
        """(number, source, sequence) of each donation of a series that was booked."""
        connection = await asyncpg.connect(self.ground.dsn("donation"), timeout=5)
        try:
            rows = await connection.fetch(
                "SELECT transaction_id, source, sequence FROM donations WHERE transaction_id LIKE $1",
                f"{series.run}-%",
            )
        finally:
            await connection.close()
        return [(int(row[0].rpartition("-")[2]), row[1], row[2]) for row in rows]

    async def listen(self, consumer: AIOKafkaConsumer) -> None:
        """Note the positions of every state that the topic `totals` tells, until cancelled."""
        async for record in consumer:
            state = CampaignState.model_validate_json(record.value)
            self.positions[state.version] = state.positions


@asynccontextmanager
async def gala(base: Base) -> AsyncIterator[Gala]:
    """The whole system on a ground of its own, with a launched campaign and a registered channel."""
    async with prepared(base) as ground:
        await ground.start(*BY_NAME)
        await ground.launch(CAMPAIGN)
        scene = Gala(ground, await ground.register(CHANNEL))
        await _known(ground)
        consumer = AIOKafkaConsumer(bootstrap_servers=ground.kafka.servers, fetch_max_wait_ms=50)
        await consumer.start()
        topic = ground.kafka.topic(TOTALS)
        consumer.assign([TopicPartition(topic, number) for number in range(ground.wiring.partitions)])
        listening = asyncio.create_task(scene.listen(consumer))
        try:
            yield scene
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await consumer.stop()


async def _known(ground: Ground) -> None:
    """Wait until the donation worker takes donations for the campaign and the screens know it."""
    statement = "SELECT EXISTS (SELECT FROM campaigns WHERE campaign_id = $1 AND status = 'launched')"
    shown = f"{ground.wiring.url('reporting')}/v1/campaigns/{CAMPAIGN}/totals"
    async with asyncio.timeout(OPEN_S), httpx.AsyncClient() as client:
        known = False
        while not known:
            await asyncio.sleep(0.1)
            taken = await ground.value("donation", statement, CAMPAIGN)
            known = taken and (await client.get(shown)).is_success
