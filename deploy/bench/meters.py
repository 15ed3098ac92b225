"""What a benchmark takes of the machine: each process's share of a core, and its memory."""

import contextlib
import os
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import psutil

MEGABYTE: Final = 1 << 20
FULL: Final = 0.9
"""A process that takes this share of a core is held up by itself."""


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "cpu": _cpu_model(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def listener(server: str) -> int | None:
    """The process that listens on host:port, when it is on this machine and we may see it."""
    host, _, port = server.rpartition(":")
    if host not in {"127.0.0.1", "localhost", "::1"}:
        return None
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == int(port):
                return connection.pid
    return None


class CpuMeter:
    """How much of one core each process (with what it has started) takes between `begin` and `end`.

    This process is in it as `load`, by itself: what it has started is measured under other names.
    """

    def __init__(self, pids: Mapping[str, int | None]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items() if pid is not None}
        self._processes["load"] = psutil.Process()
        self._before: dict[str, float] = {}
        self._machine = psutil.cpu_times()
        self._begun_s = 0.0

    def begin(self) -> None:
        """Start measuring."""
        self._before = {name: _seconds(process) for name, process in self._processes.items()}
        self._machine = psutil.cpu_times()
        self._begun_s = time.monotonic()

    def end(self) -> dict[str, float]:
        """Cores by process (1.0: one core, all of the time), and `other`: what this machine did besides."""
        passed_s = max(time.monotonic() - self._begun_s, 1e-6)
        return {name: round(seconds / passed_s, 2) for name, seconds in self.seconds().items()}

    def seconds(self) -> dict[str, float]:
        """CPU seconds since `begin`, by process, and `other`."""
        used = {
            name: max(0.0, _seconds(process) - self._before[name])
            for name, process in self._processes.items()
        }
        now = psutil.cpu_times()
        busy = (
            sum(now) - now.idle - now.iowait - sum(self._machine) + self._machine.idle + self._machine.iowait
        )
        used["other"] = max(0.0, busy - sum(used.values()))
        return used


def _seconds(process: psutil.Process) -> float:
    total = 0.0
    with contextlib.suppress(psutil.Error):
        family = [] if process.pid == os.getpid() else process.children(recursive=True)
        for each in (process, *family):
            with contextlib.suppress(psutil.Error):
                times = each.cpu_times()
                total += times.user + times.system
    return total


def memory_mb(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory by process, in MiB."""
    found: dict[str, float] = {}
    for name, pid in pids.items():
        with contextlib.suppress(psutil.Error):
            found[name] = round(psutil.Process(pid).memory_info().rss / MEGABYTE, 1)
    return found


def held_up_by_load(cpu: Mapping[str, float], generators: Iterable[str]) -> list[str]:
    """The load generators that had no time left: then they, not the services, made the figure."""
    return [name for name in generators if cpu.get(name, 0.0) >= FULL]
