"""The whole pipeline against a bare aiokafka + asyncpg loop doing the same writes, side by side in one run.

Clock: from the first record sent to the moment both totals (campaign's and reporting's) have the last one
committed. Ours: the real services as `shanliu up` starts them (donation-worker, campaign, reporting-worker).
The bare loop: as many processes (bare.py). The order alternates, because a machine gets warmer and a disk
fuller; what counts is the ratio of the medians.
"""

import asyncio
import json
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg

from deploy.bench import meters
from deploy.bench.bare import CHANNEL
from deploy.bench.donations import Series
from deploy.bench.ground import Base, Ground, prepared
from deploy.bench.producing import Record, batches_of, placed, produce
from deploy.bench.report import Figure, Result, ratio_with_spread
from shared.broker import ensure_topic

GOAL: Final = 0.80
SERVICES: Final = ("campaign", "donation-worker", "reporting-worker")
LOOPS: Final = {"worker": "donation", "campaign": "campaign", "reporting": "reporting"}
CAMPAIGN: Final = "bench"
INTAKE: Final = f"intake.{CHANNEL}"
INTAKE_TOPIC: Final = {"message.timestamp.type": "LogAppendTime"}
TIMEOUT_S: Final = 120.0
FIRST: Final = 1_000
"""Donations sent before the clock starts: connections, statements and groups are there by then."""
COUNTS: Final = {
    "campaign": "SELECT coalesce(sum(donations), 0)::bigint, coalesce(sum(received_fen), 0)::bigint"
    " FROM fund_receipts",
    "reporting": "SELECT coalesce(sum(donations), 0)::bigint, coalesce(sum(received_fen), 0)::bigint"
    " FROM campaign_totals",
}
Batches = Sequence[tuple[int, Sequence[Record]]]


@dataclass(slots=True)
class Side:
    """One of the two that are compared, on a ground of its own."""

    name: str
    ground: Ground
    start: Callable[[], Awaitable[None]]
    rates: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)
    cost_us: list[dict[str, float]] = field(default_factory=list)
    """What a donation cost each process, CPU microseconds: less disturbed by others than the rate."""
    donations: int = 0
    total_fen: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Donations a second, the median of its rounds."""
        return statistics.median(self.rates)

    @property
    def cost(self) -> dict[str, float]:
        """CPU microseconds of a donation by process, the median of the rounds."""
        rounds = self.cost_us
        return {name: round(statistics.median(each[name] for each in rounds), 1) for name in rounds[0]}

    async def round(self, count: int) -> None:
        """Start the processes, send `count` donations, wait until both totals have them, stop."""
        first, rest = self._batches(FIRST), self._batches(count)
        await self.start()
        await self._run(first)
        meter = meters.CpuMeter({**self.ground.pids, **self.ground.base.pids})
        await self.ground.base.checkpoint()
        meter.begin()
        self.rates.append(count / await self._run(rest))
        self.cpu.append(meter.end())
        self.cost_us.append({name: 1e6 * used / count for name, used in meter.seconds().items()})
        await self.ground.stop()

    def _batches(self, count: int) -> Batches:
        series = Series.of(uuid.uuid4().hex[:8], CAMPAIGN)
        return batches_of(placed(series.records(count), self.ground.wiring.partitions))

    async def warm_up(self, count: int) -> None:
        """A round that is forgotten: a Java broker becomes fast only with use."""
        await self.round(count)
        for figures in (self.rates, self.cpu, self.cost_us):
            figures.clear()

    async def _run(self, batches: Batches) -> float:
        """Seconds from the first record sent to the last one in both totals."""
        self.donations += sum(len(records) for _, records in batches)
        self.total_fen += sum(
            json.loads(value)["amount_fen"] for _, records in batches for _, value in records
        )
        begun_s = time.perf_counter()
        await asyncio.gather(
            produce(self.ground.kafka, INTAKE, batches),
            *(self._counted(service, statement) for service, statement in COUNTS.items()),
        )
        return time.perf_counter() - begun_s

    async def _counted(self, service: str, statement: str) -> None:
        """Wait until a total has every donation; note when it is not right to the fen."""
        connection = await asyncpg.connect(self.ground.dsn(service), timeout=5)
        donations = total_fen = 0
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while donations < self.donations:
                    await asyncio.sleep(0.02)
                    row = await connection.fetchrow(statement)
                    assert row is not None
                    donations, total_fen = row
        except TimeoutError:
            self.wrong.append(f"{self.name}: {service} has {donations} of {self.donations} donations")
        finally:
            await connection.close()
        if (donations, total_fen) != (self.donations, self.total_fen):
            self.wrong.append(f"{self.name}: {service} has {total_fen} fen instead of {self.total_fen}")


async def ours(ground: Ground) -> Side:
    """The services, with a launched campaign."""
    await ensure_topic(ground.kafka, INTAKE, configs=INTAKE_TOPIC)

    async def start() -> None:
        await ground.start(*SERVICES)

    await start()
    await ground.launch(CAMPAIGN)
    await ground.stop()
    return Side("services", ground, start)


async def bare(ground: Ground) -> Side:
    """The bare loops, on the same tables."""
    await ensure_topic(ground.kafka, INTAKE, configs=INTAKE_TOPIC)

    async def start() -> None:
        for part, service in LOOPS.items():
            environment = ground.environment(service)
            ground.spawn(f"bare-{part}", "deploy.bench.bare", part, environment=environment)

    return Side("bare loop", ground, start)


async def measure(base: Base, donations: int, rounds: int, warm_up: int) -> Result:
    """Run both sides in turns, each after a round of `warm_up` donations unless that is 0; at least `GOAL` of
    the bare loop's rate is asked for.
    """
    result = Result("pipeline")
    async with prepared(base) as our_ground, prepared(base) as bare_ground:
        one, other = await ours(our_ground), await bare(bare_ground)
        for side in (one, other) if warm_up else ():
            await side.warm_up(warm_up)
        for number in range(rounds):
            for side in (one, other) if number % 2 == 0 else (other, one):
                await side.round(donations)
        await _same_rows(one, other, result)
    ratio, least, most = ratio_with_spread(one.rates, other.rates)
    spread = f"rounds {least:.2f}-{most:.2f}"
    result.figures = [
        Figure("services", one.rate, "donations/s"),
        Figure("bare aiokafka + asyncpg", other.rate, "donations/s"),
        Figure("services ÷ bare", ratio, "", GOAL, note=spread),
    ]
    result.wrong += one.wrong + other.wrong
    result.details = {
        side.name: {
            "rates": [round(rate) for rate in side.rates],
            "cpu_cores": side.cpu,
            "cpu_us_per_donation": side.cost,
        }
        for side in (one, other)
    }
    for side in (one, other):
        if any(meters.held_up_by_load(cpu, ["load"]) for cpu in side.cpu):
            result.notes.append(f"{side.name}: the load generator took a whole core in a round")
    return result


async def _same_rows(one: Side, other: Side, result: Result) -> None:
    """Both must have written the same donations."""
    for side in (one, other):
        rows = await side.ground.value("donation", "SELECT count(*) FROM donations")
        if rows != side.donations:
            result.wrong.append(f"{side.name}: {rows} rows for {side.donations} donations")
