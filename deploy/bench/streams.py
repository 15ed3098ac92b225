"""A thousand open streams at ten frames a second from one screens process.

States are published on the topic `totals` as the reporting worker does at its fastest, every 50 ms; the
process coalesces them to a frame a tenth of a second. Lag: from the state's `as_of` to the arrival at the
stream, the coalescing included. The thousand screens take a part of the other core: see the CPU shares.
"""

import asyncio
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from deploy.bench import meters
from deploy.bench.gala import CAMPAIGN, Gala, gala
from deploy.bench.ground import Base
from deploy.bench.report import Figure, Result, percentile
from deploy.bench.screens import Seen
from services.reporting.proof import digest_of, version_of
from services.reporting.totals import CampaignState
from shared.broker import TOTALS, Publisher

STREAMS: Final = 1_000
SECONDS: Final = 15.0
PUBLISH_S: Final = 0.05
LAG_P99_MS: Final = 150.0
FRAMES_PER_S: Final = 10.0


async def measure(base: Base, seconds: float = SECONDS, streams: int = STREAMS) -> Result:
    """All frames have to arrive, 99 % of them within LAG_P99_MS."""
    async with gala(base) as scene:
        return await measure_on(scene, seconds, streams)


async def measure_on(scene: Gala, seconds: float, streams: int) -> Result:
    """The same on a system that runs. What its screens are told is further than its books from then on."""
    result = Result("streams")
    await scene.open_screens(streams)
    pids = {name: pid for name, pid in scene.ground.pids.items() if name in {"reporting", "screens"}}
    meter = meters.CpuMeter({**pids, **scene.ground.base.pids})
    meter.begin()
    begun_ns = time.monotonic_ns()
    await _publish(scene, seconds)
    cpu = meter.end()
    memory = meters.memory_mb(pids)
    seen = await scene.close_screens()
    judge(result, seen, begun_ns, seconds)
    result.details |= {"cpu_cores": cpu, "memory_mb": memory, "reconnects": seen.reconnects}
    if meters.held_up_by_load(cpu, ["screens"]):
        result.notes.append("the process with the screens took a whole core: the lag is partly its own")
    return result


async def _publish(scene: Gala, seconds: float) -> None:
    """New states of the campaign, each a donation further than the one before."""
    state = (await scene.states())[0]
    async with Publisher(scene.ground.kafka) as publisher:
        begun_s = time.monotonic()
        number = 0
        while (passed_s := time.monotonic() - begun_s) < seconds:
            number += 1
            value = _grown(state, number).model_dump_json().encode()
            await publisher.send(TOTALS, value, key=CAMPAIGN.encode())
            await asyncio.sleep(max(0.0, number * PUBLISH_S - passed_s))


def _grown(state: CampaignState, donations: int) -> CampaignState:
    before = state.amounts
    amounts = before.model_copy(
        update={
            "received_fen": before.received_fen + 100 * donations,
            "donations": before.donations + donations,
        }
    )
    source = "intake.bench/0"
    positions = {**state.positions, source: state.positions.get(source, 0) + donations}
    return state.model_copy(
        update={
            "amounts": amounts,
            "positions": positions,
            "version": version_of(positions),
            "digest": digest_of(state.campaign_id, positions, amounts),
            "as_of": datetime.now(UTC),
        }
    )


def judge(
    result: Result, seen: Seen, begun_ns: int, seconds: float, *, p99_ms: float = LAG_P99_MS, name: str = ""
) -> None:
    """Every frame made between the first and the last must be at every stream, 99 % of them within `p99_ms`.

    The figures get `name` before theirs; frames are counted over `seconds` from `begun_ns`.
    """
    arrived: Counter[int] = Counter(
        version for stream in seen.arrivals for version, at_ns in stream if at_ns >= begun_ns
    )
    lags_ms = sorted(_lags_ms(seen, begun_ns))
    wanted = len(arrived) * len(seen.arrivals)
    share = 100 * sum(arrived.values()) / wanted if wanted else 0.0
    worst = f"worst {lags_ms[-1]:.0f} ms"
    result.figures += [
        Figure(f"{name}frames a second", len(arrived) / seconds, "/s"),
        Figure(f"{name}frames delivered", share, "%", 100.0),
        Figure(f"{name}lag p50", percentile(lags_ms, 0.5), "ms", None, "lower"),
        Figure(f"{name}lag p99", percentile(lags_ms, 0.99), "ms", p99_ms, "lower", worst),
    ]
    newest = max(seen.frames)
    late = sum(1 for stream in seen.arrivals if stream[-1][0] != newest)
    if late:
        result.wrong.append(f"{name}{late} of {len(seen.arrivals)} streams did not show the last number")
    result.details |= {f"{name}streams": len(seen.arrivals), f"{name}frames": len(arrived)}


def _lags_ms(seen: Seen, begun_ns: int) -> list[float]:
    """From each frame's as_of to its arrival at each stream."""
    # Both clocks of this machine, read together: as_of is by the wall's, the arrival by the monotonic one.
    wall = datetime.now(UTC)
    offset_ms = wall.timestamp() * 1000 - time.monotonic_ns() / 1e6
    as_of_ms = {
        version: datetime.fromisoformat(frame["as_of"]).timestamp() * 1000
        for version, frame in seen.frames.items()
    }
    return [
        at_ns / 1e6 + offset_ms - as_of_ms[version]
        for stream in seen.arrivals
        for version, at_ns in stream
        if at_ns >= begun_ns
    ]
