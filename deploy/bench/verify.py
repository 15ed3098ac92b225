"""A whole proof (`shanliu verify`) of so many donations: how long it takes, and how much memory."""

import asyncio
import json
import subprocess
import sys
import time
from typing import Any, Final

from deploy.bench import meters
from deploy.bench.gala import Gala, gala
from deploy.bench.ground import Base
from deploy.bench.producing import batches_of, placed, produce
from deploy.bench.report import Figure, Result
from deploy.local.environment import own_environment
from deploy.local.processes import SOURCE

PROVED: Final = 1_000_000
SECONDS: Final = 180.0
PART: Final = 100_000
"""Made and published at once, and counted before the next."""
MOST_MB: Final = 400.0
PATIENCE_S: Final = 900.0
LOOK_S: Final = 0.1


async def measure(base: Base, donations: int = PROVED) -> Result:
    """Have `donations` counted everywhere, and prove them with all services idle."""
    result = Result("verify")
    async with gala(base) as scene:
        for first in range(0, donations, PART):
            count = min(PART, donations - first)
            records = scene.series(count).records(count)
            await produce(
                scene.ground.kafka, scene.topic, batches_of(placed(records, scene.ground.wiring.partitions))
            )
            if problem := await scene.counted():
                result.wrong.append(problem)
        begun_s = time.monotonic()
        found, most_mb = await _proof(scene)
        seconds = time.monotonic() - begun_s
    if not found.get("exact") or found["counts"]["donations"] != donations:
        result.wrong.append(f"not proved: {str(found.get('differences', 'no answer'))[:300]}")
    goal = SECONDS * max(donations, PROVED) / PROVED
    result.figures = [
        Figure(f"{donations:,} proved", seconds, "s", goal, "lower"),
        Figure("memory", most_mb, "MB", MOST_MB, "lower"),
        Figure("rate", donations / seconds, "donations/s"),
    ]
    return result


async def _proof(scene: Gala) -> tuple[dict[str, Any], float]:
    """What `shanliu verify --json` says, in a process of its own, and its memory at most; nothing of what it
    says when it does not end in time.
    """
    places = scene.ground.places
    environment = {
        **own_environment(),
        "PYTHONPATH": str(SOURCE),
        "KAFKA_BOOTSTRAP_SERVERS": places.kafka,
        "KAFKA_NAMESPACE": places.namespace,
        "REPORTING_URL": places.reporting_url,
        **{f"{service.upper()}_DATABASE_URL": url for service, url in places.databases.items()},
    }
    proof = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.verify", "--json", env=environment, stdout=subprocess.PIPE
    )
    said = asyncio.create_task(proof.communicate())
    most_mb, end_s = 0.0, time.monotonic() + PATIENCE_S
    while not said.done():
        if time.monotonic() > end_s:
            proof.kill()
        most_mb = max(most_mb, meters.memory_mb({"proof": proof.pid}).get("proof", 0.0))
        await asyncio.wait([said], timeout=LOOK_S)
    lines = said.result()[0].splitlines()
    return (json.loads(lines[-1]) if lines else {}), most_mb
