"""A piece of ground for one benchmark: topics, databases and processes of its own, all gone afterwards.

It stands on the broker and the database that KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name, or on two that
are started for it, so that a stack with real donations is never touched.
"""

import asyncio
import base64
import os
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx

from deploy.bench.meters import listener
from deploy.evening import plan
from deploy.local import databases
from deploy.local.credentials import Credentials
from deploy.local.environment import own_environment
from deploy.local.kafka import LocalKafka
from deploy.local.layout import Ports
from deploy.local.postgres import LocalPostgres
from deploy.local.problems import StackProblem
from deploy.local.processes import SOURCE, Child, Command, Keeper
from deploy.local.roles import migrate_apart
from deploy.local.services import BY_NAME, Services, Wiring
from deploy.topics import apply_topics, remove_topics
from deploy.verify.places import Places
from shared.broker import KafkaSettings

ANSWER_S = 15.0


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

    async def databases(self, name: str, passwords: dict[str, str]) -> dict[str, str]:
        """Roles and migrated databases `<name>_<service>`; the URL by service."""
        urls = databases.create_service_databases(self.admin_url, name, passwords)
        for service, url in urls.items():
            await migrate_apart(self.admin_url, url, f"services.{service}")
        return urls

    async def checkpoint(self) -> None:
        """Have the database write what it has put off, so that no round pays for the one before."""
        connection = await asyncpg.connect(self.dsn, timeout=5)
        try:
            await connection.execute("CHECKPOINT")
        finally:
            await connection.close()


@contextmanager
def base() -> Iterator[Base]:
    """The broker and the database that the environment names, or two of our own, gone afterwards."""
    servers, admin_url = os.environ.get("KAFKA_BOOTSTRAP_SERVERS"), os.environ.get("DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="shanliu-bench-") as folder, ExitStack() as ending:
        keeper = Keeper(Path(folder) / "keeper.log")
        ending.callback(keeper.close)
        if servers is None:
            kafka = LocalKafka(Path(folder) / "kafka", keeper=keeper)
            ending.callback(kafka.stop)
            kafka.start()
            servers = kafka.bootstrap
        if admin_url is None:
            postgres = LocalPostgres(Path(folder) / "postgres", keeper=keeper)
            ending.callback(postgres.stop)
            postgres.start()
            admin_url = postgres.admin_url
        yield Base(servers, admin_url)


@dataclass
class Ground:
    """Topics, databases and processes with one common prefix."""

    base: Base
    name: str
    folder: Path
    keeper: Keeper
    credentials: Credentials
    services: Services
    others: dict[str, Child] = field(default_factory=dict)
    """Processes that are no service, such as the bare loops."""

    @property
    def wiring(self) -> Wiring:
        """Where everything is."""
        return self.services.wiring

    @property
    def kafka(self) -> KafkaSettings:
        """The broker, with this ground's prefix on each topic."""
        return KafkaSettings(
            kafka_bootstrap_servers=self.base.servers,
            kafka_namespace=self.wiring.namespace,
            partitions=self.wiring.partitions,
        )

    @property
    def places(self) -> Places:
        """Where the numbers are, for `verify`."""
        wiring = self.wiring
        return Places(wiring.kafka, wiring.databases, wiring.url("reporting"), wiring.namespace)

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run."""
        children = {**self.services.children, **self.others}
        return {name: child.pid for name, child in children.items() if child.running}

    async def start(self, *names: str) -> None:
        """Start processes of the services and wait until they are ready."""
        self.services.start(names)
        await asyncio.to_thread(self.services.wait_ready, names)

    def spawn(
        self, name: str, module: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> Child:
        """Start `python -m module arguments…` as another process of this ground."""
        command = Command(
            name,
            [sys.executable, "-m", module, *arguments],
            environment or {**own_environment(), "PYTHONPATH": str(SOURCE)},
        )
        self.others[name] = Child(command, self.folder / f"{name}.log", self.keeper)
        return self.others[name]

    def environment(self, service: str) -> dict[str, str]:
        """What a process beside the service of this name is told."""
        return self.wiring.environment(BY_NAME[service])

    async def stop(self) -> None:
        """Stop every process."""
        others = list(self.others.values())
        self.others.clear()
        await asyncio.gather(
            asyncio.to_thread(self.services.stop), *(asyncio.to_thread(child.stop) for child in others)
        )

    async def launch(self, campaign_id: str) -> None:
        """File and launch a campaign through the campaign service, which must run."""
        number = {"filing_number": f"{self.name} {campaign_id}"}
        path = "/v1/campaigns"
        await self._command("campaign", path, plan(campaign_id, datetime.now(UTC)), "desk.lin")
        await self._command("campaign", f"{path}/{campaign_id}/file", number, "desk.lin")
        await self._command("campaign", f"{path}/{campaign_id}/launch", {}, "desk.lin")

    async def register(self, channel: str, limit_per_second: int = 1_000_000) -> bytes:
        """Register a channel with the donation service, which must run; gives back its signing key."""
        new = {"channel": channel, "title": channel, "limit_per_second": limit_per_second}
        answer = await self._command("donation", "/v1/channels", new, "administrator")
        return base64.b64decode(answer["secret"].removeprefix("whsec_"))

    async def _command(self, service: str, path: str, body: dict[str, Any], person: str) -> dict[str, Any]:
        headers = {
            "authorization": f"Bearer {self.credentials.operators[person]}",
            "idempotency-key": uuid.uuid4().hex,
        }
        async with httpx.AsyncClient(base_url=self.wiring.url(service), timeout=ANSWER_S) as client:
            answer = await client.post(path, json=body, headers=headers)
        if not answer.is_success:
            raise StackProblem(f"POST {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json()  # type: ignore[no-any-return]

    def dsn(self, service: str) -> str:
        """The database of a service as asyncpg reads it, as the administrator: a service's own role may not
        do what a benchmark prepares, nor what a test spoils.
        """
        database = databases.parse_url(self.wiring.databases[service]).database
        admin = databases.parse_url(self.base.admin_url).set(drivername="postgresql", database=database)
        return admin.render_as_string(hide_password=False)

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
        for service in self.wiring.databases:
            await databases.drop_database(self.base.admin_url, f"{self.name}_{service}")
        await remove_topics(self.base.servers, self.wiring.namespace)


@asynccontextmanager
async def prepared(
    base: Base, *, partitions: int = 4, more: Mapping[str, str] | None = None
) -> AsyncIterator[Ground]:
    """A ground, ready for its processes; cleared on the way out, whatever happened. `more`: settings of its
    services.
    """
    name = f"bench{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="shanliu-bench-") as scratch:
        folder = Path(scratch)
        keeper = Keeper(folder / "keeper.log")
        try:
            ground = await _ground(base, name, folder, keeper, partitions, more or {})
            try:
                yield ground
            finally:
                await ground.clear()
        finally:
            keeper.close()


async def _ground(  # noqa: PLR0917 - what a ground is made of
    base: Base, name: str, folder: Path, keeper: Keeper, partitions: int, more: Mapping[str, str]
) -> Ground:
    credentials = Credentials.load_or_make(folder / "secrets.json")
    operators = folder / "operators.json"
    operators.write_text(credentials.operators_json(), "utf-8")
    console_key, console_public = folder / "console-key.json", folder / "console-public.json"
    credentials.write_console_keys(console_key, console_public)
    urls = await base.databases(name, credentials.databases)
    await apply_topics(base.servers, f"{name}.", partitions)
    ports = Ports.unused().named()
    wiring = Wiring(
        kafka=base.servers,
        databases=urls,
        ports=ports,
        operators_file=operators,
        channel_key=credentials.channel_key,
        webhook_key=credentials.webhook_key,
        smtp_port=ports["smtp"],
        console_key_file=console_key,
        console_public_file=console_public,
        namespace=f"{name}.",
        partitions=partitions,
        more=more,
    )
    return Ground(base, name, folder, keeper, credentials, Services(wiring, folder, keeper))
