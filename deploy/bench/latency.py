"""From the channel's 202 (or Kafka's acknowledgement) to the frame on the screen, for every donation exactly.

A frame has a version; the state of that version on the topic `totals` has its positions; the donation's row
has its position: a donation is on the screen with the first frame whose position of its source has reached
it. Each donation is looked for on every stream. A frame of a version that was read from the database and not
told on the topic is taken for the one before it, which can only make a donation look later.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from deploy.bench import meters
from deploy.bench.gala import Gala, gala
from deploy.bench.ground import Base
from deploy.bench.http_load import Load
from deploy.bench.producing import produce_at_rate
from deploy.bench.report import Figure, Result, percentile
from deploy.bench.screens import Seen

STREAMS: Final = 50
SECONDS: Final = 15.0
RATES: Final = (500, 2_000)
RATE_FROM_KAFKA: Final = 5_000
P50_MS: Final = 120.0
P99_MS: Final = 300.0
P99_FROM_KAFKA_MS: Final = 500.0
WARM_UP_RATE: Final = 2_000
"""For twice as long as each measurement, and forgotten: a Java broker becomes fast only with use (it took
twice the processor at 500/s that it took at 2,000/s a quarter of a minute later)."""
TENTH_MS: Final = 100_000
"""Nanoseconds."""


@dataclass(frozen=True, slots=True)
class Latency:
    """How long donations took to the screens, ms; each donation counts once for each stream."""

    p50_ms: float
    p99_ms: float
    worst_ms: float
    unseen: int
    """Donations that some stream has never shown."""


def latency_of(
    accepted_ns: Sequence[int],
    places: Iterable[tuple[int, str, int]],
    positions: Mapping[int, Mapping[str, int]],
    seen: Seen,
) -> Latency:
    """Look for each donation, (number, source, sequence) in `places`, on each stream."""
    groups = _shown_with(accepted_ns, places, positions)
    tenths: Counter[int] = Counter()
    unseen = len(groups.pop(None, []))
    for stream in seen.arrivals:
        versions = [version for version, _ in stream]
        for version, group in groups.items():
            assert version is not None
            index = bisect_left(versions, version)
            if index == len(versions):
                unseen += len(group)
                continue
            at_ns = stream[index][1]
            tenths.update(max(0, at_ns - each) // TENTH_MS for each in group)
    return Latency(*_percentiles(tenths), unseen)


def _shown_with(
    accepted_ns: Sequence[int],
    places: Iterable[tuple[int, str, int]],
    positions: Mapping[int, Mapping[str, int]],
) -> dict[int | None, list[int]]:
    """Version → when those were accepted that it shows first; None: no version does."""
    waiting: dict[str, list[tuple[int, int]]] = {}
    for number, source, sequence in places:
        waiting.setdefault(source, []).append((sequence, accepted_ns[number]))
    groups: dict[int | None, list[int]] = {}
    for source, donations in waiting.items():
        donations.sort()
        marks = sorted((version, where.get(source, -1)) for version, where in positions.items())
        reached = list(accumulate((mark for _, mark in marks), max))
        for sequence, at_ns in donations:
            index = bisect_left(reached, sequence)
            version = marks[index][0] if index < len(marks) else None
            groups.setdefault(version, []).append(at_ns)
    return groups


def _percentiles(tenths: Counter[int]) -> tuple[float, float, float]:
    """p50, p99 and the worst, in ms, of a histogram of tenths of a millisecond."""
    ordered = sorted(tenths)
    sums = list(accumulate(tenths[tenth] for tenth in ordered))
    if not sums:
        return (float("nan"),) * 3
    found = [ordered[bisect_left(sums, share * sums[-1])] / 10 for share in (0.5, 0.99, 1.0)]
    return found[0], found[1], found[2]


async def measure(base: Base, seconds: float = SECONDS, streams: int = STREAMS) -> Result:
    """500/s and 2,000/s over HTTP, 5,000/s from Kafka, with `streams` screens and everything running."""
    async with gala(base) as scene:
        return await measure_on(scene, seconds, streams)


async def measure_on(scene: Gala, seconds: float, streams: int) -> Result:
    """The same on a system that runs."""
    result = Result("latency")
    await _over_http(scene, WARM_UP_RATE, int(WARM_UP_RATE * 2 * seconds), streams)
    for rate in RATES:
        latency, details = await _over_http(scene, rate, int(rate * seconds), streams)
        _report(result, f"HTTP {rate:,}/s", latency, details, P99_MS)
    latency, details = await _from_kafka(scene, RATE_FROM_KAFKA, int(RATE_FROM_KAFKA * seconds), streams)
    _report(result, f"Kafka {RATE_FROM_KAFKA:,}/s", latency, details, P99_FROM_KAFKA_MS)
    if problem := await scene.counted():
        result.wrong.append(problem)
    return result


async def _over_http(scene: Gala, rate: int, count: int, streams: int) -> tuple[Latency, dict[str, Any]]:
    series = scene.series(count)
    load = Load(scene.ground.wiring.url("donation"), scene.requests(series, count))
    await scene.open_screens(streams)
    meter = meters.CpuMeter({**scene.ground.pids, **scene.ground.base.pids})
    meter.begin()
    answers = await load.at_rate(rate)
    cpu = meter.end()
    wrong = await scene.counted()
    seen = await scene.close_screens()
    took_ms = sorted(
        (answered - sent) / 1e6
        for sent, answered in zip(answers.sent_ns, answers.answered_ns, strict=True)
        if answered
    )
    details = {
        "accepted": answers.accepted,
        "others": answers.others,
        "wrong": wrong,
        "answer_p50_ms": round(percentile(took_ms, 0.5), 1),
        "answer_p99_ms": round(percentile(took_ms, 0.99), 1),
        "rate": round(count / answers.seconds),
        "generator_late_ms": round(answers.late_ms, 1),
        "frames": len(seen.frames),
        "cpu_cores": cpu,
    }
    places = await scene.places_of(series)
    return latency_of(answers.answered_ns, places, scene.positions, seen), details


async def _from_kafka(scene: Gala, rate: int, count: int, streams: int) -> tuple[Latency, dict[str, Any]]:
    series = scene.series(count)
    records = list(series.records(count))
    await scene.open_screens(streams)
    meter = meters.CpuMeter({**scene.ground.pids, **scene.ground.base.pids})
    meter.begin()
    acknowledged_ns = await produce_at_rate(scene.ground.kafka, scene.topic, records, rate)
    cpu = meter.end()
    wrong = await scene.counted()
    seen = await scene.close_screens()
    details = {"accepted": count, "wrong": wrong, "frames": len(seen.frames), "cpu_cores": cpu}
    places = await scene.places_of(series)
    return latency_of(acknowledged_ns, places, scene.positions, seen), details


def _report(result: Result, name: str, latency: Latency, details: dict[str, Any], p99_ms: float) -> None:
    note = f"worst {latency.worst_ms:.0f} ms"
    if p99_ms == P99_MS:
        result.figures.append(Figure(f"{name} p50", latency.p50_ms, "ms", P50_MS, "lower"))
    result.figures.append(Figure(f"{name} p99", latency.p99_ms, "ms", p99_ms, "lower", note))
    if details["wrong"]:
        result.wrong.append(f"{name}: {details['wrong']}")
    if latency.unseen:
        result.wrong.append(f"{name}: {latency.unseen} donations were not on every screen")
    if meters.held_up_by_load(details["cpu_cores"], ["load"]):
        result.notes.append(f"{name}: the load generator took a whole core")
    result.details[name] = {**details, "p50_ms": latency.p50_ms, "p99_ms": latency.p99_ms}
