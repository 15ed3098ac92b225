"""Every process replaced while donations come and screens look on: who is refused, and how late it gets.

The load behaves as a careful channel: what is refused for now or breaks off is sent again. Whatever was not
accepted in the end has failed.
"""

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from deploy.bench.gala import Gala, gala
from deploy.bench.ground import Base
from deploy.bench.http_load import Load
from deploy.bench.latency import Latency, latency_of
from deploy.bench.report import Figure, Result, percentile
from deploy.bench.screens import Seen
from deploy.local.services import BY_NAME
from deploy.verify.judging import verify

RATE: Final = 1_000
STREAMS: Final = 50
WARM_UP_S: Final = 8.0
BEFORE_S: Final = 2.0
"""Steady load before the first, between two, and after the last."""
ROLL_S: Final = 8.0
"""What each process is given on the average: a load that ends before all are replaced is told as wrong."""
P99_MS: Final = 3_000.0
VERIFY_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Roll:
    """One process replaced. Times are time.monotonic_ns()."""

    name: str
    begun_ns: int
    ended_ns: int


async def measure(base: Base, rate: float = RATE, streams: int = STREAMS) -> Result:
    """Replace every process, one after the other, during `rate` donations a second over HTTP."""
    result = Result("restart")
    async with gala(base) as scene:
        await _warm_up(scene, rate)
        count = int(rate * (2 * BEFORE_S + (ROLL_S + BEFORE_S) * len(BY_NAME)))
        series = scene.series(count)
        load = Load(scene.ground.wiring.url("donation"), scene.requests(series, count), patient=True)
        await scene.open_screens(streams)
        rolling = asyncio.create_task(_roll(scene))
        answers = await load.at_rate(rate)
        if not rolling.done():
            result.wrong.append("the load ended before every process was replaced")
        rolls = await rolling
        if problem := await scene.counted():
            result.wrong.append(problem)
        seen = await scene.close_screens()
        places = await scene.places_of(series)
        result.wrong += jumps_back(seen)
        verdict = await verify(scene.ground.places, None, wait_s=VERIFY_S)
        result.wrong += [str(difference) for difference in verdict.findings]
        accepted_ns = [
            at_ns if status == 202 else 0
            for at_ns, status in zip(answers.answered_ns, answers.statuses, strict=True)
        ]

        def during(begun_ns: int, ended_ns: int) -> Latency:
            chosen = [place for place in places if begun_ns <= accepted_ns[place[0]] < ended_ns]
            return latency_of(accepted_ns, chosen, scene.positions, seen)

    whole = during(0, time.monotonic_ns())
    answer_ms = sorted(
        (answered - sent) / 1e6
        for answered, sent in zip(answers.answered_ns, answers.sent_ns, strict=True)
        if answered
    )
    result.figures = [
        Figure("failed after retries", count - answers.accepted, "requests", 0, "lower", f"of {count:,}"),
        Figure("sent again", answers.repeated, "requests", None, "lower"),
        Figure(
            "answer p99", percentile(answer_ms, 0.99), "ms", None, "lower", f"worst {answer_ms[-1]:.0f} ms"
        ),
        Figure("accepted → frame p50", whole.p50_ms, "ms", None, "lower"),
        Figure("accepted → frame p99", whole.p99_ms, "ms", P99_MS, "lower", f"worst {whole.worst_ms:.0f} ms"),
    ]
    if whole.unseen:
        result.wrong.append(f"{whole.unseen} donations were not on every screen")
    if answers.accepted < count:
        result.wrong.append(f"{count - answers.accepted} requests failed: {answers.others}")
    for index, roll in enumerate(rolls):
        until_ns = rolls[index + 1].begun_ns if index + 1 < len(rolls) else time.monotonic_ns()
        latency = during(roll.begun_ns, until_ns)
        took_s = (roll.ended_ns - roll.begun_ns) / 1e9
        note = f"worst {latency.worst_ms:.0f} ms, replaced in {took_s:.1f} s"
        result.figures.append(Figure(f"{roll.name} p99", latency.p99_ms, "ms", P99_MS, "lower", note))
        result.details[roll.name] = {"seconds": took_s, **asdict(latency)}
    result.details |= {"reconnects": seen.reconnects, "streams": streams, "rate": rate}
    return result


async def _warm_up(scene: Gala, rate: float) -> None:
    count = int(rate * WARM_UP_S)
    requests = scene.requests(scene.series(count), count)
    await Load(scene.ground.wiring.url("donation"), requests, patient=True).at_rate(rate)
    if problem := await scene.counted():
        raise AssertionError(problem)


async def _roll(scene: Gala) -> list[Roll]:
    rolls = []
    for name in BY_NAME:
        await asyncio.sleep(BEFORE_S)
        begun_ns = time.monotonic_ns()
        await asyncio.to_thread(scene.ground.services.replace, name)
        rolls.append(Roll(name, begun_ns, time.monotonic_ns()))
    return rolls


def jumps_back(seen: Seen) -> list[str]:
    """Where a screen was shown an older number than it had: after a reconnection it goes on from its last."""
    found = []
    for number, stream in enumerate(seen.arrivals):
        versions = [version for version, _ in stream]
        if versions != sorted(set(versions)):
            found.append(f"screen {number} was shown an older version, or one twice")
    counts: list[Any] = [seen.frames[version]["donations"] for version in sorted(seen.frames)]
    if counts != sorted(counts):
        found.append("the number of donations went back")
    return found
