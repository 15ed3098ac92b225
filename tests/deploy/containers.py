"""Sets of containers, started for a test: name, secrets and ports are nobody else's."""

import asyncio
import json
import os
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from deploy.evening import signature_headers
from deploy.local.credentials import Credentials
from deploy.local.layout import Home, unused_ports
from deploy.screen import Screen
from deploy.secret_files import write_secrets

ROOT: Final = Path(__file__).resolve().parents[2]
COMPOSE: Final = ROOT / "deploy" / "compose.yaml"
WATCHING: Final = ROOT / "deploy" / "compose.observability.yaml"
CLUSTER: Final = ROOT / "deploy" / "compose.cluster.yaml"
BROKERS: Final = ("kafka", "kafka-2", "kafka-3")
UP_S: Final = 300
CAMPAIGN: Final = "gala-2027"
FIRST_DONATION_S: Final = 180
"""A minute is the goal where nothing else runs (docs/containers.md says what was measured)."""


def declared(part: str, *files: Path) -> dict[str, Any]:
    """What Compose files say together of services, secrets, …"""
    loaded = [yaml.safe_load(path.read_text("utf-8"))[part] for path in files]
    return {name: said for each in loaded for name, said in each.items()}


@dataclass(frozen=True, slots=True)
class Containers:
    """One set of containers."""

    project: str
    files: tuple[Path, ...]
    secrets: Path
    credentials: Credentials
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    begun: float
    ready_s: float = 0.0

    def compose(self, *arguments: str, told: str | None = None) -> "subprocess.CompletedProcess[str]":
        """One command of Compose, with what it says."""
        files = [word for file in self.files for word in ("-f", str(file))]
        return subprocess.run(
            ["docker", "compose", "-p", self.project, *files, *arguments],
            env={**os.environ, **self.environment},
            input=told,
            capture_output=True,
            text=True,
            timeout=UP_S,
            check=False,
        )

    def docker(self, *arguments: str) -> None:
        """One command of Docker's own, that has to succeed."""
        done = subprocess.run(
            ["docker", *arguments], capture_output=True, text=True, timeout=UP_S, check=False
        )
        assert done.returncode == 0, done.stderr

    def of(self, service: str) -> str:
        """The container's name."""
        return f"{self.project}-{service}-1"

    def cut_off(self, service: str, *networks: str) -> None:
        """Take a container out of networks: who is in them hears nothing more of it, and it of them."""
        for network in networks:
            self.docker("network", "disconnect", f"{self.project}_{network}", self.of(service))

    def connect(self, service: str, alias: str, *networks: str) -> None:
        """Put it back, under the name that it has there."""
        for network in networks:
            named = f"{self.project}_{network}"
            self.docker("network", "connect", "--alias", alias, named, self.of(service))

    def url(self, name: str) -> str:
        """Where a service that publishes a port is reached."""
        return f"http://127.0.0.1:{self.ports[name]}"


@contextmanager
def started(
    folder: Path,
    *more: Path,
    published: Sequence[str],
    only: Sequence[str] = (),
    told: Mapping[str, str] | None = None,
) -> Iterator[Containers]:
    """What compose.yaml and the files over it say, or `only` these; gone with their data at the end. Ports of
    what is `published` are chosen here.
    """
    write_secrets(folder, "postgres:5432", cluster="localhost" if CLUSTER in more else None)
    ports = dict(zip(published, unused_ports(len(published)), strict=True))
    environment = {
        "SHANLIU_SECRETS": str(folder),
        **{f"{name.upper().replace('-', '_')}_PORT": str(port) for name, port in ports.items()},
        **(told or {}),
    }
    credentials = Credentials.load_or_make(Home(folder).secrets_file)
    project = f"shanliu-test-{secrets.token_hex(4)}"
    begun = time.monotonic()
    made = Containers(project, (COMPOSE, *more), folder, credentials, environment, ports, begun)
    try:
        up = made.compose("up", "--detach", "--wait", "--quiet-pull", *only)
        assert up.returncode == 0, f"{up.stderr[-2000:]}\n{made.compose('logs', '--tail', '20').stdout}"
        yield replace(made, ready_s=time.monotonic() - begun)
    finally:
        made.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")


SET_UP: Final = """
set -e
export OPERATOR_TOKEN=$ADMINISTRATOR
shanliu organisation add our-city --name 示例慈善总会 --licence 示例 >&2
OPERATOR_TOKEN=$DESK shanliu campaign launch /dev/stdin --filing-number 示例 >&2
shanliu channel add hall --title 示例渠道 --json
"""


def hall_of(containers: Containers) -> str:
    """Launch a gala and register a channel: the secret that it signs with."""
    tokens = containers.credentials.operators
    made = containers.compose(
        *("run", "--rm", "-T", "-e", f"ADMINISTRATOR={tokens['administrator']}"),
        *("-e", f"DESK={tokens['desk.lin']}", "cli", "bash", "-c", SET_UP),
        told=(ROOT / "docs" / "campaigns" / "gala.json").read_text("utf-8"),
    )
    assert made.returncode == 0, made.stderr
    secret: str = json.loads(made.stdout)["secret"]
    return secret


def launched(containers: Containers, campaign_id: str) -> None:
    """Launch one more campaign, after hall_of."""
    plan = (ROOT / "docs" / "campaigns" / "gala.json").read_text("utf-8").replace(CAMPAIGN, campaign_id)
    made = containers.compose(
        *("run", "--rm", "-T", "-e", f"OPERATOR_TOKEN={containers.credentials.operators['desk.lin']}"),
        *("cli", "shanliu", "campaign", "launch", "/dev/stdin", "--filing-number", campaign_id),
        told=plan,
    )
    assert made.returncode == 0, made.stderr


async def give(containers: Containers, secret: str, transaction_id: str) -> None:
    """One donation of 123.45 by the hall's channel."""
    body = json.dumps(
        {
            "transaction_id": transaction_id,
            "campaign_id": CAMPAIGN,
            "amount_fen": 12_345,
            "currency": "CNY",
            "occurred_at": datetime.now(UTC).isoformat(),
            "donor": {"kind": "person", "display": "anonymous", "name": "某人"},
        }
    ).encode()
    headers = signature_headers(secret, body, transaction_id, datetime.now(UTC))
    async with httpx.AsyncClient(base_url=containers.url("donation"), timeout=10) as http:
        answer = await http.post("/v1/channels/hall/donations", content=body, headers=headers)
    assert answer.status_code == 202, answer.text


async def first_donation(containers: Containers, secret: str) -> float:
    """Give once, see it on the screen and have it proved; seconds from the start until it was shown."""
    screen = Screen(f"{containers.url('reporting')}/v1/campaigns/{CAMPAIGN}/stream")
    following = asyncio.create_task(screen.follow())
    try:
        await give(containers, secret, "first")
        assert await screen.until(FIRST_DONATION_S, net_fen=12_345, donations=1)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    shown_s = time.monotonic() - containers.begun
    proved = containers.compose("run", "--rm", "-T", "cli", "shanliu", "verify", CAMPAIGN, "--json")
    assert proved.returncode == 0, proved.stdout + proved.stderr
    return shown_s
