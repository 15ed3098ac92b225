"""Where everything of a local stack lies: one folder, one range of ports."""

import os
import random
import shutil
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Self

import psutil

from deploy.local.problems import StackProblem

LOOPBACK: Final = "127.0.0.1"
DEFAULT_PORT_BASE: Final = 8100
SERVICES: Final = ("donation", "campaign", "notification", "reporting")
"""Those that exchange events."""
DATABASES: Final = (*SERVICES, "console")
"""Each of these processes has a database and a role of its own."""
NEEDED_BYTES: Final = 1_000_000_000
"""Free disk space below which nothing is started: Kafka ends in the middle of a write on a full disk."""

OFFSETS: Final = {
    "donation": 1,
    "campaign": 2,
    "notification": 3,
    "reporting": 4,
    "console": 5,
    "donation_worker": 11,
    "reporting_worker": 14,
    "smtp": 25,
    "mail": 26,
    "postgres": 54,
    "kafka": 92,
    "kafka_controller": 93,
    "kafka_secured": 94,
}


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of one stack, all on loopback."""

    donation: int
    campaign: int
    notification: int
    reporting: int
    console: int
    donation_worker: int
    reporting_worker: int
    smtp: int
    mail: int
    postgres: int
    kafka: int
    kafka_controller: int
    kafka_secured: int

    @classmethod
    def from_base(cls, base: int) -> Self:
        """The fixed ports of a stack, `base` + 1 … + 94."""
        if not 1024 <= base <= 65_400:
            raise StackProblem(f"SHANLIU_PORT_BASE is {base}; choose a number from 1024 to 65400.")
        return cls(**{name: base + offset for name, offset in OFFSETS.items()})

    @classmethod
    def from_environment(cls) -> Self:
        """The ports that SHANLIU_PORT_BASE asks for (8100 without it)."""
        text = os.environ.get("SHANLIU_PORT_BASE", str(DEFAULT_PORT_BASE))
        if not text.isdecimal():
            raise StackProblem(f"SHANLIU_PORT_BASE is {text!r}; it has to be a number, such as 9100.")
        return cls.from_base(int(text))

    @classmethod
    def unused(cls) -> Self:
        """Ports that nobody listens on now, for a stack beside others (tests)."""
        return cls(**dict(zip(OFFSETS, unused_ports(len(OFFSETS)), strict=True)))

    def named(self) -> dict[str, int]:
        """Port by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Home:
    """The one folder that a stack writes to."""

    root: Path

    @classmethod
    def from_environment(cls) -> Self:
        """SHANLIU_HOME, or .shanliu in the working directory."""
        return cls(Path(os.environ.get("SHANLIU_HOME", ".shanliu")).absolute())

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.root / "logs"

    @property
    def kafka(self) -> Path:
        """The broker's data."""
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        """The databases."""
        return self.root / "postgres"

    @property
    def secrets_file(self) -> Path:
        """Passwords, keys and tokens, readable by the owner only."""
        return self.root / "secrets.json"

    @property
    def operators_file(self) -> Path:
        """The operators as the services read them (tokens hashed)."""
        return self.root / "operators.json"

    @property
    def console_key_file(self) -> Path:
        """The console's private key (JWK), readable by the owner only."""
        return self.root / "console-key.json"

    @property
    def console_public_file(self) -> Path:
        """Its public half as the services read it (JWK set)."""
        return self.root / "console-public.json"

    @property
    def state_file(self) -> Path:
        """What runs now, written by the supervisor."""
        return self.root / "state.json"

    @property
    def restart_file(self) -> Path:
        """Which processes to replace, asked of the supervisor, which takes it away."""
        return self.root / "restart.json"

    @property
    def start_lock_file(self) -> Path:
        """Locked while somebody runs `shanliu up`."""
        return self.root / "up.lock"

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / "supervisor.lock"

    def logs_by_name(self) -> dict[str, Path]:
        """The log files by process name."""
        return {path.stem: path for path in sorted(self.logs.glob("*.log"))}

    def prepare(self) -> None:
        """Make the folder. Raises StackProblem when it can't be written or the disk is nearly full."""
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            probe = self.root / ".writable"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise StackProblem(
                f"{self.root} can't be written ({error.strerror}). Choose a folder with SHANLIU_HOME=/path."
            ) from error
        require_disk(self.root)


def require_disk(folder: Path, needed_bytes: int = NEEDED_BYTES) -> None:
    """Raise StackProblem when less than `needed_bytes` are free where `folder` lies."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise StackProblem(
            f"Only {free / 1e9:.1f} GB free where {folder} lies, {needed_bytes / 1e9:.0f} GB needed. "
            "Make room, or choose another disk with SHANLIU_HOME=/path."
        )


def is_free(port: int) -> bool:
    """True when a server could listen on this port of the loopback address now."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def require_free(ports: dict[str, int]) -> None:
    """Raise StackProblem, naming the port and who holds it, when one of `ports` (name: number) is taken."""
    for name, port in ports.items():
        if not is_free(port):
            raise StackProblem(
                f"Port {port} ({name.replace('_', ' ')}) is in use{_holder(port)}. Stop that process, or use "
                "another range of ports, such as SHANLIU_PORT_BASE=9100."
            )


def _holder(port: int) -> str:
    """The process that listens on a port, as far as this user may see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            address = connection.laddr
            listens = connection.status == psutil.CONN_LISTEN
            if listens and address and address.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return ""


def unused_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on.

    Below 32768, where Linux begins to hand out ports for outgoing connections: between this choice and the
    server's start no client of ours can be given one of them.
    """
    return [port for port, _ in zip(_candidates(), range(count), strict=False)]


def _candidates() -> Iterator[int]:
    ports = random.SystemRandom().sample(range(15_000, 32_000), 4_000)
    return (port for port in ports if is_free(port))
