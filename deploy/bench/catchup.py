"""After an outage: so many donations wait, and the services are started. When does the screen show them all?

The clock starts with the processes: their own start is a part of an outage's end. The screens were open all
the time.
"""

import asyncio
import time
from typing import Final

from deploy.bench import meters
from deploy.bench.gala import Gala, gala
from deploy.bench.ground import Base
from deploy.bench.producing import batches_of, placed, produce
from deploy.bench.report import Figure, Result
from deploy.screen import Screen

WAITING: Final = 300_000
SECONDS: Final = 20.0
PATIENCE_S: Final = 120.0
DOWN: Final = ("donation-worker", "campaign", "reporting-worker", "notification")


async def measure(base: Base, waiting: int = WAITING) -> Result:
    """Stop the consumers, let `waiting` donations come, start them, watch a screen."""
    async with gala(base) as scene:
        return await measure_on(scene, waiting)


async def measure_on(scene: Gala, waiting: int) -> Result:
    """The same on a system that runs."""
    result = Result("catchup")
    await asyncio.to_thread(_stop, scene)
    series = scene.series(waiting)
    batches = batches_of(placed(series.records(waiting), scene.ground.wiring.partitions))
    await produce(scene.ground.kafka, scene.topic, batches)
    screen = Screen(f"{scene.ground.wiring.url('reporting')}/v1/campaigns/bench/stream")
    following = asyncio.create_task(screen.follow())
    begun_s = time.monotonic()
    scene.ground.services.start(DOWN)
    meter = meters.CpuMeter({**scene.ground.pids, **scene.ground.base.pids})
    meter.begin()
    shown = await screen.until(PATIENCE_S, donations=scene.sent, received_fen=scene.sent_fen)
    seconds = time.monotonic() - begun_s
    cpu, used_s = meter.end(), meter.seconds()
    following.cancel()
    if not shown:
        result.wrong.append(f"the screen shows {screen.state.get('donations')} of {scene.sent} donations")
    if problem := await scene.counted():
        result.wrong.append(problem)
    goal = SECONDS * waiting / WAITING if waiting > WAITING else SECONDS
    result.figures = [
        Figure(f"{waiting:,} on the screen", seconds, "s", goal, "lower"),
        Figure("rate", waiting / seconds, "donations/s"),
    ]
    cost_us = {name: round(1e6 * used / waiting, 1) for name, used in used_s.items()}
    result.details = {"cpu_cores": cpu, "cost_us": cost_us}
    return result


def _stop(scene: Gala) -> None:
    for name in DOWN:
        scene.ground.services.child(name).stop()
