"""The donation service on the real broker and database.

`place` has the topics and the database, and nobody working there: a test calls the handlers itself.
`service` is another place with the whole service running in the test's process, reached by real HTTP.
Both live as long as this package's tests, which keep apart by channels and campaigns of their own.
"""

import asyncio
import base64
import contextlib
import io
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

import pytest
import pytest_asyncio
import structlog
import uvicorn
from httpx import AsyncClient
from pydantic import SecretStr

from deploy.topics import apply_topics
from services.donation.app import create_app
from services.donation.settings import Settings
from shared import logs
from tests.conftest import PARTITIONS
from tests.databases import Databases
from tests.services.donation.builders import write_operators
from tests.services.donation.places import Channel, Place, Service, at_place, registered
from tests.waiting import until

in_package = pytest_asyncio.fixture(scope="package", loop_scope="package")


@pytest.fixture(scope="session")
def operators_file(workplace: Path) -> Path:
    return write_operators(workplace / "donation-operators.json")


@pytest.fixture(scope="package")
def kafka_settings(kafka: str, databases: Databases, operators_file: Path) -> "SettingsMaker":
    return SettingsMaker(kafka, databases, operators_file)


class SettingsMaker:
    """Makes the settings of a place that has its own topics and database."""

    def __init__(self, kafka: str, databases: Databases, operators_file: Path) -> None:
        self._kafka = kafka
        self._databases = databases
        self._operators_file = operators_file

    async def __call__(self, partitions: int = PARTITIONS) -> Settings:
        namespace = f"t{token_hex(4)}."
        await apply_topics(self._kafka, namespace, partitions)
        return Settings(
            database_url=self._databases.fresh("donation"),
            kafka_bootstrap_servers=self._kafka,
            kafka_namespace=namespace,
            partitions=partitions,
            channel_key=SecretStr(base64.b64encode(b"k" * 32).decode()),
            operators_file=self._operators_file,
        )


@in_package
async def place(kafka_settings: SettingsMaker) -> AsyncIterator[Place]:
    async with at_place(await kafka_settings()) as quiet:
        yield quiet


@in_package
async def service(kafka_settings: SettingsMaker) -> AsyncIterator[Service]:
    # A worker asks the broker for every partition of every channel, again after each record.
    settings = await kafka_settings(partitions=2)
    async with at_place(settings) as around:
        channels = await registered(around, 120)
        of_files = await registered(around, 40, scheme="files")
        await around.stock(20)
        async with serving(settings) as url, AsyncClient(base_url=url, timeout=20) as http:
            yield Service(around, http, channels, of_files)


@in_package
async def one_channel(service: Service) -> Channel:
    """A channel for what is refused: nothing may lie on its topic."""
    return await service.channel()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a process writes on standard output, its log set up as a service's at its most talkative."""
    root, out = logging.getLogger(), io.StringIO()
    handlers, level, config = root.handlers, root.level, structlog.get_config()
    monkeypatch.setattr("sys.stdout", out)
    logs.configure("donation", "debug")
    yield out
    root.handlers, root.level = handlers, level
    structlog.configure(**config)


class _Server(uvicorn.Server):
    """A server that leaves pytest's signal handlers alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """Run the service as `python -m services.donation` does; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False, timeout_keep_alive=30)
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))

    async def started() -> bool:
        assert not task.done(), "the server ended while starting"
        return server.started

    try:
        await until(started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
