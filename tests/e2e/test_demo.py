"""What a new user does: the demo's one command, as a process, on parts of its own."""

import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import psutil
import pytest

from deploy.local.environment import own_environment
from deploy.local.processes import SOURCE
from deploy.year.people import FAMILY_NAMES, GIVEN_NAMES
from tests.deploy.test_stack import free_base

pytestmark = pytest.mark.e2e

DONATIONS = 120


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The demo played once: its folder and what it said."""
    home = tmp_path_factory.mktemp("demo") / "home"
    done = subprocess.run(
        [sys.executable, "-m", "deploy.cli", "demo", "--once", "--donations", str(DONATIONS)],
        env={
            **own_environment(),
            "SHANLIU_HOME": str(home),
            "SHANLIU_PORT_BASE": str(free_base()),
            "PYTHONPATH": str(SOURCE),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return home, done


def test_the_demo_proves_its_evening(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = played
    assert done.returncode == 0, done.stderr[-2000:]
    proof = json.loads(done.stdout.splitlines()[-1])
    assert proof["donations"] >= DONATIONS
    assert proof["screen_total_fen"] == proof["total_fen"] > 0
    assert (proof["lost"], proof["double"]) == (0, 0)


def test_no_donor_stands_in_any_log(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    home, _ = played
    logs = {path.name: path.read_text("utf-8", "replace") for path in (home / "logs").iterdir()}
    assert "donation-worker.log" in logs
    names = {family + given for family, given in product(FAMILY_NAMES, GIVEN_NAMES)}
    for name, text in logs.items():
        assert not re.search(r"donor\d+@example", text), name
        assert not [donor for donor in names if donor in text], name


def test_the_secrets_are_their_owners_alone(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    home, done = played
    assert (home / "secrets.json").stat().st_mode & 0o077 == 0
    secrets = json.loads((home / "secrets.json").read_text())
    told = (
        done.stdout
        + done.stderr
        + "".join(path.read_text("utf-8", "replace") for path in (home / "logs").iterdir())
    )
    for secret in [
        *secrets["operators"].values(),
        *secrets["channels"].values(),
        secrets["channel_key"],
        secrets["webhook_key"],
    ]:
        assert secret not in told


def test_the_demo_leaves_nothing_running(played: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    home, _ = played
    commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if str(home) in command] == []
