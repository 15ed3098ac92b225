"""Three brokers in containers, with users, rights and TLS: what the file says, always; the whole started,
where a Docker daemon answers and the images are there (tests/deploy/conftest.py).
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAuthorizationFailedError
from pydantic import SecretStr

from deploy.access import INTAKE
from deploy.access import declared as declared_access
from deploy.certificates import AUTHORITY, AUTHORITY_KEY, write_certificates
from deploy.local.credentials import KAFKA_USERS
from deploy.local.services import SERVICES
from deploy.secret_files import BROKERS as INNER
from deploy.secret_files import write_secrets
from shared.broker import CONTACTS, DONATION_EVENTS, INTAKE_INTERNAL, KafkaSettings
from tests.deploy.acting import Forbidden, read, write
from tests.deploy.containers import (
    BROKERS,
    CLUSTER,
    COMPOSE,
    FIRST_DONATION_S,
    ROOT,
    WATCHING,
    Containers,
    declared,
    first_donation,
    hall_of,
    launched,
    started,
)
from tests.faults.surge import Surge, Watch, longest, told
from tests.waiting import until

OVER: Mapping[str, dict[str, Any]] = declared("services", CLUSTER)
PUBLISHED = ("donation", "notification", "reporting", "console", "mail", *BROKERS)
USERS = {service.name: service.database for service in SERVICES if service.name != "console"}
USERS["verifier"] = "verify"
AGAIN_S = 60
"""So long at most donations are refused, or a screen behind: machines of tests are busy."""
START_S = 180
"""A broker has as long to start and to copy what it has missed."""
AT_ONCE = 12
PAUSE_S = 0.1
MORE = 100
log = logging.getLogger(__name__)

# ---------------------------------------------------------------- what the file says


@pytest.mark.parametrize("name", BROKERS)
def test_a_broker_speaks_tls_alone_and_keeps_everything_thrice(name: str) -> None:
    said = OVER[name]["environment"]
    protocols = dict(pair.split(":") for pair in said["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))
    listeners = re.findall(r"(\w+)://", said["KAFKA_LISTENERS"])

    assert protocols == {
        "SERVICES": "SASL_SSL",
        "CHANNELS": "SASL_SSL",
        "BROKERS": "SSL",
        "CONTROLLERS": "SSL",
    }
    assert set(listeners) == set(protocols)
    for listener in ("BROKERS", "CONTROLLERS"):
        assert said[f"KAFKA_LISTENER_NAME_{listener}_SSL_CLIENT_AUTH"] == "required"
    assert said["KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND"] == "false"
    assert said["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
    for kind in ("DEFAULT", "OFFSETS_TOPIC", "TRANSACTION_STATE_LOG", "SHARE_COORDINATOR_STATE_TOPIC"):
        assert said[f"KAFKA_{kind}_REPLICATION_FACTOR"] == "3"
    for kind in ("MIN_INSYNC_REPLICAS", "TRANSACTION_STATE_LOG_MIN_ISR"):
        assert said[f"KAFKA_{kind}"] == "2"
    assert said["KAFKA_NODE_ID"] == str(BROKERS.index(name) + 1)
    assert OVER[name]["secrets"] == ["ca.pem", {"source": f"{name}.pem", "target": "broker.pem"}]
    assert all(port.startswith("127.0.0.1:") for port in OVER[name]["ports"])


@pytest.mark.parametrize("name", USERS)
def test_a_service_has_a_user_of_its_own_and_believes_our_authority_alone(name: str) -> None:
    said, given = OVER[name]["environment"], OVER[name]["secrets"]

    assert said["KAFKA_SASL_USERNAME"] == USERS[name]
    assert said["KAFKA_SECURITY_PROTOCOL"] == "SASL_SSL"
    assert said["KAFKA_SSL_CAFILE"] == said["PGSSLROOTCERT"] == "/run/secrets/ca.pem"
    assert said["PGSSLMODE"] == "verify-full"
    assert said["REPLICATION"] == str(len(BROKERS))
    assert given == ["ca.pem", {"source": f"{USERS[name]}_kafka_password", "target": "kafka_sasl_password"}]


def test_who_may_do_everything_is_given_to_nobody_but_the_first_step() -> None:
    assert [name for name, each in OVER.items() if "administrator.pem" in each.get("secrets", [])] == ["init"]
    assert AUTHORITY_KEY not in CLUSTER.read_text("utf-8")
    for_the_day = {"restore", "copy-from", "copy-to"}
    assert set(KAFKA_USERS) == set(declared_access().services) - for_the_day
    assert {f"{user}_kafka_password" for user in KAFKA_USERS} <= {
        each for each in OVER["init"]["secrets"] if isinstance(each, str)
    }


def test_every_secret_that_is_named_is_made(tmp_path: Path) -> None:
    made = write_secrets(tmp_path / "secrets", "postgres:5432", cluster="localhost")
    named = declared("secrets", COMPOSE, WATCHING, CLUSTER)

    assert {Path(each["file"]).name for each in named.values()} == set(made)
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "secrets" / AUTHORITY_KEY).stat().st_mode & 0o777 == 0o600


# ---------------------------------------------------------------- the whole, started


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    with started(tmp_path_factory.mktemp("secrets"), CLUSTER, published=PUBLISHED) as running:
        yield running


@pytest.fixture(scope="module")
def hall(cluster: Containers) -> str:
    """A campaign that is launched, and a channel: the secret that it signs with."""
    return hall_of(cluster)


@pytest.mark.containers
async def test_the_first_donation_is_on_the_screen_and_proved(cluster: Containers, hall: str) -> None:
    shown_s = await first_donation(cluster, hall)
    log.warning("cluster: all ready %.1f s, first donation %.1f s", cluster.ready_s, shown_s)
    assert shown_s <= FIRST_DONATION_S


@pytest.mark.containers
def test_operators_count_again_and_restore_with_the_rights_that_they_have(
    cluster: Containers, hall: str
) -> None:
    """By the lines of docs/kubernetes.md and docs/backup.md."""

    def done(*command: str, told: str | None = None) -> str:
        ran = cluster.compose(*command, told=told)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    guide = (ROOT / "docs" / "kubernetes.md").read_text("utf-8")
    (script,) = re.findall(r"^restoring\(\) .* sh -c '([^']+)'", guide, re.MULTILINE)
    processes = ("donation", "donation-worker")
    assert "prove it" in done("run", "--rm", "-T", "cli", "shanliu", "rebuild", "reporting")
    lines = cluster.compose("run", "--rm", "-T", "operations", "shanliu", "service-access", "restore").stdout
    done("stop", *processes)
    try:
        restored = done(
            *("run", "--rm", "-T", "operations", "sh", "-c", script, "restore", "donation"), told=lines
        )
    finally:
        done("start", *processes)
    assert "donation-worker reads 0 records again" in restored
    assert "access taken away" in done(
        "run", "--rm", "-T", "operations", "shanliu", "service-access", "restore", "--revoke"
    )
    assert "exact to the fen" in done("exec", "-T", "verifier", "shanliu", "verify", "--wait", "60")
    done("up", "--detach", "--wait", *processes)


def client(cluster: Containers, user: str = "", **other: Any) -> KafkaSettings:
    """A client on this machine, as a channel's would be."""
    said = {
        "kafka_bootstrap_servers": ",".join(f"localhost:{cluster.ports[name]}" for name in BROKERS),
        "kafka_security_protocol": "SASL_SSL",
        "kafka_sasl_username": user,
        "kafka_sasl_password": SecretStr(cluster.credentials.kafka.get(user, "wrong")),
        "kafka_ssl_cafile": cluster.secrets / "ca.pem",
    }
    return KafkaSettings(**{**said, **other})


@pytest.mark.containers
@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"kafka_security_protocol": "PLAINTEXT"}, id="plaintext"),
        pytest.param({"kafka_security_protocol": "SASL_PLAINTEXT"}, id="a password in plaintext"),
        pytest.param({"kafka_security_protocol": "SSL"}, id="no password"),
        pytest.param({"kafka_sasl_password": SecretStr("wrong")}, id="a wrong password"),
        pytest.param({"kafka_ssl_cafile": "another"}, id="another authority"),
        pytest.param({"kafka_ssl_cafile": None}, id="the machine's authorities"),
    ],
)
async def test_a_broker_lets_in_and_is_believed_by_nobody_else(
    cluster: Containers, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    write_certificates(tmp_path, [])
    if wrong.get("kafka_ssl_cafile"):
        wrong = {"kafka_ssl_cafile": tmp_path / AUTHORITY}
    await write(client(cluster, "donation"), INTAKE_INTERNAL, b"not a donation")
    with pytest.raises((KafkaConnectionError, KafkaError)) as refused:
        await write(client(cluster, "donation", **wrong), INTAKE_INTERNAL, b"not a donation")
    assert not isinstance(refused.value, TopicAuthorizationFailedError)


@pytest.mark.containers
async def test_a_service_may_not_do_anothers_work(cluster: Containers) -> None:
    await read(client(cluster, "notification"), CONTACTS)
    for user in KAFKA_USERS:
        settings = client(cluster, user)
        if user != "notification":
            with pytest.raises(Forbidden, match="TOPIC_AUTHORIZATION_FAILED"):
                await read(settings, CONTACTS)
        if user != "donation":
            for topic in (INTAKE_INTERNAL, DONATION_EVENTS, CONTACTS):
                with pytest.raises(TopicAuthorizationFailedError):
                    await write(settings, topic)
    with pytest.raises(Forbidden, match="GROUP_AUTHORIZATION_FAILED"):
        await read(client(cluster, "reporting"), DONATION_EVENTS, "campaign")


INSIDE = """
import asyncio, json, os, smtplib, socket, ssl, sys
import asyncpg
URL = open("/run/secrets/database_url").read().strip().replace("+asyncpg", "")
def said(act):
    try:
        act()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "let in"
def database(**how):
    async def connect():
        await (await asyncpg.connect(URL, timeout=5, **how)).close()
    asyncio.run(connect())
def mail(context=None):
    with smtplib.SMTP("mail", 8025, timeout=5) as server:
        if context:
            server.starttls(context=context)
        server.sendmail("a@shanliu.example", ["b@shanliu.example"], "Subject: tried")
def broker(port):
    with socket.create_connection(("kafka", port), 5) as plain:
        tls = ours.wrap_socket(plain, server_hostname="kafka")
        tls.sendall(bytes.fromhex("0000000a00120000000000010000"))
        if not tls.recv(8):
            raise ConnectionError("closed")
ours = ssl.create_default_context(cafile="/run/secrets/ca.pem")
print(json.dumps({
    "database": said(database),
    "database, plaintext": said(lambda: database(ssl="disable")),
    "database, the machine's authorities": said(lambda: database(ssl=ssl.create_default_context())),
    "mail": said(lambda: mail(ours)),
    "mail, plaintext": said(mail),
    "mail, the machine's authorities": said(lambda: mail(ssl.create_default_context())),
    "broker": said(lambda: broker(9092)),
    "brokers' own door, no certificate": said(lambda: broker(9094)),
    "controllers' door, no certificate": said(lambda: broker(9093)),
}))
"""


@pytest.mark.containers
def test_inside_too_plaintext_and_another_authority_are_refused(cluster: Containers) -> None:
    tried = cluster.compose("exec", "-T", "notification", "python", "-c", INSIDE)
    assert tried.returncode == 0, tried.stderr
    said = json.loads(tried.stdout)

    assert [what for what, answer in said.items() if answer == "let in"] == ["database", "mail", "broker"]
    assert "no encryption" in said["database, plaintext"]
    assert "STARTTLS" in said["mail, plaintext"]
    for what in ("database", "mail"):
        assert "certificate verify failed" in said[f"{what}, the machine's authorities"]


# ---------------------------------------------------------------- one of three is away


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to the broker that leads the channel's first partition, and how it is mended. While it
    lasts another leads and donations are taken; or, where the brokers see nothing of it, those are refused
    that it leads.
    """

    begin: Callable[[Containers, str], None]
    mend: Callable[[Containers, str], None]
    another_leads: bool = True


OF_SERVICES = ("inside", "outside")
"""The networks that brokers and services have in common."""
FAULTS: Mapping[str, Fault] = {
    "killed": Fault(
        lambda cluster, broker: cluster.docker("kill", cluster.of(broker)),
        lambda cluster, broker: cluster.docker("start", cluster.of(broker)),
    ),
    "cut off from the other brokers": Fault(
        lambda cluster, broker: cluster.cut_off(broker, "brokers"),
        lambda cluster, broker: cluster.connect(broker, INNER[broker], "brokers"),
    ),
    "cut off from the services": Fault(
        lambda cluster, broker: cluster.cut_off(broker, *OF_SERVICES),
        lambda cluster, broker: cluster.connect(broker, broker, *OF_SERVICES),
        another_leads=False,
    ),
}


@asynccontextmanager
async def load(cluster: Containers, hall: str, what: str) -> AsyncIterator[Surge]:
    """Donations and a screen as long as the block lasts; then all of them are counted, once, and proved."""
    campaign_id = what.replace(" ", "-")
    await asyncio.to_thread(launched, cluster, campaign_id)
    screen = Watch(f"{cluster.url('reporting')}/v1/campaigns/{campaign_id}/stream")
    following = asyncio.create_task(screen.follow())
    surge = Surge(cluster.url("donation"), "", "", "hall", hall, campaign_id)
    done = asyncio.Event()
    try:
        await until_there(lambda: bool(screen.state))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(surge.steadily(done, AT_ONCE, PAUSE_S))
            try:
                await goes_on(surge)
                yield surge
                await goes_on(surge)
            finally:
                done.set()
        counted = {"donations": len(surge.acknowledged), "net_fen": surge.total_fen}
        assert await screen.until(AGAIN_S, **counted), (screen.state, counted)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    log.warning("%s: %s", what, told(surge, screen))
    proved = await asyncio.to_thread(
        cluster.compose, "exec", "-T", "verifier", "shanliu", "verify", campaign_id, "--wait", "30", "--json"
    )
    assert proved.returncode == 0, proved.stdout + proved.stderr
    await until_there(lambda: healthy(cluster))


@pytest.mark.containers
@pytest.mark.parametrize("what", FAULTS)
async def test_a_leader_that_is_away_under_load_loses_and_doubles_nothing(
    cluster: Containers, hall: str, what: str
) -> None:
    fault = FAULTS[what]
    async with load(cluster, hall, what) as surge:
        broker = await leader(cluster)
        await asyncio.to_thread(fault.begin, cluster, broker)
        try:
            refused = surge.refused
            if fault.another_leads:
                await until(lambda: led_by_another(cluster, broker), deadline_s=AGAIN_S)
                await goes_on(surge)
            else:
                await until_there(lambda: surge.refused > refused + AT_ONCE)
        finally:
            await asyncio.to_thread(fault.mend, cluster, broker)
        await until(lambda: in_sync(cluster), deadline_s=START_S)
    assert longest(surge.moments_s) < AGAIN_S


@pytest.mark.containers
async def test_brokers_are_restarted_one_after_the_other_under_load(cluster: Containers, hall: str) -> None:
    async with load(cluster, hall, "a rolling restart") as surge:
        for broker in BROKERS:
            await asyncio.to_thread(cluster.docker, "restart", cluster.of(broker))
            await until(lambda: in_sync(cluster), deadline_s=START_S)
    assert longest(surge.moments_s) < AGAIN_S


async def goes_on(surge: Surge) -> None:
    """Wait until donations are acknowledged again."""
    sent = len(surge.acknowledged)
    await until_there(lambda: len(surge.acknowledged) > sent + MORE)


async def until_there(condition: Callable[[], bool]) -> None:
    """Within AGAIN_S."""

    async def holds() -> bool:
        return await asyncio.to_thread(condition)

    await until(holds, deadline_s=AGAIN_S)


async def partitions(cluster: Containers) -> list[dict[str, Any]]:
    """Every partition as the brokers describe it, with its topic's name."""
    admin = AIOKafkaAdminClient(**client(cluster, "operations").client(), request_timeout_ms=5_000)
    await admin.start()
    try:
        described = await admin.describe_topics(await admin.list_topics())
    finally:
        await admin.close()
    return [{**each, "topic": topic["topic"]} for topic in described for each in topic["partitions"]]


async def leader(cluster: Containers) -> str:
    """Who leads the channel's first partition now: the service's name."""
    (first,) = [
        each
        for each in await partitions(cluster)
        if (each["topic"], each["partition"]) == (f"{INTAKE}hall", 0)
    ]
    return BROKERS[first["leader"] - 1]


async def led_by_another(cluster: Containers, broker: str) -> bool:
    """Whether the channel's first partition has another leader than that, as those who are there say."""
    try:
        return await leader(cluster) != broker
    except (KafkaError, IndexError):
        return False


async def in_sync(cluster: Containers) -> bool:
    """Whether every copy of everything is there: then the next broker may go."""
    try:
        return all(len(each["isr"]) == len(each["replicas"]) for each in await partitions(cluster))
    except KafkaError:
        return False


def healthy(cluster: Containers) -> bool:
    """Whether all three brokers are back."""
    states = cluster.compose("ps", "--format", "{{.Health}}", *BROKERS).stdout.split()
    return states == ["healthy"] * len(BROKERS)
