"""The process that outlives a killed supervisor just long enough to stop what it had started.

It reads lines from its standard input, "watch <pid> <start time> <signal> <stage>" and "forget <pid>", and
at the end of the input, which comes with the other side's death, it stops those still watched.
"""

import contextlib
import signal
import sys
import time
from dataclasses import dataclass
from typing import Final

import psutil

from deploy.local.processes import Identity, end_all

STAGE_S: Final = 8
"""How long the processes of one stage may take before they are killed."""


@dataclass(frozen=True, slots=True)
class Watched:
    """One process to stop."""

    identity: Identity
    stop_signal: int
    stage: int


def read_watched() -> list[Watched]:
    """Follow the input until its end; what is watched by then."""
    watched: dict[int, Watched] = {}
    for line in sys.stdin:
        match line.split():
            case ["watch", pid, started, stop_signal, stage]:
                identity = Identity(int(pid), float(started))
                watched[identity.pid] = Watched(identity, int(stop_signal), int(stage))
            case ["forget", pid]:
                watched.pop(int(pid), None)
            case _:
                raise ValueError(f"not understood: {line!r}")
    return list(watched.values())


def stop_stage(stage: list[Watched]) -> None:
    """Ask all processes of a stage to stop, and kill those that don't within the bound."""
    living = [(one, process) for one in stage if (process := one.identity.process())]
    families: list[psutil.Process] = []
    for _, process in living:
        with contextlib.suppress(psutil.Error):
            families += process.children(recursive=True)
    for one, process in living:
        with contextlib.suppress(psutil.Error):
            process.send_signal(one.stop_signal)
            # A frozen process takes no notice of a polite signal until it is woken up.
            process.send_signal(signal.SIGCONT)
    # Not our children: psutil looks at them until they are gone.
    end_all([process for _, process in living], STAGE_S)
    end_all(families)


def main() -> None:
    """Wait for the end of the input, then stop what is left, stage by stage."""
    # Whoever stops the other side by a signal to a whole group must not stop the one who cleans up.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    left = read_watched()
    for stage in sorted({one.stage for one in left}):
        begun = time.monotonic()
        members = [one for one in left if one.stage == stage]
        stop_stage(members)
        names = ", ".join(str(one.identity.pid) for one in members)
        sys.stderr.write(f"keeper: stopped {names} in {time.monotonic() - begun:.1f} s\n")


if __name__ == "__main__":
    main()
