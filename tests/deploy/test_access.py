"""Access to Kafka, on a broker that asks who one is: each may do what is granted, and nothing else.

What is forbidden is tried, not read off a list.
"""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from confluent_kafka.admin import AdminClient
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr, ValidationError
from typer.testing import CliRunner, Result

from deploy.access import Access, Gatekeeper, channel_role, declared, librdkafka, service_role
from deploy.cli import app
from deploy.local.problems import StackProblem
from deploy.topics import apply_topics, grow_topics
from deploy.verify.logs import LogReader
from deploy.verify.places import Places
from deploy.verify.workbook import Workbook
from services.campaign.app import create_app as create_campaign
from services.campaign.settings import Settings as CampaignSettings
from services.donation.app import create_app as create_donation
from services.donation.channels.api import INTAKE_TOPIC
from services.donation.intake import donation_id_of
from services.donation.settings import Settings as DonationSettings
from services.notification.app import create_app as create_notification
from services.notification.settings import Settings as NotificationSettings
from services.reporting.app import create_app as create_reporting
from services.reporting.settings import Settings as ReportingSettings
from shared.broker import (
    CAMPAIGN_GROUP,
    CONTACTS,
    DEAD_LETTER,
    DONATION_EVENTS,
    DONATION_WORKER_GROUP,
    INTAKE_INTERNAL,
    NOTIFICATION_CONTACTS_GROUP,
    REPORTING_GROUP,
    KafkaSettings,
    ensure_topic,
)
from shared.events import DonationHeld
from shared.kafka_client import KafkaClientSettings
from shared.restoring import run, silent
from tests.conftest import PARTITIONS
from tests.databases import Databases
from tests.deploy.acting import SILENT, Forbidden, make, read, topics_seen, write
from tests.parts import Doors
from tests.services.donation.builders import a_donation, as_json, bearer, new_id, write_operators
from tests.services.donation.topics import Follower
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
in_module = pytest_asyncio.fixture(scope="module", loop_scope="module")

A_KEY = SecretStr(base64.b64encode(b"k" * 32).decode())
NOT_LET_IN = KafkaConnectionError
"""So aiokafka says that no server has let it in."""


@dataclass(frozen=True)
class Grounds:
    """A namespace on the broker, its gatekeeper, and the means to come in by the secured door."""

    broker: Doors
    namespace: str
    keeper: Gatekeeper

    def settings(self, access: Access | None = None) -> KafkaSettings:
        """By the secured door as somebody; without access by the plain one."""
        return KafkaSettings(**self.kafka(access))

    def kafka(self, access: Access | None) -> dict[str, Any]:
        """The same, as fields of settings."""
        made = {"kafka_namespace": self.namespace, "partitions": PARTITIONS}
        if access is None:
            return {**made, "kafka_bootstrap_servers": self.broker.bootstrap}
        return {
            **made,
            "kafka_bootstrap_servers": self.broker.secured,
            "kafka_security_protocol": "SASL_PLAINTEXT",
            "kafka_sasl_username": access.user,
            "kafka_sasl_password": SecretStr(access.password),
        }

    def service(self, name: str) -> Access:
        return self.keeper.give(service_role(name))


@in_module
async def grounds(secured_kafka: Doors) -> Grounds:
    namespace = f"t{token_hex(4)}."
    await apply_topics(secured_kafka.bootstrap, namespace, PARTITIONS)
    plain = KafkaClientSettings(kafka_bootstrap_servers=secured_kafka.bootstrap)
    return Grounds(secured_kafka, namespace, Gatekeeper(plain, namespace))


@pytest.fixture(scope="module")
def operators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_operators(tmp_path_factory.mktemp("access") / "operators.json")


@in_module
async def donation(grounds: Grounds, databases: Databases, operators: Path) -> AsyncIterator[AsyncClient]:
    """The donation service, API and worker, as its own user of the broker."""
    settings = DonationSettings(
        database_url=databases.fresh("donation"),
        channel_key=A_KEY,
        operators_file=operators,
        kafka_metadata_max_age_ms=500,
        **grounds.kafka(grounds.service("donation")),
    )
    async with AsyncExitStack() as stack:
        yield await started(stack, create_donation(settings))


async def started(stack: AsyncExitStack, app: FastAPI) -> AsyncClient:
    await stack.enter_async_context(app.router.lifespan_context(app))
    transport = ASGITransport(app, raise_app_exceptions=False)
    return await stack.enter_async_context(AsyncClient(transport=transport, base_url="http://service"))


@in_module
async def channels(grounds: Grounds, donation: AsyncClient) -> dict[str, Access]:
    """Two registered channels: their topics were made by a service that may make no others."""
    found = {}
    for _ in range(2):
        name = new_id("ch")
        new = {"channel": name, "title": "测试"}
        headers = {**bearer("admin"), "idempotency-key": new_id("key")}
        answer = await donation.post("/v1/channels", json=new, headers=headers)
        assert answer.status_code == 201, answer.text
        await soon_there(grounds, name)
        found[name] = grounds.keeper.give(channel_role(name))
    return found


async def soon_there(grounds: Grounds, channel: str) -> None:
    """A broker is told of a topic a moment after it was made."""

    async def there() -> bool:
        return await asyncio.to_thread(grounds.keeper.has_topic, f"intake.{channel}")

    await until(there, deadline_s=30)


@pytest.fixture
def own(channels: dict[str, Access]) -> tuple[str, Access]:
    return next(iter(channels.items()))


@pytest.fixture
def other(channels: dict[str, Access]) -> tuple[str, Access]:
    return list(channels.items())[1]


# ---------------------------------------------------------------------------------------------- what one does


async def allowed_soon(act: Callable[[], Awaitable[None]]) -> None:
    """A right that was just given is known to the broker a moment later."""

    async def tried() -> bool:
        try:
            await act()
        except (Forbidden, TopicAuthorizationFailedError, NOT_LET_IN):
            return False
        return True

    await until(tried, deadline_s=30)


async def forbidden_soon(act: Callable[[], Awaitable[None]], *errors: type[Exception]) -> None:
    """The same of one that was taken away."""

    async def refused() -> bool:
        try:
            await act()
        except errors:
            return True
        return False

    await until(refused, deadline_s=30)


# ------------------------------------------------------------------------------------------------ a channel


async def test_what_a_channel_writes_itself_is_booked_by_a_worker_with_a_user_of_its_own(
    grounds: Grounds, donation: AsyncClient, own: tuple[str, Access]
) -> None:
    name, access = own
    body = a_donation(campaign_id=new_id("gala"))
    settings = grounds.settings(access)
    await allowed_soon(lambda: write(settings, f"intake.{name}", as_json(body), b"k"))

    async def booked() -> bool:
        answer = await donation.get(f"/v1/donations/{donation_id_of(name, body['transaction_id'])}")
        return answer.status_code == 200 and answer.json()["status"] == "held"

    await until(booked)
    log = Follower(grounds.settings())
    await log.start()
    try:
        donation_id = str(donation_id_of(name, body["transaction_id"]))
        told = (DonationHeld, donation_id)
        await log.until(lambda events: told in [(type(each), each.subject) for each in events])
    finally:
        await log.stop()


async def test_a_channel_can_do_nothing_but_write_to_its_own_topic(
    grounds: Grounds, own: tuple[str, Access], other: tuple[str, Access]
) -> None:
    name, access = own
    settings = grounds.settings(access)
    await allowed_soon(lambda: write(settings, f"intake.{name}"))
    assert await topics_seen(settings) == {f"intake.{name}"}, "it does not even see another's name"
    for topic in (f"intake.{other[0]}", INTAKE_INTERNAL, DONATION_EVENTS, CONTACTS, DEAD_LETTER):
        with pytest.raises(TopicAuthorizationFailedError):
            await write(settings, topic)
    for topic in (f"intake.{name}", f"intake.{other[0]}", DONATION_EVENTS, CONTACTS, DEAD_LETTER):
        with pytest.raises(Forbidden, match="TOPIC_AUTHORIZATION_FAILED"):
            await read(settings, topic)
    with pytest.raises(TopicAuthorizationFailedError):
        await make(settings, f"intake.{name}-2")
    with pytest.raises(StackProblem, match="who asks may not do that"):
        Gatekeeper(settings, grounds.namespace).give(channel_role(other[0]))


async def test_nobody_comes_in_with_a_wrong_password_or_none(
    grounds: Grounds, own: tuple[str, Access]
) -> None:
    name, access = own
    for wrong in (Access(access.user, "wrong"), Access("nobody", access.password)):
        with pytest.raises(NOT_LET_IN):
            await write(grounds.settings(wrong), f"intake.{name}")
    plainly = KafkaSettings(kafka_bootstrap_servers=grounds.broker.secured, kafka_namespace=grounds.namespace)
    with pytest.raises(KafkaError):
        await write(plainly, f"intake.{name}")


async def test_a_new_password_ends_the_old_one_and_revoking_ends_open_connections(grounds: Grounds) -> None:
    name = new_id("ch")
    topic, role = f"intake.{name}", channel_role(name)
    await made_topic(grounds.settings(), topic)
    first = grounds.keeper.give(role)
    await allowed_soon(lambda: write(grounds.settings(first), topic))
    second = grounds.keeper.give(role)
    assert second.user == first.user
    await forbidden_soon(lambda: write(grounds.settings(first), topic), NOT_LET_IN)
    await allowed_soon(lambda: write(grounds.settings(second), topic))

    settings = grounds.settings(second)
    async with AIOKafkaProducer(**settings.client(), acks="all") as open_one:

        async def send() -> None:
            await open_one.send_and_wait(settings.topic(topic), b"{}")

        await send()
        assert grounds.keeper.take(role)
        await forbidden_soon(send, TopicAuthorizationFailedError)
    await forbidden_soon(lambda: write(settings, topic), NOT_LET_IN)
    assert not grounds.keeper.take(role), "there is nothing left to take"


async def test_a_right_that_is_not_declared_is_taken_away(grounds: Grounds) -> None:
    name = new_id("ch")
    role = channel_role(name)
    wider = role.model_copy(update={"grants": [*role.grants, *service_role("verify").grants]})
    access = grounds.keeper.give(wider)
    await allowed_soon(lambda: read(grounds.settings(access), DONATION_EVENTS))
    access = grounds.keeper.give(role)
    await forbidden_soon(lambda: read(grounds.settings(access), DONATION_EVENTS), Forbidden)


@pytest.mark.parametrize("name", ["internal", "desk", "", "Partner", "a.b", "*", "a*", "a/b", "a" * 33])
async def test_what_is_no_channel_gets_no_access(name: str) -> None:
    """Above all not `internal`: who writes to intake.internal releases held donations."""
    with pytest.raises(StackProblem, match="not a channel's name"):
        channel_role(name)


# ----------------------------------------------------------------------------------------------- the services


async def test_every_service_runs_with_a_user_of_its_own(
    grounds: Grounds, databases: Databases, operators: Path, donation: AsyncClient
) -> None:
    def settings(kind: Any, name: str) -> Any:
        return kind(
            database_url=databases.fresh(name),
            operators_file=operators,
            **({"address_key": A_KEY} if name == "notification" else {}),
            **grounds.kafka(grounds.service(name)),
        )

    async with AsyncExitStack() as stack:
        others = [
            await started(stack, create_campaign(settings(CampaignSettings, "campaign"))),
            await started(stack, create_notification(settings(NotificationSettings, "notification"))),
            await started(stack, create_reporting(settings(ReportingSettings, "reporting"))),
        ]
        for client in (donation, *others):

            async def ready(client: AsyncClient = client) -> bool:
                return (await client.get("/readyz")).status_code == 200

            await until(ready)

        async def all_read() -> bool:
            return not await asyncio.to_thread(groups_without_members, grounds)

        await until(all_read)

        async def lag_is_known() -> bool:
            said = (await others[2].get("/metrics")).text
            return 'shanliu_consumer_lag_records{group="donation-worker"' in said

        await until(lag_is_known)


def groups_without_members(grounds: Grounds) -> set[str]:
    """Of the groups of all services, those that nobody reads for."""
    names = [
        "donation-worker",
        "donation-campaigns",
        "donation-receipts-2",
        "campaign",
        "notification",
        "notification-contacts",
        "reporting-worker",
    ]
    admin = AdminClient(librdkafka(grounds.settings()), logger=SILENT)
    asked = admin.describe_consumer_groups([grounds.namespace + name for name in names])
    return {name for name, answer in asked.items() if not answer.result(20).members}


async def test_verify_reads_the_logs_with_a_user_that_may_only_read(
    grounds: Grounds,
    donation: AsyncClient,
    own: tuple[str, Access],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name, access = own
    body = a_donation(campaign_id=new_id("gala"))
    settings = grounds.settings(access)
    await allowed_soon(lambda: write(settings, f"intake.{name}", as_json(body), b"k"))
    reader = grounds.service("verify")
    await allowed_soon(lambda: read(grounds.settings(reader), INTAKE_INTERNAL))
    asked_by(monkeypatch, reader)
    places = Places(grounds.broker.secured, {}, "", grounds.namespace)
    seen: list[tuple[str, int, int]] = []
    with Workbook() as workbook:
        await LogReader(places, workbook, lambda *read_: seen.append(read_)).read()
    assert sum(read_ for what, read_, _ in seen if what == "reading intake.*") >= 1


def asked_by(monkeypatch: pytest.MonkeyPatch, access: Access) -> None:
    """From here on commands come in by the environment's user."""
    for field, value in (
        ("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
        ("KAFKA_SASL_USERNAME", access.user),
        ("KAFKA_SASL_PASSWORD", access.password),
    ):
        monkeypatch.setenv(field, value)


async def test_no_service_can_do_anothers_work(grounds: Grounds) -> None:
    """Who copies topics to another Kafka has all of them until it is over (tests/faults/test_copying.py)."""
    settings = {name: grounds.settings(grounds.service(name)) for name in declared().services}
    await allowed_soon(lambda: read(settings["notification"], CONTACTS, "notification-contacts"))
    await allowed_soon(lambda: read(settings["verify"], INTAKE_INTERNAL))
    for name in declared().services:
        if name not in {"notification", "restore", "copy-from", "copy-to"}:
            with pytest.raises(Forbidden, match="TOPIC_AUTHORIZATION_FAILED"):
                await read(settings[name], CONTACTS)
        if name not in {"donation", "copy-to"}:
            for topic in (INTAKE_INTERNAL, DONATION_EVENTS, CONTACTS):
                with pytest.raises(TopicAuthorizationFailedError):
                    await write(settings[name], topic)
        if name not in {"donation", "operations", "copy-to"}:
            with pytest.raises(TopicAuthorizationFailedError):
                await make(settings[name], "intake.another")
    with pytest.raises(Forbidden, match="GROUP_AUTHORIZATION_FAILED"):
        await read(settings["reporting"], DONATION_EVENTS, "campaign")


async def test_operations_makes_topics_and_gives_access_without_being_anybody(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = grounds.service("operations")
    settings = grounds.settings(access)
    name = new_id("ch")
    await allowed_soon(lambda: made_topic(settings, f"intake.{name}"))
    channel = Gatekeeper(settings, grounds.namespace).give(channel_role(name))
    await allowed_soon(lambda: write(grounds.settings(channel), f"intake.{name}"))
    with pytest.raises(Forbidden, match="TOPIC_AUTHORIZATION_FAILED"):
        await read(settings, f"intake.{name}")

    asked_by(monkeypatch, access)
    applied = await apply_topics(grounds.broker.secured, grounds.namespace, PARTITIONS)
    assert not applied.created
    assert not applied.differences


@pytest_asyncio.fixture(loop_scope="module")
async def quiet(grounds: Grounds) -> Grounds:
    """A namespace in which nobody is at work."""
    namespace = f"t{token_hex(4)}."
    await apply_topics(grounds.broker.bootstrap, namespace, PARTITIONS)
    plain = KafkaClientSettings(kafka_bootstrap_servers=grounds.broker.bootstrap)
    return Grounds(grounds.broker, namespace, Gatekeeper(plain, namespace))


async def test_a_restore_may_read_and_set_back_what_it_has_to(quiet: Grounds, databases: Databases) -> None:
    groups = {
        "donation": (INTAKE_INTERNAL, DONATION_WORKER_GROUP),
        "campaign": (DONATION_EVENTS, CAMPAIGN_GROUP),
        "notification": (CONTACTS, NOTIFICATION_CONTACTS_GROUP),
        "reporting": (DONATION_EVENTS, REPORTING_GROUP),
    }
    for topic, group in groups.values():
        await write(quiet.settings(), topic)
        await read_to_the_end(quiet.settings(), topic, group)
    settings = quiet.settings(quiet.service("restore"))
    await allowed_soon(lambda: read(settings, CONTACTS))
    for service, (_, group) in groups.items():
        work = import_module(f"services.{service}.restoring").restore
        url = databases.fresh(service)
        said = await asyncio.to_thread(run, work, settings, url, dry_run=False, tell=silent)
        again = next(line for line in said if line.startswith(f"{group} reads "))
        assert not again.startswith(f"{group} reads 0 "), again
    for topic in (INTAKE_INTERNAL, DONATION_EVENTS, CONTACTS):
        with pytest.raises(TopicAuthorizationFailedError):
            await write(settings, topic)


async def read_to_the_end(settings: KafkaSettings, topic: str, group: str) -> None:
    """As a worker would have: its group stands behind the last record."""
    async with AIOKafkaConsumer(
        **settings.client(), group_id=settings.topic(group), enable_auto_commit=False
    ) as consumer:
        partitions = [TopicPartition(settings.topic(topic), number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.commit(await consumer.end_offsets(partitions))


async def test_operations_makes_topics_wider(quiet: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    access = quiet.service("operations")
    await allowed_soon(lambda: made_topic(quiet.settings(access), "intake.wide"))
    asked_by(monkeypatch, access)
    told: list[str] = []

    async def grown(partitions: int) -> list[str]:
        servers, names = quiet.broker.secured, quiet.namespace
        return await grow_topics(servers, names, partitions, known_s=0.1, say=told.append)

    assert f"{quiet.namespace}intake.wide: {PARTITIONS} → {PARTITIONS + 1} partitions" in await grown(
        PARTITIONS + 1
    )
    assert [line for line in told if "every process knows" in line]
    assert await grown(PARTITIONS + 1) == await grown(1) == []


async def test_the_command_shows_what_lets_a_channel_in_and_takes_it_away(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = new_id("ch")
    access = grounds.service("operations")
    settings = grounds.settings(access)
    await allowed_soon(lambda: made_topic(settings, f"intake.{name}"))
    asked_by(monkeypatch, access)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", grounds.broker.secured)
    monkeypatch.setenv("KAFKA_NAMESPACE", grounds.namespace)

    async def command(*words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    await soon_there(grounds, name)
    shown = await command("channel-access", name)
    assert shown.exit_code == 0, shown.output
    lines = dict(line.split("=", 1) for line in shown.stdout.splitlines())
    assert lines["SHANLIU_TOPIC"] == f"{grounds.namespace}intake.{name}"
    for field, value in lines.items():
        monkeypatch.setenv(field, value)
    await allowed_soon(lambda: write(KafkaSettings(), f"intake.{name}"))

    asked_by(monkeypatch, access)
    unknown = await command("channel-access", "nobody")
    assert "Register the channel first" in str(unknown.exception)
    assert (await command("channel-access", name, "--revoke")).exit_code == 0
    monkeypatch.delenv("KAFKA_SASL_PASSWORD")
    nameless = await command("channel-access", name)
    assert "KAFKA_SASL_PASSWORD" in str(nameless.exception)
    assert isinstance(nameless.exception, StackProblem)


async def made_topic(settings: KafkaSettings, topic: str) -> None:
    await ensure_topic(settings, topic, configs=INTAKE_TOPIC)


async def test_a_user_without_a_password_starts_nothing() -> None:
    with pytest.raises(ValidationError, match="KAFKA_SASL_PASSWORD"):
        KafkaSettings(kafka_security_protocol="SASL_SSL", kafka_sasl_username="donation")
    assert KafkaSettings().identity() == {}
    assert "ssl_context" in KafkaSettings(kafka_security_protocol="SSL").identity()
