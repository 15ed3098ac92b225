"""Starting and stopping a supervisor from outside: what `shanliu up` and `shanliu down` do."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import psutil

from deploy.local import state
from deploy.local.external import external_kafka, external_postgres, of_no_client, own_ports
from deploy.local.layout import Home, Ports, require_free
from deploy.local.postgres_programs import find_programs
from deploy.local.problems import Report, StackProblem
from deploy.local.processes import SOURCE, Identity, end_all, wait_until

READY_S: Final = 300
TURN_S: Final = 2 * READY_S
"""Whoever starts it may have to fetch Kafka before."""
STOP_S: Final = 60
"""Services, PostgreSQL and Kafka may take 15 s each."""
KEEPER_S: Final = 45

Progress = Callable[[int], None]
"""Told how many bytes have come in since the last call."""
Meter = Callable[[int], AbstractContextManager[Progress]]
"""Shows the fetching of so many files: a context with a function that is told of bytes."""


@contextlib.contextmanager
def silent(_files: int) -> Iterator[Progress]:
    """Show nothing."""
    yield lambda _: None


def running(home: Home) -> state.State | None:
    """The state of a stack whose supervisor lives, else None."""
    found = state.read(home)
    return found if found is not None and found.supervised else None


def clean_up(home: Home, report: Report) -> None:
    """Stop what a crash has left: recorded processes that live although their supervisor doesn't."""
    left = state.read(home)
    if left is None or left.supervised:
        return
    if left.keeper is not None:
        keeper = left.keeper.identity
        wait_until(lambda: not keeper.alive, KEEPER_S)
    survivors = left.survivors()
    if survivors:
        report(f"stopping {len(survivors)} processes that a crash has left")
        processes = [process for one in survivors if (process := one.process())]
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.terminate()
        end_all(processes, 15)
    home.state_file.unlink(missing_ok=True)


def prepare(home: Home, ports: Ports, report: Report, meter: Meter = silent) -> None:
    """Everything that can be checked and fetched before a process is started. Raises StackProblem."""
    home.prepare()
    clean_up(home, report)
    require_free(own_ports(ports))
    if not external_postgres():
        find_programs()
    # Not above: 0.2 s that `shanliu status` need not pay.
    if servers := external_kafka():
        from deploy.local.kafka import require_kafka  # noqa: PLC0415

        require_kafka(servers)
    else:
        from deploy.local import jars  # noqa: PLC0415

        wanted = len(jars.missing(jars.library()))
        if wanted:
            with meter(wanted) as progress:
                jars.fetch(progress)


class Launcher:
    """One supervisor, started by us. With `tied`, it stops everything when we are gone."""

    def __init__(self, home: Home, report: Report, *, tied: bool = False) -> None:
        self._home = home
        self._report = report
        self.log: Final = home.logs / "supervisor.log"
        self._shown = self.log.stat().st_size if self.log.exists() else 0
        environment = dict(os.environ) if external_kafka() else of_no_client(os.environ)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.supervisor", *(["--tied"] if tied else [])],
                stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=SOURCE,
                env={**environment, "PYTHONPATH": str(SOURCE), "SHANLIU_HOME": str(home.root)},
                start_new_session=True,
            )

    def wait_ready(self, timeout_s: float = READY_S) -> state.State:
        """Return when everything is ready, passing on the supervisor's lines. Raises StackProblem."""
        deadline = time.monotonic() + timeout_s
        while self._process.poll() is None and time.monotonic() < deadline:
            self._pass_on()
            found = self._state()
            if found is not None and found.phase == "ready":
                return found
            time.sleep(0.1)
        self._pass_on()
        if self._process.poll() is None:
            self.stop()
            raise StackProblem(f"Not ready within {timeout_s:.0f} s; everything is stopped. See {self.log}.")
        found = self._state()
        raise StackProblem(
            found.problem if found and found.problem else f"The supervisor ended; its log is {self.log}."
        )

    def _state(self) -> state.State | None:
        found = state.read(self._home)
        return found if found is not None and found.supervisor.pid == self._process.pid else None

    def _pass_on(self) -> None:
        with self.log.open("rb") as file:
            file.seek(self._shown)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._shown += len(line)
                stamp, _, text = line.decode("utf-8", "replace").rstrip().partition(" ")
                if stamp.endswith("Z"):
                    self._report(text)

    def stop(self) -> None:
        """Stop everything that we have started."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pass_on()
        clean_up(self._home, self._report)


@contextlib.contextmanager
def _alone(home: Home, report: Report) -> Iterator[None]:
    """Wait until nobody else starts this stack, and hold others off. Raises StackProblem."""
    home.prepare()

    def locked() -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        return False

    with home.start_lock_file.open("a", encoding="utf-8") as file:
        if not locked():
            report("somebody else starts it; waiting")
            if not wait_until(locked, TURN_S, step_s=0.2):
                raise StackProblem("Somebody else's start does not come to an end; `shanliu down` stops it.")
        yield


def up(home: Home, report: Report, meter: Meter = silent) -> state.State:
    """Start everything in the background unless it runs; return when it is ready. Of several at once one
    starts it, and the others wait for it. Raises StackProblem.
    """
    with _alone(home, report):
        return _up(home, report, meter)


def _up(home: Home, report: Report, meter: Meter) -> state.State:
    ports = Ports.from_environment()
    found = running(home)
    if found is not None:
        if found.ports != ports.named():
            raise StackProblem(
                f"The stack of {home.root} runs on other ports than SHANLIU_PORT_BASE asks for (see `shanliu"
                " status`). Stop it first: shanliu down. For a second stack beside it, set SHANLIU_HOME too."
            )
        if not wait_until(lambda: (running(home) or found).phase != "starting", READY_S, step_s=0.2):
            raise StackProblem("Somebody else's start does not come to an end; `shanliu down` stops it.")
        ready = running(home)
        if ready is None or ready.phase != "ready":
            raise StackProblem("The stack is stopping; try again in a minute.")
        report("already running")
        return ready
    prepare(home, ports, report, meter)
    launcher = Launcher(home, report)
    try:
        return launcher.wait_ready()
    except KeyboardInterrupt:
        launcher.stop()
        raise


def down(home: Home, report: Report) -> bool:
    """Stop everything; False when nothing ran. Raises StackProblem when something can't be stopped."""
    found = state.read(home)
    if found is None:
        return False
    ran = found.supervised or bool(found.survivors())
    process = found.supervisor.identity.process()
    if process is not None:
        report("stopping")
        process.send_signal(signal.SIGTERM)
        if not wait_until(lambda: not found.supervised, STOP_S):
            process.kill()
            wait_until(lambda: not found.supervised, 5)
    clean_up(home, report)
    left = found.survivors()
    if left:
        pids = ", ".join(str(one.pid) for one in left)
        raise StackProblem(f"These processes could not be stopped: {pids}. Stop them by hand: kill -9 {pids}")
    return ran


def reset(home: Home) -> list[Path]:
    """Delete the data, the secrets and the logs; what was deleted. The stack has to be down."""
    if running(home) is not None:
        raise StackProblem("The stack is running. Stop it first: shanliu down")
    ours = [
        home.kafka,
        home.postgres,
        home.logs,
        home.secrets_file,
        home.operators_file,
        home.console_key_file,
        home.console_public_file,
        home.state_file,
        home.restart_file,
        home.lock_file,
        home.start_lock_file,
    ]
    # Only what we have made: SHANLIU_HOME may be a folder with other things in it.
    deleted = [path for path in ours if path.exists()]
    for path in deleted:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    with contextlib.suppress(OSError):
        home.root.rmdir()
    return deleted


def identities(found: state.State) -> list[Identity]:
    """Every process of a stack, the supervisor and the keeper too."""
    keepers = [found.keeper.identity] if found.keeper else []
    return [found.supervisor.identity, *keepers, *(one.identity for one in found.processes.values())]
