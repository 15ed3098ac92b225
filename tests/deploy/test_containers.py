"""The containers: what their files say, always; the whole of it started, where a Docker daemon answers and
the images are there (tests/deploy/conftest.py tells when it was left out, and why).
"""

import contextlib
import itertools
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from deploy.grafana.boards import BOARDS
from deploy.local.layout import SERVICES as EVENT_SERVICES
from deploy.local.services import SERVICES, Wiring
from deploy.secret_files import write_secrets
from tests.deploy.conftest import prometheus_image
from tests.deploy.containers import (
    COMPOSE,
    FIRST_DONATION_S,
    ROOT,
    WATCHING,
    Containers,
    declared,
    first_donation,
    give,
    hall_of,
    started,
)
from tests.promql import as_grafana_asks
from tests.waiting import until

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
CONTAINERS: Mapping[str, dict[str, Any]] = declared("services", COMPOSE, WATCHING)
WATCHERS = ("prometheus", "grafana")
PUBLISHED = ("donation", "notification", "reporting", "console", "mail", "prometheus", "grafana")

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
    assert images == {
        "${SHANLIU_IMAGE:-shanliu:local}",
        "apache/kafka:4.3.0",
        "postgres:18",
        "${PROMETHEUS_IMAGE:-prom/prometheus:v3.13.2}",
        "${GRAFANA_IMAGE:-grafana/grafana:13.2.3}",
    }


def test_who_watches_is_given_its_files_alone_and_keeps_what_it_has_seen_within_bounds() -> None:
    mounted = {
        name: dict(volume.split(":", 1) for volume in CONTAINERS[name]["volumes"])
        for name in ("prometheus", "grafana")
    }
    files = {name: {at: to for at, to in each.items() if at[0] == "."} for name, each in mounted.items()}
    for each in files.values():
        for at, to in each.items():
            assert (COMPOSE.parent / at).is_dir()
            assert to.endswith(":ro")
    told = CONTAINERS["prometheus"]["command"]
    assert any(option.startswith("--storage.tsdb.retention.size=") for option in told)
    assert not any("enable-admin-api" in option or "enable-lifecycle" in option for option in told)
    assert f"--config.file={files['prometheus']['./prometheus'][:-3]}/prometheus.yml" in told
    grafana = CONTAINERS["grafana"]["environment"]
    assert files["grafana"]["./grafana/dashboards"] == f"{grafana['SHANLIU_DASHBOARDS']}:ro"
    assert grafana["PROMETHEUS_URL"] == "http://prometheus:9090"
    assert grafana["GF_SECURITY_ADMIN_PASSWORD__FILE"] == "/run/secrets/grafana_password"
    assert CONTAINERS["grafana"]["secrets"] == ["grafana_password"]
    assert "secrets" not in CONTAINERS["prometheus"]


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

    assert {Path(each["file"]).name for each in declared("secrets", COMPOSE, WATCHING).values()} == set(made)
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


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    ours = [name for name in CONTAINERS if name not in {*WATCHERS, "cli"}]
    told = {"PROMETHEUS_IMAGE": prometheus_image() or ""}
    folder = tmp_path_factory.mktemp("secrets")
    with started(folder, WATCHING, published=PUBLISHED, only=ours, told=told) as running:
        yield running


@pytest.fixture(scope="module")
def hall(containers: Containers) -> str:
    """A campaign that is launched, and a channel: the secret that it signs with."""
    return hall_of(containers)


@pytest.mark.containers
async def test_the_first_donation_is_on_the_screen_soon_after_the_start(
    containers: Containers, hall: str
) -> None:
    shown_s = await first_donation(containers, hall)
    logging.getLogger(__name__).warning(
        "all ready %.1f s, first donation %.1f s", containers.ready_s, shown_s
    )
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
    assert "topics: 0 made" in again.stdout + again.stderr


# ---------------------------------------------------------------- Prometheus beside it

QUIET: Final = {
    "Payment companies' notices": "no payment company calls",
    "Reconciled": "no bill has come",
    "Open breaks": "no bill has come",
    "Messages sent": "the donor left no address",
    "Time of a message": "the donor left no address",
    "Mail server's failures": "it did not fail",
    "Partners called": "there is no partner",
    "Time to a partner": "there is no partner",
}
"""Panels that have nothing to show of donations alone, and why. Every other one does."""


@pytest.fixture(scope="module")
def prometheus(containers: Containers) -> Iterator[httpx.Client]:
    up = containers.compose("up", "--detach", "--wait", "--no-deps", "--quiet-pull", "prometheus")
    assert up.returncode == 0, (
        f"{up.stderr[-2000:]}\n{containers.compose('logs', 'prometheus').stdout[-2000:]}"
    )
    with httpx.Client(base_url=f"{containers.url('prometheus')}/api/v1", timeout=10) as http:
        yield http


def asked(prometheus: httpx.Client, path: str, **question: str) -> Any:
    answer = prometheus.get(path, params=question).json()
    assert answer["status"] == "success", f"{question}: {answer}"
    return answer["data"]


def empty_panels(prometheus: httpx.Client) -> dict[str, str]:
    """Panels with a query that gives no number now, and that query."""
    empty = {}
    for board in BOARDS:
        for panel in (panel for _, row in board.rows for panel in row):
            for expression in panel.queries:
                result = asked(prometheus, "query", query=as_grafana_asks(expression))["result"]
                if not [sample for sample in result if sample["value"][1] != "NaN"]:
                    empty[panel.title] = expression
    return empty


@pytest.mark.containers
async def test_prometheus_reads_every_process_and_judges_every_rule(
    containers: Containers, prometheus: httpx.Client
) -> None:
    async def all_read() -> bool:
        targets = asked(prometheus, "targets")["activeTargets"]
        judged = [rule for group in asked(prometheus, "rules")["groups"] for rule in group["rules"]]
        return (
            {target["labels"]["job"] for target in targets}
            == {*(service.name for service in SERVICES), "verifier"}
            and {target["health"] for target in targets} == {"up"}
            and {rule["health"] for rule in judged} == {"ok"}
        )

    async def proved() -> Any:
        return asked(prometheus, "query", query="shanliu_verify_timestamp_seconds > 0")["result"]

    assert await until(all_read)
    assert await until(proved)
    assert asked(prometheus, "query", query="shanliu_verify_differences == 0")["result"]
    judged = [rule for group in asked(prometheus, "rules")["groups"] for rule in group["rules"]]
    written = [
        rule
        for name in ("recording.yaml", "alerts.yaml")
        for group in yaml.safe_load((COMPOSE.parent / "prometheus" / name).read_text("utf-8"))["groups"]
        for rule in group["rules"]
    ]
    names = [rule.get("record") or rule["alert"] for rule in written]
    assert sorted(rule["name"] for rule in judged) == sorted(names)


@pytest.mark.containers
async def test_every_panel_has_something_to_show_of_an_evening(
    containers: Containers, hall: str, prometheus: httpx.Client
) -> None:
    given = itertools.count()
    empty: dict[str, str] = {}

    async def all_shown() -> bool:
        nonlocal empty
        await give(containers, hall, f"evening-{next(given)}")
        empty = empty_panels(prometheus)
        return empty.keys() <= QUIET.keys()

    with contextlib.suppress(TimeoutError):
        await until(all_shown)
    assert empty.keys() <= QUIET.keys(), empty
