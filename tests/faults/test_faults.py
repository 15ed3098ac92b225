"""What must hold when something dies, stalls or refuses under load: invariants 1 to 3 of the design.

After each fault: nothing lost, nothing double, no gap, no process that needs a hand, live within 30 s.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.faults.system import System

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

PER_SECOND = 400
AT_ONCE = 5
PAUSE_S = 0.5
"""Of each of those who give over HTTP."""
SOME = 100
ENDLESS = 600 * PER_SECOND
"""More than is published while something is wrong."""

Fault = Callable[[System], Awaitable[None]]


async def under_load(system: System, fault: Fault) -> None:
    """Run a surge on both ways, let the fault happen in its middle, and judge what came out."""
    surge, done = await system.surge(), asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(surge.by_kafka(ENDLESS, PER_SECOND, done))
        tasks.create_task(surge.steadily(done, AT_ONCE, PAUSE_S))
        await system.counted_at_least(surge, SOME)
        await fault(system)
        await surge.goes_on(2 * SOME)
        done.set()
    await system.judge(surge)


@pytest.mark.parametrize(
    "name", ["donation", "donation-worker", "campaign", "notification", "reporting-worker", "reporting"]
)
async def test_a_killed_process_loses_and_doubles_nothing(system: System, name: str) -> None:
    async def kill(system: System) -> None:
        await system.kill_and_restart(name)

    await under_load(system, kill)


@pytest.mark.parametrize("name", ["donation-worker", "reporting-worker"])
async def test_a_frozen_worker_that_wakes_up_late_changes_nothing(system: System, name: str) -> None:
    """Frozen past its session time-out while another takes over, then awake beside it."""

    async def freeze(system: System) -> None:
        async with system.second(name):
            system.services.freeze(name)
            await system.members(name, 1)
            system.services.thaw(name)
            await system.members(name, 2)

    await under_load(system, freeze)


@pytest.mark.parametrize("line", ["in_transaction", "committed", "half_published", "published"])
@pytest.mark.parametrize("by", ["STOP", "KILL"])
async def test_a_worker_that_halts_at_any_line_loses_and_doubles_nothing(
    system: System, tmp_path: Path, line: str, by: str
) -> None:
    """Its successor does the batch again; when it wakes up it goes on writing where it stood."""
    surge = await system.surge()
    async with system.halting_worker(line, by, tmp_path / "halted") as halting:
        async with asyncio.TaskGroup() as tasks:
            halted = asyncio.Event()
            tasks.create_task(surge.by_kafka(ENDLESS, PER_SECOND, halted))
            await halting.halted()
            halted.set()
            tasks.create_task(surge.by_kafka(2 * SOME, PER_SECOND))
            await system.worker_takes_over()
        halting.wake()
        await system.judge(surge)


async def test_a_worker_that_joins_and_one_that_leaves_in_the_middle(system: System) -> None:
    """Two rebalances in the middle of batches."""

    async def rebalance(system: System) -> None:
        async with system.second("donation-worker"), system.second("reporting-worker"):
            pass

    await under_load(system, rebalance)


async def test_a_broker_that_is_dead_for_ten_seconds(system: System) -> None:
    async def kill(system: System) -> None:
        await system.kill_broker(for_s=10)

    await under_load(system, kill)


async def test_a_database_that_restarts_at_once(system: System) -> None:
    async def restart(system: System) -> None:
        await system.restart_database()

    await under_load(system, restart)


async def test_a_database_that_refuses_to_write(system: System) -> None:
    """As a full disk does: every write fails for a while, then goes on."""

    async def refuse(system: System) -> None:
        async with system.database_refuses_writes():
            await system.batches_failed()

    await under_load(system, refuse)


async def test_a_poison_record_in_the_middle_of_a_batch(system: System) -> None:
    """The records around it go through; it lies in the dead letters with its reason and its place."""
    poison = [b"", b"\xff\xfe", b"{", b'{"amount_fen": 1e400}', b"[" * 20_000, b"\x00" * 100_000]

    async def throw_in(system: System) -> None:
        await system.throw_in(poison)

    before = await system.dead_letters()
    await under_load(system, throw_in)
    assert await system.dead_letters() == before + len(poison)


async def test_everything_at_once(system: System) -> None:
    """Worker, screens' worker, broker and database, one after the other without a pause."""

    async def all_of_it(system: System) -> None:
        await system.kill_and_restart("donation-worker")
        await system.kill_broker(for_s=3)
        await system.kill_and_restart("reporting-worker")
        await system.restart_database()

    await under_load(system, all_of_it)
