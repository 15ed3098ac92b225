"""Which benchmarks there are, and how they are run one after the other."""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import uvloop
from rich.console import Console

from deploy.bench import (
    audience,
    catchup,
    console,
    guardrail,
    intake,
    latency,
    memory,
    meters,
    notices,
    pipeline,
    rebuild,
    reconcile,
    restart,
    snapshot,
    stored,
    streams,
    verify,
    webhooks,
)
from deploy.bench.ground import Base, base
from deploy.bench.report import Result, show

Benchmark = Callable[[Base, int], Awaitable[Result]]
DONATIONS: Final = 200_000
ROUNDS: Final = 3

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "pipeline": lambda base, donations: pipeline.measure(base, donations, ROUNDS, donations // 5),
    "http": lambda base, donations: intake.measure(base, max(1, donations // 10)),
    "latency": lambda base, donations: latency.measure(base, latency.SECONDS * donations / DONATIONS),
    "streams": lambda base, _: streams.measure(base),
    "audience": lambda base, donations: audience.measure(base, audience.SECONDS * donations / DONATIONS),
    "snapshot": lambda base, donations: snapshot.measure(base, max(1_000, donations // 5)),
    "stored": lambda base, donations: stored.measure(base, donations * 5, donations * 3 // 10),
    "memory": lambda base, donations: memory.measure(base, memory.SECONDS * donations / DONATIONS),
    "guardrail": lambda base, donations: guardrail.measure(base, donations * 5),
    "console": lambda base, donations: console.measure(base, donations * 5),
    "catchup": lambda base, donations: catchup.measure(base, donations * 3 // 2),
    "rebuild": lambda base, donations: rebuild.measure(base, donations * 5),
    "reconcile": lambda base, donations: reconcile.measure(base, donations // 2),
    "notices": lambda base, donations: notices.measure(base, donations // 10),
    "verify": lambda base, donations: verify.measure(base, donations * 5),
    "restart": lambda base, donations: restart.measure(base, restart.RATE * donations / DONATIONS),
    "webhooks": lambda base, donations: webhooks.measure(base, max(20, donations // 20)),
}
"""What each does with the size that was asked for; 200,000 donations are what the goals are stated for."""


def run(names: Sequence[str], donations: int, *, as_json: bool, say: Callable[[str], None]) -> bool:
    """Run the named benchmarks (all without names) and show what they found; True when each was correct."""
    machine = meters.machine()
    results: list[Result] = []
    with base() as ground:
        for name in names or BENCHMARKS:
            say(f"{name} …")
            results.append(uvloop.run(_one(BENCHMARKS[name], ground, donations)))
    if as_json:
        found: dict[str, Any] = {"machine": machine, "donations": donations}
        found |= {result.name: result.as_json() for result in results}
        sys.stdout.write(json.dumps(found, ensure_ascii=False) + "\n")
    else:
        show(Console(highlight=False), results, machine)
    return all(result.correct for result in results)


async def _one(benchmark: Benchmark, ground: Base, donations: int) -> Result:
    return await benchmark(ground, donations)
