"""The Makefile, as far as it can be tried without installing anything."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "awk", "df", "sed", "rm", "touch", "make")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout on a machine that has nothing but make's own tools."""
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def _make(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={"PATH": str(folder / "bin"), "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_make_alone_lists_the_targets(bare: Path) -> None:
    done = _make(bare)
    assert done.returncode == 0, done.stderr
    for target in ("demo", "test", "check", "up", "bench", "lock", "clean"):
        assert f" {target} " in done.stdout


def test_an_old_python_is_one_line_with_what_to_do(bare: Path) -> None:
    python = bare / "bin" / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n', "utf-8")
    python.chmod(0o755)

    done = _make(bare, "demo")

    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(said) == 1
    assert "Python 3.11 or newer" in said[0]
    assert "found Python 3.9.2" in said[0]


def test_no_python_at_all_is_one_line_too(bare: Path) -> None:
    done = _make(bare, "test")
    assert done.returncode != 0
    assert "found no Python" in done.stderr
