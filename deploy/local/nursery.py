"""A fork server for the services' processes: they are born with what each of them needs already loaded.

To load it takes a process 0.6 of its second of a core, and a stack begins with seven. So one process, a
nursery, loads it once and does nothing else; each process is its fork, and is from there on what
`python -m …` is: in a session of its own, with the environment, the folder, the log and the open sockets that
it was given, it runs the same `__main__`. Only a stack's start is quickened so: what is started later is to
run the code as it lies there then, and begins anew (docs/decisions/0045-cost-of-a-start.md).
"""

import contextlib
import errno
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from deploy.local.environment import own_environment
from deploy.local.processes import SOURCE, Begin, Begun, Command, Identity, begin, wait_until

COMMON: Final = (
    "shared.service",
    "shared.events",
    "shared.access",
    "shared.database",
    "faststream.kafka",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "asyncpg",
    "uvicorn.protocols.http.auto",
    "uvloop",
    "pydantic.v1",
    "shared.console_tokens",
)
"""What every service needs, also what libraries load only when they are first used. It has no metrics that
only some of them tell.
"""
HERE: Final = sys.platform == "linux"
"""Whether there can be one: elsewhere a socket keeps no packets apart, and libraries do not bear a fork."""
STDERR: Final = 2
BIRTH_S: Final = 30
"""It may still be loading."""
REQUEST_BYTES: Final = 200_000
SPARE: Final = 900
"""From this number on a nursery's descriptors are, while those of a new process are put in their places."""
UNKNOWN: Final = -signal.SIGKILL
"""How a process ended whose nursery can't tell any more."""
NAME_BYTES: Final = 15

# ---------------------------------------------------------------- who asks


class Nursery:
    """One of them: `python -m MODULE ARGUMENTS…`, whose last argument is the socket that `serve` wants. The
    services are those in the folder `source`.
    """

    def __init__(self, *arguments: str, bear: Begin = begin, source: Path = SOURCE) -> None:
        self._asking, asked = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asking.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * REQUEST_BYTES)
        command = Command(
            "nursery",
            [sys.executable, "-m", *(arguments or (__name__, *COMMON)), str(asked.fileno())],
            {**own_environment(), "PYTHONPATH": f"{source}{os.pathsep}{SOURCE}", "PYTHONUNBUFFERED": "1"},
            folder=source,
            descriptors=[asked.fileno()],
        )
        with asked, open(STDERR, "ab", closefd=False) as output:
            self._process = bear(command, output)

    def bear(self, command: Command, output: IO[bytes]) -> "Born":
        """Have it fork a process, which tells of its birth, and the nursery of its end. Raises OSError when
        the nursery is gone or does nothing.
        """
        told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        wanted = Wanted(command.name, [*command.argv[2:]], dict(command.environment), [*command.descriptors])
        with telling:
            given = [telling.fileno(), output.fileno(), *command.descriptors]
            socket.send_fds(self._asking, [wanted.to_bytes()], given)
        return Born(told)

    def close(self) -> None:
        """End it, also while it still loads; what it has borne lives on."""
        self._asking.close()
        self._process.kill()
        self._process.wait()


def born_or_begun(nursery: Nursery, command: Command, output: IO[bytes]) -> Begun:
    """A fork, or, when the nursery is gone, a process that loads everything itself. Raises OSError."""
    try:
        return nursery.bear(command, output)
    except OSError:
        return begin(command, output)


class Born:
    """A forked process, as subprocess.Popen is one."""

    def __init__(self, told: socket.socket) -> None:
        self._told: Final = told
        self._code: int | None = None
        told.settimeout(BIRTH_S)
        number = self._hear("born")
        told.settimeout(None)
        if number is None:
            raise ConnectionResetError("the nursery is gone")
        self.pid: Final = number
        self._identity: Final = Identity.of(number)

    def _hear(self, what: str) -> int | None:
        """The number that is told; None when nobody is there to tell it."""
        with contextlib.suppress(ConnectionError):
            word, _, number = self._told.recv(64).decode().partition(" ")
            return int(number) if word == what else None
        return None

    def poll(self) -> int | None:
        """How it ended, None while it runs; negative: by that signal."""
        return self._ended(0)

    def _ended(self, within_s: float | None) -> int | None:
        if self._code is None and select.select([self._told], [], [], within_s)[0]:
            code = self._hear("ended")
            if code is None and not self._gone(within_s):
                return None
            self._code = UNKNOWN if code is None else code
            self._told.close()
        return self._code

    def _gone(self, within_s: float | None) -> bool:
        """Whether it has ended, without the nursery."""
        known, bound_s = self._identity, float("inf") if within_s is None else within_s
        return wait_until(lambda: known is None or not known.alive, bound_s)

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
    """What a process is to be: its name, its module with arguments, its environment, and the numbers under
    which it has the sockets that come with this.
    """

    name: str
    argv: list[str]
    environment: dict[str, str]
    descriptors: list[int]

    def to_bytes(self) -> bytes:
        """One packet. Raises OSError."""
        packet = json.dumps([self.name, self.argv, self.environment, self.descriptors]).encode()
        if len(packet) >= REQUEST_BYTES:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        return packet

    @classmethod
    def from_bytes(cls, packet: bytes) -> Self:
        """The same on the other side."""
        return cls(*json.loads(packet))


def load(modules: Sequence[str]) -> None:
    """Load these for all that will be forked."""
    gc.disable()
    for module in modules:
        importlib.import_module(module)


def serve(asked: socket.socket) -> None:
    """Fork, until nobody asks any more; in each fork run what was asked for."""
    assert threading.active_count() == 1, "a fork would have one of these threads only"
    gc.freeze()
    wanted = _forking(asked)
    if wanted is not None:
        gc.enable()
        sys.argv = wanted.argv
        runpy.run_module(wanted.argv[0], run_name="__main__", alter_sys=True)


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
    Path("/proc/self/comm").write_bytes(wanted.name.encode()[:NAME_BYTES])
    os.write(telling, f"born {os.getpid()}".encode())
    os.closerange(SPARE, SPARE + len(aside) + 1)


def _unbuffered(number: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.FileIO(number, "wb", closefd=False), "utf-8", write_through=True)


def main() -> None:
    """`python -m deploy.local.nursery MODULE… SOCKET`."""
    *modules, asked = sys.argv[1:]
    load(modules)
    serve(socket.socket(fileno=int(asked)))


if __name__ == "__main__":
    main()
