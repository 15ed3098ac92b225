"""A piece of ground for one benchmark: databases, topics and processes of its own, all gone afterwards.

It stands on a broker and a database that are there already: those of the running stack, or those that
KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name (a role that may create databases).
"""

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import secrets
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
import httpx
from aiokafka.admin import AIOKafkaAdminClient

from deploy.bench.meters import listener
from deploy.local.databases import create_service_databases, drop_database
from deploy.local.environment import own_environment
from deploy.local.kafka import LocalKafka
from deploy.local.layout import unused_ports
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import SOURCE, Child, Command, Keeper, tail
from shared import broker, database
from shared.broker import KafkaSettings, ensure_topic

PROCESSES: Final[Mapping[str, tuple[str, str]]] = {
    "donation": ("donation", "api"),
    "donation-worker": ("donation", "worker"),
    "campaign": ("campaign", ""),
    "notification": ("notification", ""),
    "reporting-worker": ("reporting", "worker"),
    "reporting": ("reporting", "screens"),
}
"""Process → service, roles: the same processes as `shanliu up` starts."""
READY_S: Final = 40.0
TOPICS: Final[Mapping[str, Mapping[str, str]]] = {
    broker.INTAKE_INTERNAL: {"message.timestamp.type": "LogAppendTime"},
    broker.DONATION_EVENTS: {},
    broker.CAMPAIGN_EVENTS: {},
    broker.NOTIFICATION_EVENTS: {},
    broker.TOTALS: {"cleanup.policy": "compact"},
    broker.CONTACTS: {},
    broker.DEAD_LETTER: {},
}


class GroundNotReady(Exception):
    """A process of the benchmark did not come up, or broker and database can't be used for it."""


@dataclass(frozen=True, slots=True)
class Base:
    """The broker and the database to stand on. `admin_url` is of a role that may make roles and databases."""

    servers: str
    admin_url: str

    @property
    def dsn(self) -> str:
        """The administrator's database as asyncpg reads it."""
        return self.admin_url.replace("postgresql+asyncpg://", "postgresql://", 1)

    @property
    def pids(self) -> dict[str, int | None]:
        """The broker's and the database's process, when they are on this machine."""
        database = urlsplit(self.dsn)
        return {
            "kafka": listener(self.servers),
            "postgres": listener(f"{database.hostname}:{database.port or 5432}"),
        }

    async def checkpoint(self) -> None:
        """Have the database write what it has put off, so that no round pays for the one before."""
        connection = await asyncpg.connect(self.dsn, timeout=5)
        try:
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()


@dataclass
class Ground:
    """Databases, topics and processes with one common prefix."""

    base: Base
    name: str
    folder: Path
    keeper: Keeper
    partitions: int = 4
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    ports: dict[str, int] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    """The database of each service, as SQLAlchemy takes it."""
    channel_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    @property
    def kafka(self) -> KafkaSettings:
        """The broker, with this ground's prefix on each topic."""
        return KafkaSettings(
            kafka_bootstrap_servers=self.base.servers,
            kafka_namespace=f"{self.name}.",
            partitions=self.partitions,
        )

    def dsn(self, service: str) -> str:
        """The database of a service, in asyncpg's form."""
        return self.urls[service].replace("postgresql+asyncpg://", "postgresql://", 1)

    def url(self, process: str) -> str:
        """The base URL of a process."""
        return f"http://127.0.0.1:{self.ports[process]}"

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run."""
        return {name: child.pid for name, child in self.children.items()}

    def environment(self, service: str) -> dict[str, str]:
        """What a process of a service is told. Its log says only what went wrong."""
        return {
            **own_environment(),
            "PYTHONPATH": str(SOURCE),
            "DATABASE_URL": self.urls[service],
            "KAFKA_BOOTSTRAP_SERVERS": self.base.servers,
            "KAFKA_NAMESPACE": f"{self.name}.",
            "PARTITIONS": str(self.partitions),
            "OPERATORS_FILE": str(self.folder / "operators.json"),
            "CHANNEL_KEY": self.channel_key,
            "LOG_LEVEL": "warning",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": "1",
            "SMTP_FROM": "bench@example.org",
        }

    async def prepare(self) -> None:
        """Make topics, databases and tables."""
        digest = hashlib.sha256(self.token.encode()).hexdigest()
        roles = ["desk", "administrator", "viewer"]
        operator = {"person": "benchmark", "roles": roles, "token_sha256": digest}
        (self.folder / "operators.json").write_text(json.dumps([operator]), "utf-8")
        for topic, configs in TOPICS.items():
            await ensure_topic(self.kafka, topic, configs=dict(configs))
        self.urls = create_service_databases(self.base.admin_url, self.name)
        for service, url in self.urls.items():
            await database.migrate(url, f"services.{service}")

    async def start(self, *processes: str) -> None:
        """Start processes of the services and wait until they are ready."""
        for process in processes:
            service, roles = PROCESSES[process]
            # The same port at each start: whoever is connected comes back to it.
            port = self.ports.setdefault(process, unused_ports(1)[0])
            environment = {**self.environment(service), "HTTP_PORT": str(port), "ROLES": roles or "all"}
            self.spawn(process, [f"services.{service}"], environment)
        async with httpx.AsyncClient(timeout=5) as client:
            await asyncio.gather(*(self._ready(client, process) for process in processes))

    def spawn(self, name: str, arguments: Iterable[str], environment: Mapping[str, str]) -> Child:
        """Start `python -m <arguments>` as a process of this ground."""
        command = Command(name, [sys.executable, "-m", *arguments], environment)
        self.children[name] = Child(command, self.folder / f"{name}.log", self.keeper)
        return self.children[name]

    async def stop(self, *names: str) -> None:
        """Stop processes (all without names), at the same time."""
        going = [self.children.pop(name) for name in names or list(self.children)]
        await asyncio.gather(*(asyncio.to_thread(child.stop) for child in going))

    async def _ready(self, client: httpx.AsyncClient, process: str) -> None:
        child = self.children[process]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S):
                while child.running:
                    with contextlib.suppress(httpx.TransportError):
                        if (await client.get(f"{self.url(process)}/readyz")).status_code == 200:
                            return
                    await asyncio.sleep(0.1)
        raise GroundNotReady(f"{process} is not ready: {tail(child.log)}")

    async def launch(self, campaign_id: str) -> None:
        """File and launch a campaign through the campaign service, which must run."""
        headers = {"authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url("campaign"), timeout=10, headers=headers) as client:
            for path, body in (
                ("", plan(campaign_id, datetime.now(UTC))),
                (f"/{campaign_id}/file", {"filing_number": f"bench {self.name} {campaign_id}"}),
                (f"/{campaign_id}/launch", {}),
            ):
                key = {"idempotency-key": uuid.uuid4().hex}
                answer = await client.post(f"/v1/campaigns{path}", json=body, headers=key)
                if not answer.is_success:
                    raise GroundNotReady(
                        f"POST /v1/campaigns{path}: {answer.status_code} {answer.text[:200]}"
                    )

    async def register(self, channel: str, limit_per_second: int = 1_000_000) -> bytes:
        """Register a channel with the donation service, which must run; gives back its signing key."""
        headers = {"authorization": f"Bearer {self.token}"}
        new = {"channel": channel, "title": channel, "limit_per_second": limit_per_second}
        async with httpx.AsyncClient(base_url=self.url("donation"), timeout=15, headers=headers) as client:
            answer = await client.post("/v1/channels", json=new)
        if not answer.is_success:
            raise GroundNotReady(f"POST /v1/channels: {answer.status_code} {answer.text[:200]}")
        return base64.b64decode(answer.json()["secret"].removeprefix("whsec_"))

    async def value(self, service: str, statement: str, *arguments: object) -> Any:
        """One value from the database of a service."""
        connection = await asyncpg.connect(self.dsn(service), timeout=5)
        try:
            return await connection.fetchval(statement, *arguments)
        finally:
            await connection.close()

    async def clear(self) -> None:
        """Stop what runs, drop the databases, delete the topics."""
        await self.stop()
        for service in self.urls:
            await drop_database(self.base.admin_url, f"{self.name}_{service}")
        client = AIOKafkaAdminClient(bootstrap_servers=self.base.servers, request_timeout_ms=10_000)
        await client.start()
        try:
            ours = [topic for topic in await client.list_topics() if topic.startswith(f"{self.name}.")]
            await client.delete_topics(ours, timeout_ms=10_000)
        finally:
            await client.close()


@contextmanager
def base() -> Iterator[Base]:
    """The broker and the database that the environment names, or two of our own, gone afterwards."""
    servers, admin_url = os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), os.environ.get("DATABASE_URL")
    if servers and admin_url:
        yield Base(servers, admin_url)
        return
    with tempfile.TemporaryDirectory(prefix="shanliu-bench-") as folder, ExitStack() as ending:
        keeper = Keeper(Path(folder) / "keeper.log")
        ending.callback(keeper.close)
        kafka = LocalKafka(Path(folder) / "kafka", keeper=keeper)
        postgres = LocalPostgres(Path(folder) / "postgres", keeper=keeper)
        for part in (kafka, postgres):
            ending.callback(part.stop)
            part.launch()
        kafka.wait_ready()
        postgres.wait_ready()
        yield Base(servers or kafka.bootstrap, admin_url or postgres.admin_url)


@asynccontextmanager
async def prepared(base: Base, *, partitions: int = 4) -> AsyncIterator[Ground]:
    """A ground, ready for its processes; cleared on the way out, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="shanliu-bench-") as folder:
        keeper = Keeper(Path(folder) / "keeper.log")
        ground = Ground(base, f"bench{uuid.uuid4().hex[:8]}", Path(folder), keeper, partitions)
        try:
            await ground.prepare()
            yield ground
        finally:
            await ground.clear()
            keeper.close()


def plan(campaign_id: str, now: datetime) -> dict[str, Any]:
    """The plan of a campaign that a benchmark fills (made data)."""
    return {
        "campaign_id": campaign_id,
        "kind": "gala",
        "title": "Benchmark",
        "organisation": "Benchmark",
        "licence": "none",
        "goal_fen": 10**12,
        "purpose": "measuring",
        "window_start": (now - timedelta(days=1)).isoformat(),
        "window_end": (now + timedelta(days=1)).isoformat(),
        "area": "-",
        "responsible_person": "-",
        "account": "-",
        "beneficiaries": "-",
        "uses": ["measuring"],
        "cost_fen": 0,
        "remainder": "-",
        "contact": "-",
        "query_method": "-",
    }
