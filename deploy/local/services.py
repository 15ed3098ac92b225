"""The four services and the console as processes: what each is told, when it is ready; killed, frozen,
restarted by name.
"""

import base64
import hashlib
import http.client
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from deploy.local.environment import own_environment, short_lived
from deploy.local.layout import LOOPBACK
from deploy.local.layout import SERVICES as SERVICE_NAMES
from deploy.local.problems import StackProblem
from deploy.local.processes import SOURCE, Child, Command, Keeper, tail, wait_until

START_S: Final = 90
STOP_S: Final = 15
STAGE: Final = 0
STEP_BACK: Final = 10
"""Of 2 busy cores a process then gets a tenth of what another gets."""


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


class Services:
    """The running processes of one wiring, by name. Blocking; every wait has a bound."""

    def __init__(self, wiring: Wiring, logs: Path, keeper: Keeper | None = None) -> None:
        self.wiring = wiring
        self.logs = logs
        self._keeper = keeper
        self._children: dict[str, Child] = {}

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{name}.log"

    def child(self, name: str) -> Child:
        """The newest process of this name. Raises KeyError when it was never started."""
        return self._children[name]

    @property
    def children(self) -> Mapping[str, Child]:
        """The newest process of each name that was started."""
        return self._children

    def start(self, names: Iterable[str] = BY_NAME) -> None:
        """Start processes that don't run; returns at once."""
        for name in names:
            known = self._children.get(name)
            if known is None or not known.running:
                self._children[name] = Child(self._command(BY_NAME[name]), self.log(name), self._keeper)

    def _command(self, service: Service) -> Command:
        return Command(
            name=service.name,
            argv=[sys.executable, "-m", service.module],
            environment=self.wiring.environment(service),
            stop_s=STOP_S,
            stage=STAGE,
            nice=0 if service.urgent or short_lived() else STEP_BACK,
        )

    def wait_ready(
        self, names: Iterable[str] = BY_NAME, timeout_s: float = START_S, stop: Event | None = None
    ) -> None:
        """Return when all of `names` are ready. Raises StackProblem when one ends before, or in time."""
        for name in names:
            child = self._children[name]
            arrived = wait_until(partial(self._settled, name), timeout_s, stop)
            if not child.running:
                raise StackProblem(
                    f"{name} ended while starting (exit code {child.exit_code}): {tail(child.log)} "
                    f"Its log is {child.log}."
                )
            if not arrived:
                raise StackProblem(
                    f"{name} is not ready within {timeout_s:.0f} s ({self.missing(name)}). "
                    f"Its log is {child.log}."
                )

    def _settled(self, name: str) -> bool:
        return not self._children[name].running or self.ready(name)

    def ready(self, name: str) -> bool:
        """True when /readyz says so."""
        return self._readyz(name)[0] == 200

    def missing(self, name: str) -> str:
        """What a process that isn't ready waits for, in words."""
        status, body = self._readyz(name)
        if status == 200:
            return "ready"
        if status is None:
            return "doesn't answer"
        try:
            return "waits for " + ", ".join(json.loads(body)["missing"])
        except (ValueError, KeyError, TypeError):
            return f"answers {status}"

    def _readyz(self, name: str) -> tuple[int | None, bytes]:
        connection = http.client.HTTPConnection(
            LOOPBACK, self.wiring.ports[BY_NAME[name].port_name], timeout=4
        )
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status, answer.read(4096)
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            connection.close()

    def kill(self, name: str) -> None:
        """Kill -9."""
        self._children[name].kill()

    def freeze(self, name: str) -> None:
        """SIGSTOP; returns when the process stands."""
        self._children[name].freeze()

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._children[name].thaw()

    def restart(self, name: str, timeout_s: float = START_S) -> None:
        """Start a process again (stopping it in order when it runs) and wait until it is ready."""
        if self._children[name].running:
            self._children[name].stop()
        self.start([name])
        self.wait_ready([name], timeout_s)

    def stop(self, grace_s: float | None = None) -> list[str]:
        """Stop all at once; the names of those that had to be killed."""
        running = {name: child for name, child in self._children.items() if child.running}
        for child in running.values():
            child.ask()
        return [name for name, child in running.items() if not child.finish(grace_s)]
