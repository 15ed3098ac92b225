"""The containers: what their files say, always; the whole of it started, where a Docker daemon answers and
the images are there (tests/deploy/conftest.py tells when it was left out, and why).
"""

import asyncio
import json
import logging
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from deploy.evening import signature_headers
from deploy.local.credentials import Credentials
from deploy.local.layout import SERVICES as EVENT_SERVICES
from deploy.local.layout import Home, unused_ports
from deploy.local.services import SERVICES, Wiring
from deploy.screen import Screen
from deploy.secret_files import write_secrets

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
UP_S = 300
FIRST_DONATION_S = 180
"""A minute is the goal where nothing else runs (docs/containers.md says what was measured)."""


def _declared() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))
    return loaded


CONTAINERS: Mapping[str, dict[str, Any]] = _declared()["services"]
PUBLISHED = ("donation", "notification", "reporting", "console", "mail")

# ---------------------------------------------------------------- what the files say


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_a_container_can_do_no_more_than_it_must(name: str) -> None:
    container = CONTAINERS[name]
    user, _, group = container["user"].partition(":")

    assert container["read_only"] is True
    assert container["cap_drop"] == ["ALL"]
    assert container["security_opt"] == ["no-new-privileges:true"]
    assert int(user) > 0
    assert int(group) > 0
    assert {"mem_limit", "pids_limit", "logging"} <= container.keys()
    assert not {"privileged", "cap_add", "network_mode", "pid", "devices"} & container.keys()


@pytest.mark.parametrize("name", sorted(CONTAINERS))
def test_only_what_people_and_channels_reach_has_a_port_and_it_is_on_loopback(name: str) -> None:
    ports = CONTAINERS[name].get("ports", [])

    assert bool(ports) == (name in PUBLISHED)
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert ("outside" in CONTAINERS[name]["networks"]) == (name in PUBLISHED)


def test_images_are_ours_or_official_ones_of_one_version() -> None:
    images = {container["image"] for container in CONTAINERS.values()}
    assert images == {"${SHANLIU_IMAGE:-shanliu:local}", "apache/kafka:4.3.0", "postgres:18"}


def test_each_process_of_the_local_stack_is_a_container_with_the_same_settings(tmp_path: Path) -> None:
    wiring = Wiring(
        kafka="kafka:9092",
        databases=dict.fromkeys((*EVENT_SERVICES, "console"), "url"),
        ports={service.port_name: 8100 for service in SERVICES},
        operators_file=tmp_path,
        channel_key="key",
        webhook_key="key",
        smtp_port=8025,
        console_key_file=tmp_path,
        console_public_file=tmp_path,
    )
    for service in SERVICES:
        container = CONTAINERS[service.name]
        told = {name.lower() for name in container["environment"]}
        told |= {_target(secret) for secret in container["secrets"]}
        wanted = wiring.environment(service).keys() - os.environ.keys()
        wanted -= {"PYTHONPATH", "PYTHONUNBUFFERED", "KAFKA_NAMESPACE"}

        assert container["command"] == ["python", "-m", service.module]
        assert container["environment"].get("ROLES") == service.roles
        assert {name for name in wanted if name.lower() not in told} == set()
        assert container["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
    assert "deploy.local.mailcatcher" in CONTAINERS["mail"]["command"]


def _target(secret: str | dict[str, str]) -> str:
    return secret if isinstance(secret, str) else secret["target"]


def test_a_container_is_given_its_own_secrets_alone() -> None:
    for service in SERVICES:
        sources = {
            each if isinstance(each, str) else each["source"] for each in CONTAINERS[service.name]["secrets"]
        }
        assert {name for name in sources if name.endswith("_url")} == {f"{service.database}_database_url"}
        assert ("console-key.json" in sources) == (service.name == "console")


def test_every_secret_that_is_named_is_made_and_none_is_in_the_repository(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = write_secrets(folder, "postgres:5432")
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    write_secrets(folder, "postgres:5432")

    assert {Path(each["file"]).name for each in _declared()["secrets"].values()} == set(made)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == again
    for container in CONTAINERS.values():
        assert not [name for name in container.get("environment", {}) if name.endswith(("PASSWORD", "_KEY"))]


def test_the_image_is_built_of_locked_wheels_for_nobody_in_particular() -> None:
    stages = re.split(r"(?m)^FROM ", DOCKERFILE.read_text("utf-8"))
    installs = [line for line in stages[1].splitlines() if " install " in line and "pip " in line]

    assert installs
    assert all("--require-hashes --only-binary=:all:" in line for line in installs)
    assert re.search(r"(?m)^USER 10001:10001$", stages[-1])
    assert "HEALTHCHECK" in stages[-1]
    assert "sbom.cdx.json" in stages[1]
    assert "://" not in DOCKERFILE.read_text("utf-8")


# ---------------------------------------------------------------- the whole, started


@dataclass(frozen=True, slots=True)
class Containers:
    """A set of containers of its own: name, secrets and ports are nobody else's."""

    project: str
    credentials: Credentials
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    begun: float

    def compose(self, *arguments: str, told: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["docker", "compose", "-p", self.project, "-f", str(COMPOSE), *arguments],
            env={**os.environ, **self.environment},
            input=told,
            capture_output=True,
            text=True,
            timeout=UP_S,
            check=False,
        )

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    folder = tmp_path_factory.mktemp("secrets")
    write_secrets(folder, "postgres:5432")
    ports = dict(zip(PUBLISHED, unused_ports(len(PUBLISHED)), strict=True))
    environment = {
        "SHANLIU_SECRETS": str(folder),
        **{f"{name.upper()}_PORT": str(port) for name, port in ports.items()},
    }
    credentials = Credentials.load_or_make(Home(folder).secrets_file)
    project = f"shanliu-test-{secrets.token_hex(4)}"
    started = Containers(project, credentials, environment, ports, time.monotonic())
    try:
        up = started.compose("up", "--detach", "--wait", "--quiet-pull")
        assert up.returncode == 0, f"{up.stderr[-2000:]}\n{started.compose('logs', '--tail', '20').stdout}"
        yield started
    finally:
        started.compose("down", "--volumes", "--remove-orphans", "--timeout", "5")


SET_UP = """
set -e
export OPERATOR_TOKEN=$ADMINISTRATOR
shanliu organisation add our-city --name 示例慈善总会 --licence 示例 >&2
OPERATOR_TOKEN=$DESK shanliu campaign launch /dev/stdin --filing-number 示例 >&2
shanliu channel add hall --title 示例渠道 --json
"""


@pytest.mark.containers
async def test_the_first_donation_is_on_the_screen_soon_after_the_start(
    containers: Containers,
) -> None:
    ready_s = time.monotonic() - containers.begun
    tokens = containers.credentials.operators
    made = await asyncio.to_thread(
        containers.compose,
        *("run", "--rm", "-T", "-e", f"ADMINISTRATOR={tokens['administrator']}"),
        *("-e", f"DESK={tokens['desk.lin']}", "cli", "bash", "-c", SET_UP),
        told=(ROOT / "docs" / "campaigns" / "gala.json").read_text("utf-8"),
    )
    assert made.returncode == 0, made.stderr
    screen = Screen(f"{containers.url('reporting')}/v1/campaigns/gala-2027/stream")
    following = asyncio.create_task(screen.follow())
    body = json.dumps(
        {
            "transaction_id": "first",
            "campaign_id": "gala-2027",
            "amount_fen": 12_345,
            "currency": "CNY",
            "occurred_at": datetime.now(UTC).isoformat(),
            "donor": {"kind": "person", "display": "anonymous", "name": "某人"},
        }
    ).encode()
    headers = signature_headers(json.loads(made.stdout)["secret"], body, "first", datetime.now(UTC))
    try:
        async with httpx.AsyncClient(base_url=containers.url("donation"), timeout=10) as http:
            answer = await http.post("/v1/channels/hall/donations", content=body, headers=headers)
        assert answer.status_code == 202, answer.text
        assert await screen.until(FIRST_DONATION_S, net_fen=12_345, donations=1)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    shown_s = time.monotonic() - containers.begun
    logging.getLogger(__name__).warning("all ready %.1f s, first donation %.1f s", ready_s, shown_s)
    proved = containers.compose("run", "--rm", "-T", "cli", "shanliu", "verify", "gala-2027", "--json")
    assert proved.returncode == 0, proved.stdout + proved.stderr
    assert shown_s <= FIRST_DONATION_S


@pytest.mark.containers
def test_what_runs_is_nobody_and_can_write_nowhere(containers: Containers) -> None:
    for service in SERVICES:
        tried = containers.compose(
            "exec",
            "-T",
            service.name,
            "sh",
            "-c",
            "id -u; touch /opt/shanliu/app/x /run/secrets/x || echo refused",
        )
        assert tried.stdout.split() == ["10001", "refused"]
    told = containers.compose("config").stdout + containers.compose("logs").stdout
    known = containers.credentials
    for secret in (known.postgres_admin, known.channel_key, *known.databases.values()):
        assert secret not in told


@pytest.mark.containers
def test_a_second_start_makes_nothing_anew(containers: Containers) -> None:
    again = containers.compose("run", "--rm", "-T", "init")
    assert again.returncode == 0, again.stderr
    assert "topics: 0 made, 8 there" in again.stdout + again.stderr
