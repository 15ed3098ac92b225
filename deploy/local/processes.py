"""Child processes: started with a log file and an identity, stopped within a bound, never left behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO, Final, Protocol

import psutil

from deploy.local.problems import StackProblem

LOG_BYTES: Final = 10_000_000
"""A log file is turned over at this size, and one old file is kept: at most about 20 MB a process."""
TAIL_LINES: Final = 3
SOURCE: Final = Path(__file__).resolve().parents[2]
"""The folder that has the packages `services`, `shared` and `deploy`."""


class Stopped(Exception):
    """Somebody asked for a stop while we were waiting for something."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for certain: a pid is used again, together with its start time (seconds, UTC) it is not."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "Identity | None":
        """The identity of a living process, None when there is none."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def process(self) -> psutil.Process | None:
        """The process, when it still lives and is not a zombie."""
        try:
            process = psutil.Process(self.pid)
            # psutil takes the boot time from a clock that may be set in between: allow for a second.
            if abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except psutil.Error:
            pass
        return None

    @property
    def alive(self) -> bool:
        """True while exactly this process runs."""
        return self.process() is not None


def wait_until(
    condition: Callable[[], bool], timeout_s: float, stop: Event | None = None, step_s: float = 0.05
) -> bool:
    """Ask `condition` until it holds (True) or `timeout_s` has passed (False). Raises Stopped."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if stop is not None and stop.is_set():
            raise Stopped
        if time.monotonic() > deadline:
            return False
        time.sleep(step_s)
    return True


def turn_over(log: Path, limit_bytes: int = LOG_BYTES) -> None:
    """Move a log that has grown past the limit to `<name>.1`.

    By copy and truncate: the writer keeps its open file (it appends, so it goes on at the new end). Lines
    written in the moment between are lost; a bounded disk is worth that.
    """
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > limit_bytes:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            os.truncate(log, 0)


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, joined into one line."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8_192))
        text = file.read().decode("utf-8", "replace")
        return " | ".join(line.strip() for line in text.splitlines()[-lines:] if line.strip())
    return ""


class Keeper:
    """A small process that stops our children when we die without having stopped them ourselves.

    It holds the other end of a pipe. Whatever ends us, kill -9 included, closes our end.
    """

    def __init__(self, log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "deploy.local.keeper"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(SOURCE)},
                start_new_session=True,
            )

    @property
    def identity(self) -> Identity | None:
        """Which process it is."""
        return Identity.of(self._process.pid)

    def watch(self, identity: Identity, stop_signal: int, stage: int) -> None:
        """Have a child stopped after our death: all of stage 0 first, then stage 1, …"""
        self._tell(f"watch {identity.pid} {identity.started!r} {stop_signal} {stage}")

    def forget(self, identity: Identity) -> None:
        """A child has ended."""
        self._tell(f"forget {identity.pid}")

    def _tell(self, line: str) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(BrokenPipeError):
            pipe.write(line.encode() + b"\n")
            pipe.flush()

    def close(self) -> None:
        """Let it go; it ends at once when there is nobody left to stop."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True, slots=True)
class Command:
    """How a process is started and stopped. `stage` is the order of stopping, 0 first; `nice` is how far it
    steps back when the processors are wanted by others (0 … 19).
    """

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 15
    stage: int = 0
    folder: Path = SOURCE
    user: int | None = None
    group: int | None = None
    nice: int = 0
    descriptors: Sequence[int] = ()
    """What it inherits of our open files, under the same numbers."""


def _step_back(process: psutil.Process, nice: int) -> None:
    """Lower a process's share, before it has threads, which take it over.

    Linux weighs sessions against each other first (sched(7), autogroup), and each child has its own: there
    its nice value alone changes nothing. Not where the processes are in a cgroup with a share of its own.
    """
    process.nice(nice)
    group = Path(f"/proc/{process.pid}/autogroup")
    if group.exists():
        wait_until(lambda: _written(group, str(nice)), 1)


def _written(file: Path, text: str) -> bool:
    """Whether Linux took it: of users other than root ten changes a second, of all of them together."""
    try:
        file.write_text(text, "ascii")
    except BlockingIOError:
        return False
    return True


class Begun(Protocol):
    """A process that has been started, as subprocess.Popen is one."""

    @property
    def pid(self) -> int: ...  # noqa: D102 - as subprocess has them, all of them

    def poll(self) -> int | None: ...  # noqa: D102

    def wait(self, timeout: float | None = None) -> int: ...  # noqa: D102

    def send_signal(self, sig: int) -> None: ...  # noqa: D102

    def kill(self) -> None: ...  # noqa: D102


Begin = Callable[[Command, IO[bytes]], Begun]
"""Starts a process that writes into a file. Raises OSError."""


def begin(command: Command, output: IO[bytes]) -> Begun:
    """Start a process that writes into `output`, in a session of its own. Raises OSError."""
    return subprocess.Popen(
        command.argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=dict(command.environment),
        cwd=command.folder,
        start_new_session=True,
        pass_fds=tuple(command.descriptors),
        user=command.user,
        group=command.group,
        extra_groups=None if command.user is None else [],
    )


class Child:
    """One process of ours, in a session of its own: a Ctrl-C reaches only the one in charge."""

    def __init__(
        self, command: Command, log: Path, keeper: Keeper | None = None, how: Begin | None = None
    ) -> None:
        self.command = command
        self.log = log
        self._keeper = keeper
        turn_over(log)
        with log.open("ab") as output:
            try:
                self._process = (how or begin)(command, output)
            except OSError as error:
                raise StackProblem(
                    f"{command.name} can't be started: {command.argv[0]}: {error.strerror}."
                ) from error
        self.identity = Identity.of(self._process.pid) or Identity(self._process.pid, time.time())
        self.step_back(command.nice)
        if keeper is not None:
            keeper.watch(self.identity, command.stop_signal, command.stage)

    @property
    def pid(self) -> int:
        """The process id."""
        return self.identity.pid

    @property
    def running(self) -> bool:
        """True while the process has not ended (a frozen one has not)."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: ended by that signal."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the process has ended."""
        if self.running:
            self._process.send_signal(number)

    def step_back(self, nice: int) -> None:
        """Take less of the processors when others want them; there is no way back."""
        if nice and (process := self.identity.process()):
            _step_back(process, nice)

    def freeze(self) -> None:
        """SIGSTOP, and wait until it stands."""
        self.send(signal.SIGSTOP)
        wait_until(
            lambda: self._status() in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE, ""}, 5, step_s=0.005
        )

    def thaw(self) -> None:
        """SIGCONT."""
        self.send(signal.SIGCONT)

    def _status(self) -> str:
        process = self.identity.process()
        try:
            return process.status() if process else ""
        except psutil.Error:
            return ""

    def kill(self) -> None:
        """SIGKILL to the process, as a crash would; returns when it and what it had started are gone."""
        family = _family(self.identity)
        if self.running:
            self._process.kill()
        self._process.wait()
        self._end(family)

    def stop(self, stop_signal: signal.Signals | None = None, grace_s: float | None = None) -> bool:
        """Ask, wait for the command's grace, then kill. True when asking was enough."""
        self.ask(stop_signal)
        return self.finish(grace_s)

    def ask(self, stop_signal: signal.Signals | None = None) -> None:
        """Send the signal to stop and don't wait; finish() has to follow."""
        self.send(stop_signal or self.command.stop_signal)
        # A frozen process takes no notice of a polite signal until it is woken up.
        self.send(signal.SIGCONT)

    def finish(self, grace_s: float | None = None) -> bool:
        """Wait for the command's grace after ask(), then kill. True when asking was enough."""
        family = _family(self.identity)
        try:
            self._process.wait(self.command.stop_s if grace_s is None else grace_s)
            asked = True
        except subprocess.TimeoutExpired:
            asked = False
            self._process.kill()
            self._process.wait()
        self._end(family)
        return asked

    def ended(self) -> None:
        """Clean up after a process that ended by itself."""
        self._end([])

    def _end(self, family: Iterable[psutil.Process]) -> None:
        end_all(family)
        if self._keeper is not None:
            self._keeper.forget(self.identity)


def _family(identity: Identity) -> list[psutil.Process]:
    """Everything a process has started, as far as it still lives."""
    process = identity.process()
    try:
        return process.children(recursive=True) if process else []
    except psutil.Error:
        return []


def end_all(processes: Iterable[psutil.Process], grace_s: float = 3) -> None:
    """Wait for processes to end by themselves (a PostgreSQL backend does when its server dies), then kill."""
    _, alive = psutil.wait_procs(list(processes), timeout=grace_s)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=grace_s)
