"""Very many screens on one screens process while donations pour in and everything else runs.

Donations come from Kafka at a set rate and go the whole way: intake, books, totals, frames. Lag: from the
state's `as_of` to the arrival at the stream, the coalescing included. The screens are one process that takes
its part of the two cores: see the CPU shares.
"""

import time
from typing import Final

from deploy.bench import meters
from deploy.bench.gala import Gala, gala
from deploy.bench.ground import Base
from deploy.bench.producing import Record, produce_at_rate
from deploy.bench.report import Result
from deploy.bench.streams import judge

AUDIENCES: Final = (2_500, 5_000)
RATE: Final = 2_000
"""Donations a second."""
SECONDS: Final = 15.0
LAG_P99_MS: Final = 300.0


async def measure(base: Base, seconds: float = SECONDS, audiences: tuple[int, ...] = AUDIENCES) -> Result:
    """Every frame has to arrive at every stream, 99 % of them within LAG_P99_MS."""
    async with gala(base) as scene:
        return await measure_on(scene, seconds, audiences)


async def measure_on(scene: Gala, seconds: float, audiences: tuple[int, ...]) -> Result:
    """The same on a system that runs."""
    result = Result("audience")
    await _pour(scene, _records(scene, 2 * seconds))  # a Java broker becomes fast only with use
    for streams in audiences:
        await _look_on(result, scene, streams, seconds)
    return result


def _records(scene: Gala, seconds: float) -> list[Record]:
    count = int(RATE * seconds)
    return list(scene.series(count).records(count))


async def _pour(scene: Gala, records: list[Record]) -> None:
    await produce_at_rate(scene.ground.kafka, scene.topic, records, RATE)


async def _look_on(result: Result, scene: Gala, streams: int, seconds: float) -> None:
    name = f"{streams:,} streams: "
    records = _records(scene, seconds)
    await scene.open_screens(streams)
    pids = {name: pid for name, pid in scene.ground.pids.items() if name in {"reporting", "screens"}}
    meter = meters.CpuMeter({**scene.ground.pids, **scene.ground.base.pids})
    meter.begin()
    begun_ns = time.monotonic_ns()
    await _pour(scene, records)
    cpu = meter.end()
    memory = meters.memory_mb(pids)
    wrong = await scene.counted()
    seen = await scene.close_screens()
    judge(result, seen, begun_ns, seconds, p99_ms=LAG_P99_MS, name=name)
    if wrong:
        result.wrong.append(name + wrong)
    result.details[name] = {"cpu_cores": cpu, "memory_mb": memory, "reconnects": seen.reconnects}
    if meters.held_up_by_load(cpu, ["screens"]):
        result.notes.append(
            f"{name}the process with the screens took a whole core: the lag is partly its own"
        )
