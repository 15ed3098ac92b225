"""Children of ours: stopped within a bound, and never left behind."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from deploy.local.environment import own_environment
from deploy.local.problems import StackProblem
from deploy.local.processes import SOURCE, Child, Command, Identity, tail, turn_over, wait_until

READY = "import sys, time; print('ready', flush=True); "
POLITE = READY + "time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + "time.sleep(600)"
PARENT = (
    "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    + POLITE
)

Start = Callable[..., Child]


@pytest.fixture
def start(tmp_path: Path) -> object:
    children: list[Child] = []

    def start(script: str, **fields: object) -> Child:
        command = Command("child", [sys.executable, "-c", script], own_environment(), **fields)  # type: ignore[arg-type]
        child = Child(command, tmp_path / f"{len(children)}.log")
        children.append(child)
        assert wait_until(lambda: tail(child.log) == "ready", 20)
        return child

    yield start
    for child in children:
        child.kill()


def test_a_polite_child_is_stopped_by_asking(start: Start) -> None:
    child = start(POLITE)
    assert child.stop() is True
    assert child.exit_code == -signal.SIGTERM


def test_a_stubborn_child_is_killed_after_its_grace(start: Start) -> None:
    child = start(STUBBORN, stop_s=0.3)
    assert child.stop() is False
    assert child.exit_code == -signal.SIGKILL


@pytest.mark.skipif(not hasattr(psutil.Process, "cpu_affinity"), reason="processes can't be pinned here")
def test_a_child_that_steps_back_gets_a_small_share_of_a_busy_processor(start: Start) -> None:
    hungry = READY + "time.sleep(0.5)\nwhile True: pass"
    urgent, patient = [psutil.Process(start(hungry, nice=nice).pid) for nice in (0, 10)]
    core = psutil.Process().cpu_affinity()[:1]
    for process in (urgent, patient):
        process.cpu_affinity(core)

    def used() -> tuple[float, float]:
        return urgent.cpu_times().user, patient.cpu_times().user

    before = used()
    assert wait_until(lambda: used()[0] - before[0] > 1, 30)
    assert used()[1] - before[1] < 0.5, "without it both would have used the same"


def test_a_frozen_child_is_woken_to_be_stopped(start: Start) -> None:
    child = start(POLITE)
    child.freeze()
    assert child.stop() is True


def test_what_a_child_has_started_goes_with_it(start: Start) -> None:
    child = start(PARENT)
    process = child.identity.process()
    assert process is not None
    (grandchild,) = process.children()
    child.kill()
    assert not grandchild.is_running()


def test_a_program_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StackProblem, match="No such file"):
        Child(Command("ghost", ["/no/such/program"], {}), tmp_path / "ghost.log")


def test_a_log_is_bounded_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    with log.open("ab") as writer:
        writer.write(b"old\n" * 1000)
        writer.flush()
        turn_over(log, limit_bytes=100)
        writer.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "long.log.1").stat().st_size == 4000


OWNER = """
import sys
from pathlib import Path
from deploy.local.environment import own_environment
from deploy.local.processes import Child, Command, Keeper, wait_until, tail
folder = Path(sys.argv[1])
keeper = Keeper(folder / "keeper.log")
pids = []
for stage, script in enumerate(sys.argv[2:]):
    command = Command("c", [sys.executable, "-c", script], own_environment(), stage=stage)
    child = Child(command, folder / f"{stage}.log", keeper)
    assert wait_until(lambda: tail(child.log) == "ready", 20)
    pids.append(child.pid)
print(*pids, keeper.identity.pid, flush=True)
sys.stdin.read()
"""


def test_nothing_outlives_an_owner_that_is_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), POLITE, PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=SOURCE,
        text=True,
    )
    assert owner.stdout is not None
    identities = [Identity.of(int(pid)) for pid in owner.stdout.readline().split()]
    assert len(identities) == 3

    owner.kill()
    owner.communicate()

    assert wait_until(lambda: not any(one and one.alive for one in identities), 20)
