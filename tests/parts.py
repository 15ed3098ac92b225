"""Which real Kafka and PostgreSQL a run stands on.

KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name servers of one's own. What they don't name TEST_PARTS chooses:
`containers` (testcontainers; what needs one fails when it doesn't start), `embedded` (from packages, as
`make demo` runs them), or `auto`, which is the default: containers where a Docker daemon answers and the
images are there; one that doesn't start in time is replaced by the embedded server, with a warning.
"""

import os
import secrets
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

import yaml
from docker.errors import DockerException
from requests.exceptions import RequestException
from sqlalchemy.engine import URL
from testcontainers.community.postgres import PostgresContainer
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.exceptions import ContainerConnectException, ContainerStartException

from deploy.local.kafka import answers
from deploy.local.layout import LOOPBACK, unused_ports
from deploy.local.postgres import ADMIN, CONFIGURATION, UNFLUSHED
from deploy.local.processes import wait_until

Choice = Literal["auto", "containers", "embedded"]
T = TypeVar("T")

SWITCH: Final = "TEST_PARTS"
SETTLED: Final = "TEST_PARTS_SETTLED"
GIVEN: Final = {"kafka": "KAFKA_BOOTSTRAP_SERVERS", "postgres": "DATABASE_URL"}
COMPOSE: Final = Path(__file__).parents[1] / "deploy" / "compose.yaml"
ASK_S: Final = 10
START_S: Final = 90
"""As long as the embedded broker has."""
REMOVE_S: Final = 60
POLL_S: Final = 0.2
POSTGRES_PORT: Final = 5432
OF_THE_IMAGE: Final = ("listen_addresses", "port", "unix_socket_directories")
FAILURES: Final = (
    DockerException,
    RequestException,
    ContainerStartException,
    ContainerConnectException,
    OSError,
    TimeoutError,
)
"""What the start of a container is known to end with."""


@dataclass(frozen=True, slots=True)
class Doors:
    """A broker's two doors, host:port each: one for everybody, one where clients say who they are."""

    bootstrap: str
    secured: str


# ---------------------------------------------------------------- the choice


def chosen() -> Choice:
    """What TEST_PARTS asks for. Raises ValueError for what it can't."""
    asked = os.environ.get(SWITCH) or "auto"
    choices: tuple[Choice, ...] = get_args(Choice)
    if asked not in choices:
        raise ValueError(f"{SWITCH} is {asked}; it is one of {', '.join(choices)}")
    return choices[choices.index(asked)]


def settle() -> None:
    """Decide once a run what `auto` means; its workers inherit it."""
    choice = chosen()
    if choice == "auto":
        why = lacking(image_of("kafka"), image_of("postgres"))
        os.environ[SETTLED] = "containers" if why is None else f"embedded: {why}"
    else:
        os.environ[SETTLED] = f"{choice}: {SWITCH} says so"


def in_containers() -> bool:
    """Whether servers that nobody names are containers."""
    return os.environ[SETTLED].startswith("containers")


def told() -> str:
    """The line in a run's header."""
    word, _, why = os.environ[SETTLED].partition(": ")
    each = []
    for server, variable in GIVEN.items():
        if os.environ.get(variable):
            each.append(f"{server} of {variable}")
        elif word == "containers":
            each.append(f"{server} in a container ({image_of(server)})")
        else:
            each.append(f"{server} embedded")
    return f"real parts: {', '.join(each)}" + (f"; {why}" if why else "")


def image_of(server: str) -> str:
    """The image of a server, as compose.yaml names it."""
    return str(_composed(server)["image"])


def _composed(server: str) -> Mapping[str, Any]:
    composed: Mapping[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"][server]
    return composed


def lacking(*images: str) -> str | None:
    """Why containers of these images can't be started here; None when they can."""
    try:
        asked = subprocess.run(
            ["docker", "image", "inspect", "--format", "there", *images],
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "there is no Docker here"
    if "Cannot connect" in asked.stderr or "permission denied" in asked.stderr:
        return "no Docker daemon answers"
    return f"not all images are here ({', '.join(images)})" if asked.returncode else None


# ---------------------------------------------------------------- containers


@cache
def shares_network() -> bool:
    """Whether a container may listen on this machine's own loopback: the daemon runs on it, as root. A port
    that the daemon passes on costs a tenth of a core, for a process of its copies every byte.
    """
    asked = subprocess.run(
        ["docker", "info", "--format", "{{.OperatingSystem}} {{.SecurityOptions}}"],
        capture_output=True,
        text=True,
        timeout=ASK_S,
        check=False,
    )
    elsewhere = "Docker Desktop" in asked.stdout or "rootless" in asked.stdout
    local = os.environ.get("DOCKER_HOST", "unix://").startswith("unix://")
    return sys.platform == "linux" and local and asked.returncode == 0 and not elsewhere


@contextmanager
def contained(server: str, start: Callable[[], AbstractContextManager[T]]) -> Iterator[T | None]:
    """What a container gives; None, after a warning that nobody overlooks, when it doesn't start and
    TEST_PARTS does not insist on it.
    """
    with ExitStack() as stack:
        made: T | None = None
        try:
            made = stack.enter_context(start())
        except FAILURES as error:
            if chosen() == "containers":
                raise
            warnings.warn(
                f"{server.upper()} IS NO CONTAINER, an embedded one takes its place: {error!r:.300}",
                stacklevel=2,
            )
        yield made


@contextmanager
def kafka_container() -> Iterator[Doors]:
    """The broker of compose.yaml, with a secured door beside its plain one, as the embedded one has."""
    port, secured_port, controller_port = unused_ports(3)
    environment: dict[str, str] = dict(_composed("kafka")["environment"])
    at = LOOPBACK if shares_network() else ""
    environment |= {
        "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@localhost:{controller_port}",
        "KAFKA_LISTENERS": f"PLAINTEXT://{at}:{port},SECURED://{at}:{secured_port},"
        f"CONTROLLER://localhost:{controller_port}",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port},SECURED://{LOOPBACK}:{secured_port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,SECURED:SASL_PLAINTEXT,"
        "CONTROLLER:PLAINTEXT",
        "KAFKA_SASL_ENABLED_MECHANISMS": "SCRAM-SHA-512",
        "KAFKA_LISTENER_NAME_SECURED_SCRAM___SHA___512_SASL_JAAS_CONFIG": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "KAFKA_AUTHORIZER_CLASS_NAME": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "KAFKA_SUPER_USERS": "User:ANONYMOUS",
        "KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND": "false",
        "KAFKA_METADATA_MAX_IDLE_INTERVAL_MS": "0",
        "KAFKA_JVM_PERFORMANCE_OPTS": f"{environment['KAFKA_JVM_PERFORMANCE_OPTS']} -XX:TieredStopAtLevel=1",
    }
    container = DockerContainer(image_of("kafka"), env=environment, name=name_of_one())
    with _started(container, {str(port): port, str(secured_port): secured_port}):
        if not wait_until(lambda: answers(LOOPBACK, port), START_S):
            said = container.get_wrapped_container().logs(tail=5).decode("utf-8", "replace")
            raise TimeoutError(f"Kafka doesn't answer within {START_S} s: {said}")
        yield Doors(f"{LOOPBACK}:{port}", f"{LOOPBACK}:{secured_port}")


@contextmanager
def postgres_container() -> Iterator[str]:
    """PostgreSQL with the embedded one's settings; the administrator's URL."""
    settings = []
    for line in (CONFIGURATION + UNFLUSHED).splitlines():
        name, equals, value = line.partition(" = ")
        if equals and not line.startswith("#") and name not in OF_THE_IMAGE:
            settings += ["-c", f"{name}={value.strip(chr(39))}"]
    (port,) = unused_ports(1)
    container = PostgresContainer(
        image_of("postgres"),
        username=ADMIN,
        password=secrets.token_urlsafe(24),
        dbname="postgres",
        name=name_of_one(),
        shm_size="256m",
    )
    container.with_command(["postgres", *settings])
    container.with_env("POSTGRES_INITDB_ARGS", "--auth=scram-sha-256 --no-sync")
    inside = POSTGRES_PORT
    if shares_network():
        container.with_env("PGPORT", str(port))  # of the server, and of who asks whether it is there
        container.with_command(["postgres", "-c", f"listen_addresses={LOOPBACK}", *settings])
        inside = port
    with _started(container, {str(inside): port}):
        url = URL.create("postgresql+asyncpg", ADMIN, container.password, LOOPBACK, port, container.dbname)
        yield url.render_as_string(hide_password=False)


def name_of_one() -> str:
    """A name for one more container."""
    return f"shanliu-tests-{secrets.token_hex(4)}"


@contextmanager
def _started(container: DockerContainer, ports: Mapping[str, int]) -> Iterator[None]:
    """Run a container whose ports are open to this machine alone. It is removed at the end, with its volumes,
    and also when this process dies without having done so.
    """
    # testcontainers' own guard is one more image, and a container with the daemon's socket.
    testcontainers_config.ryuk_disabled = True
    testcontainers_config.sleep_time = POLL_S
    testcontainers_config.max_tries = int(START_S / POLL_S)
    if shares_network():
        container.with_kwargs(network_mode="host")
        container.ports = {}
    else:
        container.ports = {inside: (LOOPBACK, outside) for inside, outside in ports.items()}  # type: ignore[misc]
    name = container._name
    assert name is not None
    guard = subprocess.Popen(
        ["sh", "-c", 'cat; exec docker rm --force --volumes "$0"', name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert guard.stdin is not None
    try:
        container.start()
        yield
    finally:
        with suppress(DockerException):
            container.stop()
        guard.stdin.close()
        guard.wait(REMOVE_S)
