"""What a new user does: the demo's one command, as a process, on parts of its own."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.environment import own_environment
from deploy.local.processes import SOURCE
from deploy.year.people import FAMILY_NAMES, GIVEN_NAMES
from tests.deploy.test_stack import free_base

pytestmark = pytest.mark.e2e

DONATIONS = 120


@dataclass(frozen=True, slots=True)
class Played:
    """The demo played once: its folder, where it listened, and what it said."""

    home: Path
    base: int
    done: subprocess.CompletedProcess[str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One more command on the same folder."""
        return _shanliu(self.home, self.base, *arguments)


def _shanliu(home: Path, base: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **own_environment(),
        "SHANLIU_HOME": str(home),
        "SHANLIU_PORT_BASE": str(base),
        "PYTHONPATH": str(SOURCE),
    }
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def played(archive: None, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The demo, played once."""
    home, base = tmp_path_factory.mktemp("demo") / "home", free_base()
    return Played(home, base, _shanliu(home, base, "demo", "--once", "--donations", str(DONATIONS)))


def test_the_demo_proves_its_evening(played: Played) -> None:
    done = played.done
    assert done.returncode == 0, done.stderr[-2000:]
    proof = json.loads(done.stdout.splitlines()[-1])
    assert proof["donations"] >= DONATIONS
    assert proof["screen_total_fen"] == proof["total_fen"] > 0
    assert (proof["lost"], proof["double"]) == (0, 0)


def test_no_donor_stands_in_any_log(played: Played) -> None:
    home = played.home
    logs = {path.name: path.read_text("utf-8", "replace") for path in (home / "logs").iterdir()}
    assert "donation-worker.log" in logs
    names = {family + given for family, given in product(FAMILY_NAMES, GIVEN_NAMES)}
    for name, text in logs.items():
        assert not re.search(r"donor\d+@example", text), name
        assert not [donor for donor in names if donor in text], name


def test_the_secrets_are_their_owners_alone(played: Played) -> None:
    home, done = played.home, played.done
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


def test_the_demo_leaves_nothing_running(played: Played) -> None:
    home = played.home
    commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    assert [command for command in commands if str(home) in command] == []


def test_the_next_start_has_every_number_of_the_evening(played: Played) -> None:
    """On the folder of before: its topics, databases, accounts and keys."""
    proof = json.loads(played.done.stdout.splitlines()[-1])
    shown = re.search(r"/screens/([\w-]+)", played.done.stdout + played.done.stderr)
    assert shown is not None
    up = played.run("up")
    try:
        assert up.returncode == 0, up.stderr[-2000:]
        totals = f"http://127.0.0.1:{played.base + 4}/v1/campaigns/{shown[1]}/totals"
        assert httpx.get(totals, timeout=10).json()["net_fen"] == proof["total_fen"]
        proved = played.run("verify", shown[1], "--json")
        assert proved.returncode == 0, proved.stdout + proved.stderr
    finally:
        assert played.run("down").returncode == 0
