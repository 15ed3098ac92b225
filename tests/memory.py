"""Where the run's own servers have their files: in memory, where there is room for them."""

import shutil
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - whatever is made there has a name of its own
ROOM_BYTES: Final = 4 << 30
"""A server's log and its databases stay below a fourth of it, and a run has up to three of a kind."""


def in_memory() -> Path | None:
    """A folder whose files are never written to a disk; None, for the system's own, without one or without
    room. To copy the five databases of a stack takes 0.08 s of a core there, and 0.9 on a disk.
    """
    try:
        return MEMORY if shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None
    except OSError:
        return None
