"""How much memory each process of the services has under load, and whether it goes on growing.

Donations over HTTP with screens open; measured idle, in the middle and at the end. The first half fills what
is bounded (the memory of recent requests, pools, caches), so growth is judged on the second.
"""

from typing import Final

from deploy.bench import meters
from deploy.bench.gala import Gala, gala
from deploy.bench.ground import Base
from deploy.bench.http_load import Load
from deploy.bench.report import Figure, Result
from deploy.local.services import BY_NAME

RATE: Final = 2_000
SECONDS: Final = 60.0
PART_S: Final = 10.0
STREAMS: Final = 50
MOST_MB: Final = 200.0
GROWTH_MB_PER_MINUTE: Final = 2.0
"""Less than this is the allocator's noise on so short a run; ten minutes (--donations 2000000) tell more."""


async def measure(base: Base, seconds: float = SECONDS, rate: int = RATE) -> Result:
    """Every process must stay below MOST_MB."""
    result = Result("memory")
    async with gala(base) as scene:
        await scene.open_screens(STREAMS)
        idle = meters.memory_mb(_services(scene))
        curve = [idle]
        for _ in range(max(2, round(seconds / PART_S))):
            await _load(scene, result, rate, int(rate * PART_S))
            curve.append(meters.memory_mb(_services(scene)))
        if problem := await scene.counted():
            result.wrong.append(problem)
        await scene.close_screens()
    minutes = (len(curve) - 1 - len(curve) // 2) * PART_S / 60
    for name in curve[-1]:
        growth = (curve[-1][name] - curve[len(curve) // 2][name]) / minutes
        note = f"idle {idle[name]:.0f}, growing {growth:+.1f} MB/min"
        most = max(point[name] for point in curve)
        result.figures.append(Figure(name, most, "MB", MOST_MB, "lower", note))
        if growth > GROWTH_MB_PER_MINUTE:
            result.notes.append(f"{name} still grew by {growth:.1f} MB a minute in the second half")
    result.details = {"curve_mb": curve, "every_s": PART_S, "rate": rate}
    return result


def _services(scene: Gala) -> dict[str, int]:
    return {name: pid for name, pid in scene.ground.pids.items() if name in BY_NAME}


async def _load(scene: Gala, result: Result, rate: int, count: int) -> None:
    series = scene.series(count)
    answers = await Load(scene.ground.wiring.url("donation"), scene.requests(series, count)).at_rate(rate)
    if answers.others:
        result.wrong.append(f"not accepted, by status: {answers.others}")
