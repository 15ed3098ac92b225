"""One system for all faults of a kind: a fault that leaves something broken is found by those after it."""

import subprocess
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.credentials import Credentials
from deploy.local.kafka import LocalKafka
from deploy.local.layout import Ports
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import SOURCE, Keeper
from deploy.local.services import BY_NAME, Services, Wiring
from deploy.topics import BROKERS_CHOICE, apply_topics
from tests.contracts.release import commit_before
from tests.faults.brokers import Brokers
from tests.faults.system import System
from tests.grounds import Copied

NAMESPACE = "faults."
PARTITIONS = 4
SESSION_TIMEOUT_MS = 3_000
"""Half of production's, so that the suite waits half as long for the dead to be taken for dead."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs the release before where its commit is not in the history, and say so loudly."""
    wanted = [item for item in items if "release_before" in getattr(item, "fixturenames", ())]
    if not wanted or _in_history(commit_before()):
        return
    warnings.warn(
        f"UPGRADE NOT TRIED, {len(wanted)} tests left out: commit {commit_before()} of the release before is"
        " not in this history. Fetch it: git fetch --unshallow",
        stacklevel=1,
    )
    config.hook.pytest_deselected(items=wanted)
    items[:] = [item for item in items if item not in wanted]


def _in_history(commit: str) -> bool:
    asked = ["git", "cat-file", "-e", f"{commit}^{{tree}}"]
    return subprocess.run(asked, cwd=SOURCE, capture_output=True, check=False).returncode == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(
    local_kafka: LocalKafka,
    local_postgres: LocalPostgres,
    copied_on: Callable[[str], Copied],
    workplace: Path,
    keeper: Keeper,
) -> AsyncIterator[System]:
    """All services as processes; broker and database are ours, for they will be killed."""
    copied = copied_on(local_postgres.admin_url)
    async with running(workplace / "faults", local_kafka.bootstrap, copied, keeper) as started:
        services, credentials = started
        system = System(services, local_kafka, local_postgres, credentials)
        await system.prepare()
        yield system
        await system.close()


@pytest.fixture(scope="module")
def brokers(archive: None, workplace: Path, keeper: Keeper) -> Iterator[Brokers]:
    """A cluster of three."""
    cluster = Brokers(workplace / "cluster", keeper)
    cluster.start()
    yield cluster
    cluster.kill()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clustered(
    brokers: Brokers,
    local_postgres: LocalPostgres,
    copied_on: Callable[[str], Copied],
    workplace: Path,
    keeper: Keeper,
) -> AsyncIterator[System]:
    """The same on three brokers."""
    folder, copied = workplace / "clustered", copied_on(local_postgres.admin_url)
    async with running(folder, brokers.bootstrap, copied, keeper, replication=3) as started:
        services, credentials = started
        system = System(services, None, local_postgres, credentials)
        await system.prepare()
        yield system
        await system.close()


@asynccontextmanager
async def running(
    folder: Path, kafka: str, copied: Copied, keeper: Keeper, replication: int = BROKERS_CHOICE
) -> AsyncIterator[tuple[Services, Credentials]]:
    """All services of a namespace, on these brokers and databases of their own."""
    (folder / "logs").mkdir(parents=True)
    credentials = Credentials.load_or_make(folder / "secrets.json")
    operators = folder / "operators.json"
    operators.write_text(credentials.operators_json())
    databases = await copied.again(folder.name, credentials.databases)
    await apply_topics(kafka, NAMESPACE, PARTITIONS, replication)
    ports = Ports.unused().named()
    wiring = Wiring(
        kafka,
        databases,
        ports,
        operators,
        credentials.channel_key,
        ports["smtp"],
        NAMESPACE,
        PARTITIONS,
        more={"KAFKA_SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS), "REPLICATION": str(replication)},
    )
    services = Services(wiring, folder / "logs", keeper)
    names = [name for name in BY_NAME if name != "console"]
    services.start(names)
    services.wait_ready(names)
    yield services, credentials
    assert services.stop() == [], "these had to be killed: they did not stop within 15 s"
