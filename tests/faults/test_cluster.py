"""What must hold on three brokers when one of them is away, and when two are: nothing lost, nothing double,
and whoever may not acknowledge says so.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.problems import StackProblem
from deploy.topics import apply_topics
from tests.faults.brokers import Brokers
from tests.faults.conftest import NAMESPACE
from tests.faults.surge import Surge, Watch, longest, told
from tests.faults.system import CHANNEL, System, until

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

WRITES_AGAIN_S = 20
"""So long at most nothing is acknowledged while another broker takes over (docs/containers.md: measured)."""
PER_SECOND = 100
ENDLESS = 600 * PER_SECOND
"""More than is published before a test is done."""
PAUSE_S = 0.5
"""Of each of twelve that give over HTTP."""
INTAKE = f"{NAMESPACE}intake.{CHANNEL}"
log = logging.getLogger(__name__)


@asynccontextmanager
async def load(system: System, what: str) -> AsyncIterator[Surge]:
    """Donations on both ways and a screen, as long as the block lasts; then what came out is judged."""
    surge = await system.surge()
    screen = Watch(f"{system.services.wiring.url('reporting')}/v1/campaigns/{surge.campaign_id}/stream")
    following = asyncio.create_task(screen.follow())
    done = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(surge.steadily(done, pause_s=PAUSE_S))
            tasks.create_task(surge.by_kafka(ENDLESS, PER_SECOND, done))
            await system.counted_at_least(surge, PER_SECOND)
            try:
                yield surge
                await surge.goes_on(PER_SECOND // 4, WRITES_AGAIN_S)
            finally:
                done.set()
        await system.judge(surge)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    log.warning("%s: %s", what, told(surge, screen))


async def moved(brokers: Brokers, leader: int) -> None:
    """Wait until another leads."""

    async def another() -> bool:
        return await brokers.leader(INTAKE, 0) not in {leader, -1}

    await until(another, "another leader", WRITES_AGAIN_S)


async def test_whichever_brokers_are_away_nothing_is_lost_or_double(
    clustered: System, brokers: Brokers
) -> None:
    """A leader is cut off and comes back late; the next one dies, and one more; the third is restarted in
    order, and those that were dead are there for it.
    """
    async with load(clustered, "brokers are away") as surge:
        await cut_off_the_leader(brokers, surge)
        dead = await kill_the_leader(brokers, surge)
        assert longest(surge.moments_s) < WRITES_AGAIN_S
        third = await kill_one_more(brokers, surge, dead)
        await asyncio.to_thread(brokers.start, {0, 1, 2} - {third})
        await surge.goes_on(PER_SECOND // 4, WRITES_AGAIN_S)
        since = len(surge.moments_s)
        await brokers.in_sync()
        await asyncio.to_thread(brokers.each[third].stop)
        await surge.goes_on(PER_SECOND // 4, WRITES_AGAIN_S)
        await asyncio.to_thread(brokers.start, [third])
        await brokers.in_sync()
    assert longest(surge.moments_s[since:]) < WRITES_AGAIN_S


async def cut_off_the_leader(brokers: Brokers, surge: Surge) -> None:
    """Frozen, as by a partition of the network: its connections stay open and nobody answers."""
    leader = await brokers.leader(INTAKE, 0)
    child = brokers.each[leader].child
    assert child is not None
    child.freeze()
    try:
        await moved(brokers, leader)
        await surge.goes_on(PER_SECOND // 4, WRITES_AGAIN_S)
    finally:
        child.thaw()
    await brokers.in_sync()


async def kill_the_leader(brokers: Brokers, surge: Surge) -> int:
    """Another takes its place; which one is dead."""
    leader = await brokers.leader(INTAKE, 0)
    await asyncio.to_thread(brokers.each[leader].kill)
    await surge.goes_on(PER_SECOND // 4, WRITES_AGAIN_S)
    await moved(brokers, leader)
    return leader


async def kill_one_more(brokers: Brokers, surge: Surge, dead: int) -> int:
    """With two of three dead nothing is acknowledged; which one is left."""
    another, third = {0, 1, 2} - {dead}
    await asyncio.to_thread(brokers.each[another].kill)
    refused, acknowledged = surge.refused, len(surge.acknowledged)

    async def all_refused() -> bool:
        return surge.refused > refused + 12

    await until(all_refused, "503 for everybody")
    assert len(surge.acknowledged) == acknowledged, "one copy alone was taken for enough"
    return third


async def test_what_topics_yaml_says_of_a_cluster_is_said_of_every_topic(clustered: System) -> None:
    wiring = clustered.services.wiring
    kafka, namespace, partitions = wiring.kafka, wiring.namespace, wiring.partitions

    applied = await apply_topics(kafka, namespace, partitions, 3)
    assert applied.differences == []
    assert INTAKE in applied.present
    fewer = (await apply_topics(kafka, namespace, partitions, 1)).differences
    assert f"{namespace}totals: 3 replicas instead of 1" in fewer
    with pytest.raises(StackProblem, match=r"[Rr]emote|[Tt]iered"):
        await apply_topics(kafka, f"{namespace}far.", partitions, 3, tiered=True)


async def test_at_the_end_every_number_is_proved(clustered: System) -> None:
    wiring = clustered.services.wiring
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": wiring.kafka,
        "KAFKA_NAMESPACE": wiring.namespace,
        "REPORTING_URL": wiring.url("reporting"),
        **{f"{name.upper()}_DATABASE_URL": url for name, url in wiring.databases.items()},
    }
    proved = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "deploy.verify", "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert proved.returncode == 0, proved.stdout + proved.stderr
    assert json.loads(proved.stdout)
