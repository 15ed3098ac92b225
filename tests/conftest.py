"""The real parts: one Kafka and one PostgreSQL for a run, a namespace and databases for each test.

KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL name servers of your own; what is missing is started, in containers
or on free ports in a temporary folder (tests/parts.py, tests/servers.py), and ended with the run, also when
pytest is killed.
"""

import importlib.util
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast

import httpx
import httpx._transports.default as httpx_default
import pytest
from hypothesis import settings
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

from deploy.local import processes
from deploy.local.archive import archived
from deploy.local.databases import run
from deploy.local.kafka import LocalKafka
from deploy.local.postgres import LocalPostgres
from deploy.local.processes import Keeper
from deploy.topics import apply_topics, remove_topics
from shared import loading
from tests import parts
from tests.databases import Databases
from tests.grounds import Base, Copied
from tests.memory import in_memory
from tests.nursery import Nurseries
from tests.parts import Doors
from tests.servers import Ask, Desk, Servers, asking_at

ServiceDatabase = Callable[[str], str]
PARTITIONS = 4
HEAVY = ("faults", "performance", "browser", "deploy", "e2e")
"""Folders of tests that take what processor there is."""
LIGHT = (
    "unit",
    "contracts",
    "services/shared",
    "services/reporting",
    "services/notification",
    "services/donation",
    "services",
)
"""Those that are over in a moment, or wait for what they test: of these the longest first."""
FILLING_CORES = ("gw0", "gw1")
"""The workers that begin with what is heavy."""
SERVERS = pytest.StashKey[Servers]()
DESK = pytest.StashKey[Desk]()
BEFORE_MIDNIGHT_S = 30
CHINA_MIDNIGHT_S = 16 * 3600

settings.register_profile("shanliu", deadline=None)
settings.load_profile("shanliu")
"""How long an example takes on a busy machine says nothing of what it shows."""

if importlib.util.find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]
"""httpx asks for it several times a request, and to look for what is not there took two fifths of each (0.45
of 1.2 ms, with pytest's import hooks). None says at once that it is not there.
"""

os.environ.setdefault("SHANLIU_SHORT_LIVED", "1")
"""Of the stacks that tests start, each as a process of its own."""

if "DATABASE_URL" not in os.environ:
    os.environ.setdefault("PGSSLMODE", "disable")
"""Our servers have no certificate: who asks for it first makes a TLS context for each connection, in vain."""


def pytest_configure(config: pytest.Config) -> None:
    """A shell has what it runs in the background ignore Ctrl-C, and so would every process of the tests."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not hasattr(config, "workerinput"):
        parts.settle()
        config.stash[SERVERS] = Servers()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The run's servers end with it."""
    if (desk := config.stash.get(DESK, None)) is not None:
        desk.close()
    if (servers := config.stash.get(SERVERS, None)) is not None:
        servers.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """A worker is told where it can ask for the run's servers."""
    config: pytest.Config = node.config
    if DESK not in config.stash:
        config.stash[DESK] = Desk(config.stash[SERVERS])
    node.workerinput["desk"] = config.stash[DESK].address


def pytest_report_header() -> str:
    """Which servers this run stands on."""
    return parts.told()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The quick ones first: who waits for a red result waits less. Several workers begin with what takes
    longest, and with the quick ones, which need nothing that has to be fetched (Together says which worker
    has what).
    """
    order = (*HEAVY, *LIGHT) if hasattr(config, "workerinput") else (*LIGHT, *HEAVY)
    items.sort(key=lambda item: _place(item.nodeid, order))


def pytest_collection_finish() -> None:
    """What has been loaded stays until the end, so nothing of it has to be looked through for garbage: not
    while it is loaded, which half the time went into (22 s of a core to collect all tests, 12 s without), and
    not while the tests run, as in a service's process (shared/loading.py).
    """
    loading.done()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    """A file is one worker's, and so are the files that share something that takes long to start."""
    return Together(config, log)


class Together(LoadFileScheduling):  # type: ignore[misc]  # xdist ships no types
    """One worker starts the console and the services behind it, and one the screens' service. What fills a
    core is never on more than two workers while there is something else: the others have what mostly waits.
    """

    def _assign_work_unit(self, node: WorkerController) -> None:
        if node.gateway.id not in FILLING_CORES:
            light = (each for each in self.workqueue if _place(each, HEAVY) == len(HEAVY))
            if (scope := next(light, None)) is not None:
                self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder, _, name = file.rpartition("/")
        if folder.endswith("tests/browser"):
            return f"{folder} {'console' if name.startswith('test_console_') else 'screens'}"
        return file


def _place(path: str, order: Sequence[str]) -> int:
    """Where in this order of folders in tests/ a test, a file or a scope stands; at its end, when in none."""
    inside = path.partition("tests/")[2].replace(" ", "/")
    places = (number for number, folder in enumerate(order) if inside.startswith(f"{folder}/"))
    return next(places, len(order))


def pytest_runtest_setup() -> None:
    """A test and the service that it asks mean the same day by "today": what would begin right before a
    midnight, of China (16:00 UTC) or of UTC, begins after it.
    """
    while any(0 < seconds <= BEFORE_MIDNIGHT_S for seconds in seconds_until_midnight(datetime.now(UTC))):
        time.sleep(0.2)


def seconds_until_midnight(now: datetime) -> tuple[float, float]:
    """Until the next day begins in Asia/Shanghai, and in UTC."""
    past = now - datetime.combine(now.date(), datetime.min.time(), UTC)
    of_day_s, day_s = past.total_seconds(), timedelta(days=1).total_seconds()
    return (CHINA_MIDNIGHT_S - of_day_s) % day_s or day_s, day_s - of_day_s


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skipped test is a failure on CI."""
    report = yield
    _forbid_skips(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A skipped module is a failure on CI."""
    report = yield
    _forbid_skips(report)
    return report


def _forbid_skips(report: pytest.TestReport | pytest.CollectReport) -> None:
    """What was not run was not shown to work."""
    if report.outcome == "skipped" and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI=true forbids: {report.longrepr}"


@pytest.fixture(scope="session")
def workplace() -> Iterator[Path]:
    """A temporary folder for the parts that live as long as the run."""
    folder = Path(tempfile.mkdtemp(prefix="shanliu-tests-", dir=in_memory()))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def keeper(workplace: Path) -> Iterator[Keeper]:
    """Stops what we started, should pytest be killed."""
    keeper = Keeper(workplace / "keeper.log")
    yield keeper
    keeper.close()


@pytest.fixture(scope="session", autouse=True)
def nurseries() -> Iterator[None]:
    """Services' processes that tests start are forks of one that has loaded their modules."""
    nurseries = Nurseries()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "begin", nurseries.begin)
        yield
    nurseries.close()


@pytest.fixture(scope="session", autouse=True)
def trusted() -> Iterator[None]:
    """The certificates that clients trust are read once, not for each client (20 ms of a core)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx_default, "create_ssl_context", cache(httpx.create_ssl_context))
        yield


@pytest.fixture(scope="session", autouse=True)
def asked_once() -> Iterator[None]:
    """What servers of one version are, an engine has from the one before it: each test makes engines of its
    own, and each would ask five questions (1.5 ms of a core).
    """
    ask, known = PGDialect_asyncpg.initialize, dict[str, Any]()

    def initialize(dialect: PGDialect_asyncpg, connection: Connection) -> None:
        if not known:
            before = {*vars(dialect), "_type_memos"}
            ask(dialect, connection)  # type: ignore[no-untyped-call]
            known.update({name: said for name, said in vars(dialect).items() if name not in before})
        vars(dialect).update(known)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PGDialect_asyncpg, "initialize", initialize)
        yield


@pytest.fixture(scope="session")
def archive() -> None:
    """What brokers that live for minutes are started from."""
    archived()


@pytest.fixture(scope="session")
def local_kafka(archive: None, workplace: Path, keeper: Keeper) -> Iterator[LocalKafka]:
    """A broker that a test may freeze or kill; it has to be running again at the test's end."""
    broker = LocalKafka(workplace / "kafka", keeper=keeper, short_lived=True)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(scope="session")
def local_postgres(workplace: Path, keeper: Keeper) -> Iterator[LocalPostgres]:
    """A database server that a test may stop; it has to be running again at the test's end."""
    server = LocalPostgres(workplace / "postgres", keeper=keeper, short_lived=True)
    server.start()
    yield server
    server.stop("immediate")


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Ask:
    """Asks for the servers of the run."""
    if (desk := getattr(request.config, "workerinput", {}).get("desk")) is not None:
        return asking_at(desk)
    return request.config.stash[SERVERS].ask


@pytest.fixture(scope="session")
def secured_kafka(servers: Ask) -> Doors:
    """A broker with a door that asks who one is: the run's own, one more when it is somebody else's."""
    return cast(Doors, servers("kafka"))


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers of a real Kafka, shared by the whole run: use a `namespace`."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return given
    doors: Doors = request.getfixturevalue("secured_kafka")
    return doors.bootstrap


@pytest.fixture(scope="session")
def postgres(servers: Ask) -> str:
    """The administrator's URL of a real PostgreSQL, shared by the whole run: use `service_database`."""
    return os.environ.get("DATABASE_URL") or cast(str, servers("postgres"))


@pytest.fixture(scope="session")
def copied_on() -> Callable[[str], Copied]:
    """The databases that those of every ground are copies of, by the URL of the server's administrator."""
    return cache(Copied)


@pytest.fixture(scope="session")
def copied(postgres: str, copied_on: Callable[[str], Copied]) -> Iterator[Copied]:
    """Those on the server that tests share; they go with the run's own."""
    copied = copied_on(postgres)
    yield copied
    if os.environ.get("DATABASE_URL"):
        copied.close()


@pytest.fixture(scope="session")
def base(kafka: str, postgres: str, copied: Copied) -> Base:
    """A broker and a database server to prepare grounds on."""
    return Base(kafka, postgres, copied)


@pytest.fixture
def namespace() -> str:
    """A Kafka namespace of the test's own, such as "t3f9a2c.": no topic exists in it."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture
def topics(kafka: str, namespace: str) -> Iterator[str]:
    """The namespace with all declared topics in it."""
    run(apply_topics(kafka, namespace, PARTITIONS))
    yield namespace
    run(remove_topics(kafka, namespace))


@pytest.fixture(scope="session")
def databases(postgres: str) -> Iterator[Databases]:
    """The maker of databases. On the run's own server they stay: they go with it."""
    made = Databases(postgres)
    yield made
    if os.environ.get("DATABASE_URL"):
        made.close()


@pytest.fixture
def service_database(databases: Databases) -> Iterator[ServiceDatabase]:
    """`service_database("donation")`: the URL of a fresh, migrated database, gone after the test."""
    before = set(databases.made())
    yield databases.fresh
    databases.drop([name for name in databases.made() if name not in before])
