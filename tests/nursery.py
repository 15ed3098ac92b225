"""Processes of the services that are born with their modules loaded.

To load what it needs takes `python -m services.donation` a second and a half of a core, and the tests start
processes of services two hundred times. So a nursery, `python -m tests.nursery MODULE`, loads what a service
needs and does nothing else; each process that a test asks for is its fork, and is from there on what
`python -m …` is: in a session of its own, with the environment, the folder, the log and the open sockets that
it was given, it runs the same `__main__`. Whatever is started by a process of its own (`shanliu up`,
`shanliu demo`) knows nothing of this.
"""

import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Final, Self

from deploy.local.environment import own_environment
from deploy.local.processes import SOURCE, Begun, Command, begin

HALTING: Final = "tests.faults.halting_worker"
SHELL: Final = "tests.services.shared.shell"
ALL: Final = "all"
FAMILIES: Final = {
    "deploy.bench.bare": "services.donation",
    "deploy.bench.bare_http": "services.donation",
    "services.campaign": "services.campaign",
    "services.console": "services.console",
    "services.donation": "services.donation",
    "services.notification": "services.notification",
    "services.reporting": "services.reporting",
    HALTING: "services.donation",
    SHELL: ALL,
}
"""The service whose modules a process of this module needs."""
ROLES: Final = {
    "services.donation": "services.donation.apis",
    "services.reporting": "services.reporting.showing",
}
"""What one role of a service loads beside its app."""
COMMON: Final = ("shared.service", "shared.events", "shared.access", "shared.database", "faststream.kafka")
"""Most of the time to load any of them goes into this: the nurseries are forks of one that has loaded it."""
STDERR: Final = 2
REQUEST_BYTES: Final = 200_000
SPARE: Final = 900
"""From this number on a nursery's descriptors are, while those of a new process are put in their places."""


# ---------------------------------------------------------------- who asks


class Nurseries:
    """The nurseries of a run, each begun when it is asked first."""

    def __init__(self) -> None:
        self._known: Final[dict[str, Nursery]] = {}

    def begin(self, command: Command, output: IO[bytes]) -> Begun:
        """Start a process: forked, when it is of a service as it lies here."""
        family = _family(command)
        if family is None:
            return begin(command, output)
        return self._of(family).bear(command, output)

    def _of(self, family: str) -> "Nursery":
        if family not in self._known:
            bear = begin if family == ALL else self._of(ALL).bear
            self._known[family] = Nursery(family, bear)
        return self._known[family]

    def close(self) -> None:
        """Let all go."""
        for nursery in reversed(self._known.values()):
            nursery.close()
        self._known.clear()


def _family(command: Command) -> str | None:
    """None for what has to be started: another program, or another source, as of the release before."""
    here = command.folder == SOURCE and command.environment.get("PYTHONPATH") == str(SOURCE)
    if not here or command.user is not None or [*command.argv[:2]] != [sys.executable, "-m"]:
        return None
    return FAMILIES.get(command.argv[2])


class Nursery:
    """One of them, for the processes of a service."""

    def __init__(self, family: str, bear: Callable[[Command, IO[bytes]], Begun]) -> None:
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asking.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * REQUEST_BYTES)
        command = Command(
            f"nursery of {family}",
            [sys.executable, "-m", "tests.nursery", family, str(asked.fileno())],
            {**own_environment(), "PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1"},
            descriptors=[asked.fileno()],
        )
        with asked, open(STDERR, "ab", closefd=False) as output:
            self._process = bear(command, output)

    def bear(self, command: Command, output: IO[bytes]) -> "Born":
        """Have it fork a process, which tells of its birth, and the nursery of its end."""
        told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = Wanted([*command.argv[2:]], dict(command.environment), [*command.descriptors])
        with telling:
            given = [telling.fileno(), output.fileno(), *command.descriptors]
            socket.send_fds(self._asking, [wanted.to_bytes()], given)
        return Born(told)

    def close(self) -> None:
        """Let it go; what it has borne lives on."""
        self._asking.close()
        self._process.wait()


class Born:
    """A forked process, as subprocess.Popen is one."""

    def __init__(self, told: socket.socket) -> None:
        self._told: Final = told
        self.pid: Final = self._hear("born")
        self._code: int | None = None

    def _hear(self, what: str) -> int:
        word, _, number = self._told.recv(64).decode().partition(" ")
        assert word == what, f"{word or 'nothing'} instead of {what}: what the nursery said is above"
        return int(number)

    def poll(self) -> int | None:
        """How it ended, None while it runs; negative: by that signal."""
        return self._ended(0)

    def _ended(self, within_s: float | None) -> int | None:
        if self._code is None and select.select([self._told], [], [], within_s)[0]:
            self._code = self._hear("ended")
            self._told.close()
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end. Raises subprocess.TimeoutExpired."""
        code = self._ended(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


# ---------------------------------------------------------------- the nursery


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a process is to be: its module with arguments, its environment, and the numbers under which it
    has the sockets that come with this.
    """

    argv: list[str]
    environment: dict[str, str]
    descriptors: list[int]

    def to_bytes(self) -> bytes:
        """One packet."""
        packet = json.dumps([self.argv, self.environment, self.descriptors]).encode()
        assert len(packet) < REQUEST_BYTES
        return packet

    @classmethod
    def from_bytes(cls, packet: bytes) -> Self:
        """The same on the other side."""
        return cls(*json.loads(packet))


def main() -> None:
    """Load what a service needs; fork, until nobody asks any more; in each fork run what was asked for."""
    family, asked = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
    gc.disable()
    for module in COMMON if family == ALL else (f"{family}.app", ROLES.get(family, f"{family}.app")):
        importlib.import_module(module)
    if family == ALL:
        _make_models()
    assert threading.active_count() == 1, "a fork would have one of these threads only"
    gc.freeze()
    wanted = _forking(asked)
    if wanted is not None:
        gc.enable()
        sys.argv = wanted.argv
        runpy.run_module(wanted.argv[0], run_name="__main__", alter_sys=True)


def _make_models() -> None:
    """Those of the events, which a process otherwise makes when it meets the first event of a kind."""
    for event in importlib.import_module("shared.events").EVENT_CLASSES:
        event.model_rebuild()
        event.model_fields["data"].annotation.model_rebuild()


def _forking(asked: socket.socket) -> Wanted | None:
    """Comes back in each fork, with what is wanted of it; in the nursery, with None, at the end."""
    ends, ended = os.pipe()
    os.set_blocking(ends, False)
    os.set_blocking(ended, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ended)
    telling: dict[int, socket.socket] = {}
    while True:
        watched: list[socket.socket | int] = [asked, ends]
        for each in select.select(watched, [], [])[0]:
            if each == ends:
                os.read(ends, 512)
                _tell_of_the_dead(telling)
                continue
            packet, given, _, _ = socket.recv_fds(asked, REQUEST_BYTES, 16)
            if not packet:
                return None
            wanted, pid = Wanted.from_bytes(packet), os.fork()
            if pid == 0:
                for mine in (asked, *telling.values()):
                    mine.detach()  # or its end would close a number that is another's by then
                _become(wanted, given)
                return wanted
            telling[pid] = socket.socket(fileno=given[0])
            for number in given[1:]:
                os.close(number)


def _tell_of_the_dead(telling: dict[int, socket.socket]) -> None:
    while telling:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with telling.pop(pid) as told, contextlib.suppress(BrokenPipeError):
            told.send(f"ended {os.waitstatus_to_exitcode(status)}".encode())


def _become(wanted: Wanted, given: list[int]) -> None:
    """In a fork: nothing of the nursery's stays open, and what was given is where it was asked for."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    aside = [fcntl.fcntl(number, fcntl.F_DUPFD, SPARE) for number in given]
    os.closerange(3, SPARE)
    telling, output, *descriptors = aside
    for number, place in zip([output, output, *descriptors], [1, 2, *wanted.descriptors], strict=True):
        os.dup2(number, place)
    # The nursery's own know whether its output was a file.
    sys.stdout, sys.stderr = (_unbuffered(number) for number in (1, STDERR))
    os.environ.clear()
    os.environ.update(wanted.environment)
    os.write(telling, f"born {os.getpid()}".encode())
    os.closerange(SPARE, SPARE + len(aside) + 1)


def _unbuffered(number: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(number, "wb", closefd=False), "utf-8", write_through=True)


if __name__ == "__main__":
    main()
