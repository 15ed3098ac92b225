"""The four services and the console as processes: what each is told, when it is ready; killed, frozen,
restarted, replaced by name.
"""

import base64
import hashlib
import http.client
import json
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from deploy.local import doors
from deploy.local.environment import own_environment, short_lived
from deploy.local.layout import LOOPBACK
from deploy.local.layout import SERVICES as SERVICE_NAMES
from deploy.local.problems import StackProblem
from deploy.local.processes import SOURCE, Begin, Child, Command, Keeper, tail, wait_until

START_S: Final = 90
STOP_S: Final = 15
MIGRATE_S: Final = 600
STAGE: Final = 0
STEP_BACK: Final = 15
"""Of busy cores a process then gets a thirtieth of what another gets."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the stack. `name` names its log and its port, `database` whose URL it gets. No screen
    waits for one that is not `urgent`: it steps back when the processors are busy.
    """

    name: str
    module: str
    roles: str | None = None
    database: str | None = None
    urgent: bool = True

    @property
    def port_name(self) -> str:
        """Its field of Ports."""
        return self.name.replace("-", "_")


SERVICES: Final = (
    Service("campaign", "services.campaign", database="campaign", urgent=False),
    Service("donation", "services.donation", roles="api,statements", database="donation"),
    Service("donation-worker", "services.donation", roles="worker", database="donation"),
    Service("notification", "services.notification", database="notification", urgent=False),
    Service("reporting-worker", "services.reporting", roles="worker", database="reporting"),
    Service("reporting", "services.reporting", roles="screens", database="reporting"),
    Service("console", "services.console", database="console"),
)
BY_NAME: Final = {service.name: service for service in SERVICES}


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where everything is that the services need. `ports` is by port name, `databases` by service."""

    kafka: str
    databases: Mapping[str, str]
    ports: Mapping[str, int]
    operators_file: Path
    channel_key: str
    smtp_port: int
    namespace: str = ""
    partitions: int = 4
    log_level: str = "info"
    webhook_key: str | None = None
    console_key_file: Path | None = None
    console_public_file: Path | None = None
    """Without them nobody comes in through the console."""
    more: Mapping[str, str] = field(default_factory=dict)
    """Further settings for every service (tests)."""

    def url(self, name: str) -> str:
        """The HTTP address of a process."""
        return f"http://{LOOPBACK}:{self.ports[BY_NAME[name].port_name]}"

    def environment(self, service: Service) -> dict[str, str]:
        """All settings of one process."""
        assert service.database is not None
        settings = {
            "DATABASE_URL": self.databases[service.database],
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "KAFKA_NAMESPACE": self.namespace,
            "PARTITIONS": str(self.partitions),
            "HTTP_HOST": LOOPBACK,
            "HTTP_PORT": str(self.ports[service.port_name]),
            "LOG_LEVEL": self.log_level,
            "OPERATORS_FILE": str(self.operators_file),
            "PYTHONPATH": str(SOURCE),
            "PYTHONUNBUFFERED": "1",
        }
        if service.roles is not None:
            settings["ROLES"] = service.roles
        if service.database == "console":
            settings |= self._console()
        elif self.console_public_file is not None:
            settings["CONSOLE_KEY_FILE"] = str(self.console_public_file)
        if service.database == "donation":
            settings["CHANNEL_KEY"] = self.channel_key
        if service.database == "notification":
            settings |= {
                "SMTP_HOST": LOOPBACK,
                "SMTP_PORT": str(self.smtp_port),
                "SMTP_FROM": "善流 Shanliu <no-reply@shanliu.example>",
                "SMTP_STARTTLS": "false",
                "ADDRESS_KEY": address_key(self.channel_key),
            }
            if self.webhook_key is not None:
                settings["WEBHOOK_KEY"] = self.webhook_key
        return {**own_environment(), **settings, **self.more}

    def _console(self) -> dict[str, str]:
        """Where the console finds its key and the services."""
        assert self.console_key_file is not None, "a console needs its key"
        return {
            "CONSOLE_PRIVATE_KEY_FILE": str(self.console_key_file),
            **{f"{name.upper()}_URL": self.url(name) for name in SERVICE_NAMES},
        }


def address_key(channel_key: str) -> str:
    """The local stack's key for hashes of addresses: of its own, and the same at each start."""
    return base64.b64encode(hashlib.sha256(b"addresses " + channel_key.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Placed:
    """A process, and the port at which it alone answers: behind the service's own there may be two."""

    child: Child
    port: int


class Services:
    """The running processes of one wiring, by name. Blocking; every wait has a bound.

    Each service's port is listened on from its first start until `stop`, whoever answers there: who comes
    while a process is started again waits for it.
    """

    def __init__(self, wiring: Wiring, logs: Path, keeper: Keeper | None = None) -> None:
        self.wiring = wiring
        self.logs = logs
        self._keeper = keeper
        self._placed: dict[str, Placed] = {}
        self._coming: dict[str, Placed] = {}
        self._doors: dict[str, socket.socket] = {}

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{name}.log"

    def child(self, name: str) -> Child:
        """The newest process of this name. Raises KeyError when it was never started."""
        return self._placed[name].child

    @property
    def children(self) -> Mapping[str, Child]:
        """The newest process of each name that was started."""
        return {name: placed.child for name, placed in self._placed.items()}

    def start(self, names: Iterable[str] = BY_NAME, how: Begin | None = None) -> None:
        """Start processes that don't run, by `how` when that is given; returns at once."""
        for name in names:
            known = self._placed.get(name)
            if known is None or not known.child.running:
                service = BY_NAME[name]
                self._placed[name] = self._place(service, nice=_step(service), how=how)

    def _place(self, service: Service, nice: int, how: Begin | None = None) -> Placed:
        if service.name not in self._doors:
            port = self.wiring.ports[service.port_name]
            self._doors[service.name] = doors.listen(port, service.name)
        with doors.take() as own:
            given = self._doors[service.name].fileno(), own.fileno()
            command = self._command(service, given, nice)
            return Placed(Child(command, self.log(service.name), self._keeper, how), doors.port_of(own))

    def _command(self, service: Service, descriptors: tuple[int, ...], nice: int) -> Command:
        given = {"HTTP_FDS": ",".join(str(number) for number in descriptors)}
        return Command(
            name=service.name,
            argv=[sys.executable, "-m", service.module],
            environment=self.wiring.environment(service) | given,
            stop_s=STOP_S,
            stage=STAGE,
            nice=nice,
            descriptors=descriptors,
        )

    def wait_ready(
        self, names: Iterable[str] = BY_NAME, timeout_s: float = START_S, stop: Event | None = None
    ) -> None:
        """Return when all of `names` are ready. Raises StackProblem when one ends before, or in time."""
        for name in names:
            placed = self._placed[name]
            arrived = wait_until(partial(_settled, placed), timeout_s, stop)
            if not arrived or not placed.child.running:
                raise StackProblem(_why_not(name, placed, timeout_s))

    def ready(self, name: str) -> bool:
        """True when /readyz says so."""
        return _ready(self._placed[name])

    def missing(self, name: str) -> str:
        """What a process that isn't ready waits for, in words."""
        return _missing(self._placed[name])

    def kill(self, name: str) -> None:
        """Kill -9."""
        self.child(name).kill()

    def freeze(self, name: str) -> None:
        """SIGSTOP; returns when the process stands."""
        self.child(name).freeze()

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self.child(name).thaw()

    def leave(self, name: str) -> None:
        """Stop a process and give its port up: who comes is refused, until it is started again."""
        for _ in self.leaving(name):
            time.sleep(0.02)

    def leaving(self, name: str) -> Iterator[None]:
        """The same, yielding while it waits."""
        child = self.child(name)
        child.ask()
        deadline = time.monotonic() + STOP_S
        while child.running and time.monotonic() < deadline:
            yield
        child.finish(0)
        if (door := self._doors.pop(name, None)) is not None:
            door.close()

    def coming(self, name: str, timeout_s: float = START_S) -> Iterator[None]:
        """Start a process that was stopped, yielding until it is ready. Raises StackProblem when it is not in
        time.
        """
        self.start([name])
        placed = self._placed[name]
        deadline = time.monotonic() + timeout_s
        while not _settled(placed) and time.monotonic() < deadline:
            yield
        if not placed.child.running or not _ready(placed):
            raise StackProblem(_why_not(name, placed, timeout_s))

    def restart(self, name: str, timeout_s: float = START_S) -> None:
        """Start a process again (stopping it in order when it runs) and wait until it is ready."""
        if self.child(name).running:
            self.child(name).stop()
        self.start([name])
        self.wait_ready([name], timeout_s)

    def migrating(self, name: str, admin_url: str, timeout_s: float = MIGRATE_S) -> Iterator[None]:
        """Migrate a service's database by the code as it lies there now, in a process of its own: ours may be
        of the release before. `admin_url` is who takes the owner's place. Yields while it waits. Raises
        StackProblem.
        """
        service = BY_NAME[name]
        log = self.logs / f"{service.database}-migrate.log"
        argv = [sys.executable, "-m", "deploy.local.migrating", service.module]
        environment = self.wiring.environment(service) | {"ADMIN_URL": admin_url}
        child = Child(Command(f"{name}-migrate", argv, environment, stage=STAGE), log, self._keeper)
        deadline = time.monotonic() + timeout_s
        while child.running and time.monotonic() < deadline:
            yield
        child.finish(0)
        if child.exit_code != 0:
            raise StackProblem(
                f"{service.database}'s database was not migrated: {tail(log)} Its log is {log}."
            )

    def replacing(self, name: str, timeout_s: float = START_S) -> Iterator[None]:
        """Put a new process in a service's place: it is started beside the old one, and only when it is ready
        is the old one told to stop. Both answer for a while, and both may book: nothing assumes to be alone.

        Yields while there is something to wait for. Raises StackProblem when the new process does not become
        ready in time; then it is stopped, and the old one stays.
        """
        # At full speed: one that steps back from the start may not come up at all while others are busy.
        fresh = self._coming[name] = self._place(BY_NAME[name], nice=0)
        deadline = time.monotonic() + timeout_s
        while not _ready(fresh):
            if not fresh.child.running or time.monotonic() > deadline:
                problem = _why_not(name, fresh, timeout_s)
                fresh.child.stop()
                del self._coming[name]
                raise StackProblem(f"{problem} The old one goes on.")
            yield
        del self._coming[name]
        fresh.child.step_back(_step(BY_NAME[name]))
        old = self._placed.get(name)
        self._placed[name] = fresh
        if old is not None:
            old.child.ask()
            deadline = time.monotonic() + STOP_S
            while old.child.running and time.monotonic() < deadline:
                yield
            old.child.finish(0)

    def replace(self, name: str) -> None:
        """The same, waiting here."""
        for _ in self.replacing(name):
            time.sleep(0.02)

    def stop(self, grace_s: float | None = None) -> list[str]:
        """Stop all at once; the names of those that had to be killed."""
        known = [*self._placed.items(), *self._coming.items()]
        running = [(name, placed.child) for name, placed in known if placed.child.running]
        for _, child in running:
            child.ask()
        killed = [name for name, child in running if not child.finish(grace_s)]
        self._coming.clear()
        for door in self._doors.values():
            door.close()
        self._doors.clear()
        return killed


def _step(service: Service) -> int:
    """How far a process steps back."""
    return 0 if service.urgent or short_lived() else STEP_BACK


def _settled(placed: Placed) -> bool:
    return not placed.child.running or _ready(placed)


def _ready(placed: Placed) -> bool:
    return _readyz(placed.port)[0] == 200


def _why_not(name: str, placed: Placed, timeout_s: float) -> str:
    log = placed.child.log
    if not placed.child.running:
        return (
            f"{name} ended while starting (exit code {placed.child.exit_code}): {tail(log)} Its log is {log}."
        )
    return f"{name} is not ready within {timeout_s:.0f} s ({_missing(placed)}). Its log is {log}."


def _missing(placed: Placed) -> str:
    status, body = _readyz(placed.port)
    if status == 200:
        return "ready"
    if status is None:
        return "doesn't answer"
    try:
        return "waits for " + ", ".join(json.loads(body)["missing"])
    except (ValueError, KeyError, TypeError):
        return f"answers {status}"


def _readyz(port: int) -> tuple[int | None, bytes]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=4)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        return answer.status, answer.read(4096)
    except (OSError, http.client.HTTPException):
        return None, b""
    finally:
        connection.close()
