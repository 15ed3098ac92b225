"""The fork server: a fork is what was asked for, how it ends is told, and it needs no nursery to live."""

import json
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local.environment import own_environment
from deploy.local.nursery import HERE, Nursery, born_or_begun
from deploy.local.processes import SOURCE, Child, Command, tail, wait_until

pytestmark = pytest.mark.skipif(not HERE, reason="forks are Linux's")


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    """One that loads next to nothing."""
    nursery = Nursery("deploy.local.nursery", "fractions")
    yield nursery
    nursery.close()


@pytest.fixture
def children() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _child(
    children: ExitStack,
    nursery: Nursery,
    folder: Path,
    *arguments: str,
    descriptors: tuple[int, ...] = (),
    **more: str,
) -> Child:
    command = Command(
        "newborn-of-a-test",
        [sys.executable, "-m", "tests.deploy.newborn", *arguments],
        {**own_environment(), "PYTHONPATH": str(SOURCE), **more},
        descriptors=descriptors,
    )
    child = Child(command, folder / f"{len(more)}{len(arguments)}.log", how=partial(born_or_begun, nursery))
    children.callback(child.kill)
    return child


def _told(child: Child) -> dict[str, Any]:
    assert wait_until(lambda: tail(child.log).endswith("}"), 20)
    told: dict[str, Any] = json.loads(tail(child.log))
    return told


def _end(nursery: Nursery) -> None:
    process = nursery._process
    process.kill()
    process.wait()


def test_a_fork_is_what_was_asked_for(nursery: Nursery, children: ExitStack, tmp_path: Path) -> None:
    given = socket.create_server(("127.0.0.1", 0))
    child = _child(children, nursery, tmp_path, "7", descriptors=(given.fileno(),), SAID="善流")
    assert wait_until(lambda: not child.running, 20)
    told = _told(child)
    assert told["arguments"] == ["7"]
    assert told["environment"] == dict(child.command.environment)
    assert told["folder"] == str(SOURCE)
    assert told["session"] == child.pid
    assert told["name"] == "newborn-of-a-te"
    assert told["open"] == [0, 1, 2, given.fileno()]
    assert told["loaded"]
    assert child.exit_code == 7
    given.close()


def test_by_which_signal_it_ended_is_told(nursery: Nursery, children: ExitStack, tmp_path: Path) -> None:
    child = _child(children, nursery, tmp_path)
    _told(child)
    assert child.running
    assert child.stop() is True
    assert child.exit_code == -signal.SIGTERM


def test_a_fork_outlives_its_nursery_and_its_end_is_seen(
    nursery: Nursery, children: ExitStack, tmp_path: Path
) -> None:
    child = _child(children, nursery, tmp_path)
    _told(child)
    _end(nursery)
    assert child.running
    assert child.stop() is True
    assert child.exit_code is not None
    assert not child.identity.alive


def test_without_a_nursery_a_process_loads_everything_itself(
    nursery: Nursery, children: ExitStack, tmp_path: Path
) -> None:
    _end(nursery)
    child = _child(children, nursery, tmp_path, "7")
    assert not _told(child)["loaded"]
    assert wait_until(lambda: child.exit_code == 7, 20)


def test_an_environment_that_is_too_large_for_a_nursery_is_no_obstacle(
    nursery: Nursery, children: ExitStack, tmp_path: Path
) -> None:
    child = _child(children, nursery, tmp_path, "7", ONE="x" * 100_000, TWO="x" * 100_000)
    assert wait_until(lambda: child.exit_code == 7, 20)
