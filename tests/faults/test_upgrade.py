"""The release before works on the schema of now, beside the processes of now, and nothing is lost or double.

Its code is taken from this repository's history. Where that has been cut off (a shallow clone), these tests
are left out, and a warning at the end of the run says so (conftest.py).
"""

import asyncio
import dataclasses
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.copying import copy_topics
from deploy.local.credentials import Credentials
from deploy.local.databases import parse_url
from deploy.local.kafka import LocalKafka
from deploy.local.layout import Ports, unused_ports
from deploy.local.nursery import Nursery
from deploy.local.postgres import LocalPostgres
from deploy.local.postgres_programs import find_programs
from deploy.local.problems import StackProblem
from deploy.local.processes import SOURCE, Child, Command, Keeper, wait_until
from deploy.local.services import BY_NAME, Services, Wiring
from deploy.restoring import SERVICES as RESTORED
from deploy.restoring import restore
from deploy.topics import apply_topics, grow_topics
from deploy.verify.judging import verify
from deploy.verify.places import Places
from shared.migrations import is_migrated, migrate
from tests.contracts.release import MIGRATIONS, commit_before
from tests.faults.conftest import PARTITIONS, SESSION_TIMEOUT_MS
from tests.faults.surge import Surge
from tests.faults.system import CHANNEL, System, until

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

NAMESPACE = "upgrade."
OLD = ("donation", "donation-worker", "reporting-worker", "campaign")
NOW = (*OLD, "reporting")
EARLY = 300
SURGE = 600
PER_SECOND = 300
ENDLESS = 600 * PER_SECOND
"""More than is published while processes are replaced."""
BY_HTTP = 50
AT_ONCE = 4
PAUSE_S = 0.2
"""Of each of them: a request every 50 ms meets whatever is replaced."""
METADATA_AGE_MS = 500
MORE_PARTITIONS = 6


@pytest.fixture(scope="module")
def release_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code of the release before, as its commit has it."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit_before(), "services", "shared"],
        cwd=SOURCE,
        capture_output=True,
        check=True,
    )
    folder = tmp_path_factory.mktemp("release-before")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


class Before:
    """Processes of the release before, each on a port of its own."""

    def __init__(self, source: Path, wiring: Wiring, logs: Path, keeper: Keeper) -> None:
        self._source = source
        self._wiring = dataclasses.replace(
            wiring, ports=dict(zip(wiring.ports, unused_ports(len(wiring.ports)), strict=True))
        )
        self._logs = logs
        self._keeper = keeper
        self._nursery = Nursery(source=source)
        self.services = Services(self._wiring, logs, keeper)
        """Where they are found; started by `start`, with the code of then."""
        self.children: dict[str, Child] = {}

    def url(self, name: str) -> str:
        return self._wiring.url(name)

    def start(self, names: tuple[str, ...]) -> None:
        for name in names:
            service = BY_NAME[name]
            environment = self._wiring.environment(service) | {"PYTHONPATH": str(self._source)}
            command = Command(name, [sys.executable, "-m", service.module], environment, folder=self._source)
            log = self._logs / f"{name}-before.log"
            self.children[name] = Child(command, log, self._keeper, self._nursery.bear)

    def ready(self, name: str) -> bool:
        try:
            return httpx.get(self.url(name) + "/readyz", timeout=4).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> list[str]:
        for child in self.children.values():
            child.ask()
        late = [name for name, child in self.children.items() if not child.finish()]
        self._nursery.close()
        return late


@dataclasses.dataclass
class Upgrade:
    """The system of now, and the processes of the release before beside it."""

    system: System
    before: Before
    places: Places
    early: Surge
    """What the release before has booked before there was another."""
    dumps: dict[str, Path]
    """Of that moment, by service."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upgrade(
    release_before: Path,
    local_kafka: LocalKafka,
    local_postgres: LocalPostgres,
    workplace: Path,
    keeper: Keeper,
) -> AsyncIterator[Upgrade]:
    """The schema of now, on which so far only the release before works (and the screens of now)."""
    folder = workplace / "upgrade"
    folder.mkdir()
    credentials = Credentials.load_or_make(folder / "secrets.json")
    operators = folder / "operators.json"
    operators.write_text(credentials.operators_json())
    databases = local_postgres.create_service_databases("upgrade", credentials.databases)
    released = json.loads(MIGRATIONS.read_text("utf-8"))["heads"]
    for service, url in databases.items():
        await migrate(url, f"services.{service}", released[service])
    await apply_topics(local_kafka.bootstrap, NAMESPACE, PARTITIONS)
    ports = Ports.unused().named()
    wiring = Wiring(
        local_kafka.bootstrap,
        databases,
        ports,
        operators,
        credentials.channel_key,
        ports["smtp"],
        NAMESPACE,
        PARTITIONS,
        more={
            "KAFKA_SESSION_TIMEOUT_MS": str(SESSION_TIMEOUT_MS),
            "KAFKA_METADATA_MAX_AGE_MS": str(METADATA_AGE_MS),
        },
    )
    before = Before(release_before, wiring, folder, keeper)
    before.start(OLD)
    for name in OLD:
        assert await asyncio.to_thread(wait_until, lambda name=name: before.ready(name), 300), name  # type: ignore[misc]
    system = System(before.services, local_kafka, local_postgres, credentials)
    await system.prepare()
    early = await system.surge()
    await until(lambda: _known(before.url("donation")), "the channel is known to the release before")
    await early.by_kafka(EARLY, PER_SECOND)
    await early.by_http(BY_HTTP)
    await until(lambda: _booked(system, early), "the release before has booked its donations")
    dumps = {service: folder / f"{service}.dump" for service in databases}
    for service, dump in dumps.items():
        await asyncio.to_thread(
            _program, local_postgres, service, "pg_dump", "--format=custom", "--file", dump
        )
    services = Services(wiring, folder, keeper)
    for service, url in databases.items():
        await migrate(url, f"services.{service}")
    services.start(["reporting", "donation", "campaign"])
    await asyncio.to_thread(services.wait_ready, ["reporting", "donation", "campaign"], 300)
    system.services = services
    places = Places(wiring.kafka, databases, wiring.url("reporting"), NAMESPACE)
    yield Upgrade(system, before, places, early, dumps)
    await system.close()
    assert services.stop() == []
    assert before.stop() == []


async def _booked(system: System, surge: Surge) -> bool:
    counted = "SELECT count(*) FROM donations WHERE campaign_id = $1 AND status = 'received'"
    return bool((await system.rows("donation", counted, surge.campaign_id))[0][0] == len(surge.acknowledged))


def _program(server: LocalPostgres, service: str, program: str, *arguments: str | Path) -> None:
    """A program of PostgreSQL, on the database of a service or on the administrator's."""
    place = parse_url(server.admin_url).set(drivername="postgresql")
    if program == "pg_dump":
        place = place.set(database=f"upgrade_{service}")
    asked = [find_programs().path(program), "--dbname", place.render_as_string(hide_password=False)]
    done = subprocess.run([*asked, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


async def _known(donation_url: str) -> bool:
    """Whether a process knows the channel that another registered: within a second it must (directory.py)."""
    async with httpx.AsyncClient(timeout=8) as http:
        unsigned = await http.post(f"{donation_url}/v1/channels/{CHANNEL}/donations", json={})
    assert unsigned.status_code in (401, 404), unsigned.text
    return unsigned.status_code == 401


async def test_the_release_before_works_beside_that_of_now_and_goes(upgrade: Upgrade) -> None:
    """Alone on the new schema; then beside new workers, in one group with them; then the new ones alone."""
    system, before, surge = upgrade.system, upgrade.before, upgrade.early
    surge.donation_url = before.url("donation")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(surge.by_kafka(SURGE, PER_SECOND))
        tasks.create_task(surge.by_http(BY_HTTP))
    await system.counted_at_least(surge, EARLY + SURGE)
    surge.donation_url = system.services.wiring.url("donation")
    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(surge.by_kafka(ENDLESS, PER_SECOND, done))
        tasks.create_task(surge.by_http(BY_HTTP))
        new = ["donation-worker", "reporting-worker"]
        system.services.start(new)
        for name in new:
            await system.members(name, 2)
        assert await asyncio.to_thread(before.stop) == []
        for name in new:
            await system.members(name, 1)
        done.set()
    await judged(upgrade, surge)


async def test_a_dump_of_the_release_before_is_migrated_and_comes_to_the_exact_number(
    upgrade: Upgrade, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All four databases are lost, and there are only dumps from before the release."""
    system, server, surge = upgrade.system, upgrade.system.postgres, upgrade.early
    urls = system.services.wiring.databases
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", system.services.wiring.kafka)
    monkeypatch.setenv("KAFKA_NAMESPACE", NAMESPACE)
    assert await asyncio.to_thread(system.services.stop) == []
    for service in RESTORED:
        monkeypatch.setenv(f"{service.upper()}_DATABASE_URL", urls[service])
        await system.administer(f'DROP DATABASE "upgrade_{service}" WITH (FORCE)')
        arguments = ("--create", "--exit-on-error", upgrade.dumps[service])
        await asyncio.to_thread(_program, server, service, "pg_restore", *arguments)
        with pytest.raises(StackProblem, match=r"of an older release.*`shanliu prepare` migrates it"):
            await asyncio.to_thread(restore, service, dry_run=False)
    monkeypatch.setenv("ADMIN_DATABASE_URL", server.admin_url)
    for service in RESTORED:
        (dry,) = await asyncio.to_thread(restore, service, dry_run=True)
        assert "would be migrated first" in dry
        said = await asyncio.to_thread(restore, service, dry_run=False)
        assert not [line for line in said if line.startswith("LOST")], said
        assert await is_migrated(urls[service], f"services.{service}")
    await asyncio.to_thread(system.services.start, NOW)
    await asyncio.to_thread(system.services.wait_ready, NOW, 300)
    await surge.by_http(BY_HTTP)
    await judged(upgrade, surge)


async def test_every_process_is_replaced_and_no_request_is_refused(upgrade: Upgrade) -> None:
    surge = await upgrade.system.surge()
    services = upgrade.system.services
    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(surge.steadily(done, AT_ONCE, PAUSE_S))
        tasks.create_task(surge.by_kafka(ENDLESS, PER_SECOND, done))
        for name in NOW:
            before = services.child(name)
            await asyncio.to_thread(services.replace, name)
            assert not before.running
            assert services.child(name).running
        done.set()
    assert surge.refused == 0
    await judged(upgrade, surge)


async def test_a_new_process_that_does_not_come_up_leaves_the_old_one(upgrade: Upgrade) -> None:
    services = upgrade.system.services
    old = services.child("donation")
    broken = {**services.wiring.more, "CHANNEL_KEY": "none"}
    wiring, services.wiring = services.wiring, dataclasses.replace(services.wiring, more=broken)
    try:
        with pytest.raises(StackProblem, match=r"donation ended while starting.* The old one goes on"):
            await asyncio.to_thread(services.replace, "donation")
    finally:
        services.wiring = wiring
    assert services.child("donation") is old
    assert services.ready("donation")


async def test_more_partitions_under_load(upgrade: Upgrade) -> None:
    """New keys lie on them, old keys that come again are known, and each is read from its first record."""
    system = upgrade.system
    surge = await system.surge()
    early = [surge.donation() for _ in range(100)]
    await surge.publish(early)
    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(surge.by_kafka(ENDLESS, PER_SECOND, done))
        grown = await grow_topics(
            system.services.wiring.kafka, NAMESPACE, MORE_PARTITIONS, known_s=2 * METADATA_AGE_MS / 1000
        )
        assert f"{surge.topic}: {PARTITIONS} → {MORE_PARTITIONS} partitions" in grown
        await until(lambda: _books(system, f"intake.{CHANNEL}/{MORE_PARTITIONS - 1}"), "a new partition")
        await surge.publish(early)
        await surge.by_http(BY_HTTP)
        done.set()
    await judged(upgrade, surge)
    assert await grow_topics(system.services.wiring.kafka, NAMESPACE, MORE_PARTITIONS) == []


async def test_another_cluster_has_every_record_at_its_offset(
    upgrade: Upgrade, workplace: Path, keeper: Keeper
) -> None:
    """Copied while all runs, from where a killed copy ended; the rest in the pause. Then the old topics are
    gone, and the same processes go on at their marks.
    """
    system, another = upgrade.system, LocalKafka(workplace / "another-kafka", keeper=keeper, short_lived=True)
    old, services = system.services.wiring.kafka, system.services
    starts = asyncio.create_task(asyncio.to_thread(another.start))
    surge = await system.surge()
    in_transactions(old, surge)
    await starts
    new = another.bootstrap
    try:
        load = asyncio.create_task(surge.by_kafka(SURGE, PER_SECOND))
        said = await asyncio.to_thread(killed_copy, old, new)
        assert said == f"copied  {NAMESPACE}campaign.events"
        first = await asyncio.to_thread(copy_topics, old, new, NAMESPACE, lambda _: None)
        await load
        await surge.by_http(BY_HTTP)
        in_transactions(old, surge)
        assert await asyncio.to_thread(services.stop) == []
        rest = await asyncio.to_thread(copy_topics, old, new, NAMESPACE, lambda _: None)
        assert (rest.behind, first.records > rest.records > 0) == (0, True)
        admin = AdminClient({"bootstrap.servers": old})
        gone = [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(NAMESPACE)]
        for done in admin.delete_topics(gone).values():
            done.result(30)

        services.wiring = dataclasses.replace(services.wiring, kafka=new)
        upgrade.places = dataclasses.replace(upgrade.places, kafka=new)
        assert (await apply_topics(new, NAMESPACE, PARTITIONS)).created == [f"{NAMESPACE}totals"]
        await asyncio.to_thread(services.start, NOW)
        await asyncio.to_thread(services.wait_ready, NOW, 300)
        surge.kafka = new
        await surge.by_kafka(BY_HTTP, PER_SECOND)
        await surge.by_http(BY_HTTP)
        await system.judge(surge)
        await until(lambda: _exact(upgrade.places), "every campaign is exact, not this alone")
        assert await system.dead_letters() == 0

        await asyncio.to_thread(_refused, new, old)
        await asyncio.to_thread(services.stop)
    finally:
        await asyncio.to_thread(another.kill)


def killed_copy(old: str, new: str) -> str:
    """Kill -9 a copy when it has told of the first topic; gives that line back."""
    asked = [sys.executable, "-m", "deploy.cli", "topics", "copy", old, new, "--namespace", NAMESPACE]
    with subprocess.Popen(
        asked, cwd=SOURCE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as copy:
        assert copy.stdout is not None
        said = ""
        while not said.startswith("copied") and (line := copy.stdout.readline()):
            said = line.strip()
        copy.kill()
    return said


def _refused(one: str, other: str) -> None:
    """What lies there and is no copy stays as it is."""
    for servers, value in ((one, b"one"), (other, b"other")):
        admin = AdminClient({"bootstrap.servers": servers})
        admin.create_topics([NewTopic("x.y", 1)])["x.y"].result(30)
        producer = Producer({"bootstrap.servers": servers})
        producer.produce("x.y", value, partition=0)
        assert producer.flush(30) == 0
    with pytest.raises(StackProblem, match=r"x\.y/0 is no copy: offset 0 has another record"):
        copy_topics(one, other, "x.", lambda _: None)


def in_transactions(servers: str, surge: Surge) -> None:
    """A channel that publishes in transactions, aborted and committed: both leave gaps."""
    producer = Producer({"bootstrap.servers": servers, "transactional.id": surge.campaign_id})
    producer.init_transactions(30)
    for commit in (False, True, False):
        producer.begin_transaction()
        for number in range(7):
            body = surge.donation()
            producer.produce(surge.topic, json.dumps(body).encode(), partition=number % 2)
            if commit:
                surge.acknowledged.add(body["transaction_id"])
        if commit:
            producer.commit_transaction(30)
        else:
            producer.abort_transaction(30)


async def _books(system: System, source: str) -> bool:
    rows = await system.rows("donation", "SELECT count(*) FROM donations WHERE source = $1", source)
    return bool(rows[0][0])


async def judged(upgrade: Upgrade, surge: Surge) -> None:
    """Everything is counted once, everywhere, and `verify` is exact."""
    await upgrade.system.judge(surge)
    await until(lambda: _exact(upgrade.places, surge.campaign_id), "verify is exact")


async def _exact(places: Places, campaign_id: str | None = None) -> bool:
    return (await verify(places, campaign_id, wait_s=10)).exact
