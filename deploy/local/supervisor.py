"""The process that owns all others: `python -m deploy.local.supervisor [--tied]`.

`shanliu up` starts it in the background; with --tied it ends when its standard input does, which is how
`shanliu demo` makes sure that nothing outlives it.
"""

from shared import loading  # isort: split

import argparse
import fcntl
import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from typing import IO, Any, Final

from deploy.local import restarting, state
from deploy.local.layout import Home, Ports
from deploy.local.problems import StackProblem
from deploy.local.processes import Identity, Stopped
from deploy.local.stack import Stack

TICK_S: Final = 0.25


def report(line: str) -> None:
    """One line into the supervisor's log, which is our standard output."""
    sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}\n")
    sys.stdout.flush()


def lock(home: Home) -> IO[str]:
    """Hold the folder as long as we live. Raises StackProblem when another supervisor has it."""
    file = home.lock_file.open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise StackProblem(f"Another stack already runs in {home.root}; see `shanliu status`.") from error
    return file


class Supervisor:
    """Starts the stack, tends it, and stops it when asked."""

    def __init__(self, home: Home, ports: Ports) -> None:
        self._home = home
        self._stop_asked = threading.Event()
        identity = Identity.of(os.getpid())
        assert identity is not None
        self._state = state.State(supervisor=state.state_of(identity), ports=ports.named())
        self._state.write(home)
        self._stack = Stack(home, ports, self._report, self._stop_asked)

    def ask_to_stop(self, *_: Any) -> None:
        """Stop soon (also a signal handler)."""
        self._stop_asked.set()

    def run(self) -> int:
        """The whole life; the exit code."""
        begun = time.monotonic()
        try:
            self._stack.start()
            self._enter("ready")
            report(f"ready ({time.monotonic() - begun:.1f} s)")
            restarts = restarting.Restarts(self._home, self._state, self._stack, report)
            while not self._stop_asked.wait(TICK_S):
                if self._stack.tend() | restarts.step():
                    self._write()
        except Stopped:
            pass
        except StackProblem as problem:
            return self._fail(str(problem))
        except Exception as error:  # noqa: BLE001 - whatever it is: nothing may be left running
            return self._fail(f"{type(error).__name__}: {error} (see {self._home.logs / 'supervisor.log'})")
        self._enter("stopping")
        self._stack.stop()
        self._enter("stopped")
        return 0

    def _fail(self, problem: str) -> int:
        report(f"failed: {problem}")
        self._write()
        self._stack.stop()
        self._state.problem = " ".join(problem.split())
        self._enter("failed")
        return 1

    def _report(self, line: str) -> None:
        report(line)
        self._write()

    def _enter(self, phase: state.Phase) -> None:
        self._state.phase = phase
        self._write()

    def _write(self) -> None:
        self._stack.describe(self._state)
        self._state.write(self._home)


def follow_input(supervisor: Supervisor) -> None:
    """Ask the supervisor to stop when our standard input ends."""

    def read() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        supervisor.ask_to_stop()

    threading.Thread(target=read, daemon=True, name="input").start()


def main() -> int:
    """Run until a signal (or the end of the input with --tied)."""
    loading.done()
    parser = argparse.ArgumentParser(prog="supervisor")
    parser.add_argument("--tied", action="store_true")
    tied: bool = parser.parse_args().tied
    home = Home.from_environment()
    try:
        held = lock(home)
        supervisor = Supervisor(home, Ports.from_environment())
    except StackProblem as problem:
        report(f"failed: {problem}")
        return 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, supervisor.ask_to_stop)
    if tied:
        follow_input(supervisor)
    with held:
        return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
