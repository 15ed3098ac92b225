"""Republishing makes every event again from the tables, the same to the byte."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy import republish as command
from deploy.local.problems import StackProblem
from services.donation import republishing
from services.donation.intake import donation_id_of, reversal_id_of
from services.donation.republishing import republish
from shared import database
from shared.broker import CAMPAIGN_EVENTS, CONTACTS, INTAKE_INTERNAL, Record
from shared.events import decode_event
from tests.conftest import ServiceDatabase
from tests.services.donation.builders import MISSING, a_donation, a_donor, a_reversal, new_id
from tests.services.donation.conftest import SettingsMaker
from tests.services.donation.places import Place, at_place

pytestmark = pytest.mark.asyncio(loop_scope="package")


def same(record: Record) -> tuple[Any, ...]:
    return record.partition, record.key, record.value, tuple(record.headers)


def since(before: list[Record], now: list[Record]) -> list[Record]:
    """What has come to a topic since."""
    there = {(record.partition, record.offset) for record in before}
    return [record for record in now if (record.partition, record.offset) not in there]


async def everything_that_can_happen(place: Place) -> str:
    """One of each kind of event and of each kind of donor, on two partitions and on our own topic."""
    topic, campaign_id, later = await place.channel(), await place.campaign(), new_id("gala")
    channel = topic.removeprefix("intake.")
    first = a_donation(
        campaign_id=campaign_id,
        occurred_at="2026-01-01T08:00:00.123456789+08:00",
        fee_fen=0,
        message="加油",
        pledge_id=str(uuid4()),
        donor=a_donor(display="alias", alias="小明", contact={"email": "a@example.cn"}),
    )
    held = a_donation(
        campaign_id=later,
        occurred_at="2026-01-01T00:00:00-11:30",
        donor=a_donor(kind="company", contact={"email": "b@example.cn"}),
        pledge_id=str(uuid4()),
    )
    quiet = a_donation(campaign_id=campaign_id, donor=a_donor(display="anonymous", name=MISSING))
    refund = a_reversal(first["transaction_id"], occurred_at="2026-01-01T10:00:00+08:00", reason="退款")
    early = a_reversal(held["transaction_id"], kind="chargeback")
    too_large = a_reversal(first["transaction_id"], amount_fen=10**12)
    await place.put(topic, first, b"{", refund, {**first, "amount_fen": 1}, first, held, early)
    await place.put(topic, quiet, {**quiet, "campaign_id": "x", "amount_fen": 3}, too_large, partition=3)
    await place.work(topic)
    release = {"type": "release", "donation_id": str(donation_id_of(channel, held["transaction_id"]))}
    due = {"type": "reversal_due", "reversal_id": str(reversal_id_of(channel, early["reversal_id"]))}
    await place.handler()(await place.internal(release, due))
    return topic


async def test_a_source_s_events_are_made_again_to_the_byte(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(republishing, "PAGE", 3)  # so that a page ends in the middle
    topic = await everything_that_can_happen(place)
    for source, count in ((f"{topic}/0", 4), (f"{topic}/3", 2), (f"{topic}/1", 0)):
        before = await place.log.event_records(topic)
        contacts = await place.log.records(CONTACTS)
        assert await republish(place.engine, place.publisher, source) == count
        once = [each for each in before if decode_event(each.value).source == source]
        again = since(before, await place.log.event_records(topic))
        assert [same(each) for each in again] == [same(each) for each in once]
        assert len(once) == count
        fresh = since(contacts, await place.log.records(CONTACTS))
        assert {same(each) for each in fresh} <= {same(each) for each in contacts}
        assert len(fresh) == (1 if source.endswith("/0") else 0)


async def test_events_after_a_sequence_still_name_the_one_before(place: Place) -> None:
    topic = await everything_that_can_happen(place)
    before = await place.log.event_records(topic)
    assert await republish(place.engine, place.publisher, f"{topic}/0", after=2) == 2
    again = since(before, await place.log.event_records(topic))
    assert [same(each) for each in again] == [same(each) for each in before if each.partition == 0][2:]


async def test_all_sources_are_made_again_to_the_byte(kafka_settings: SettingsMaker) -> None:
    """At a place of its own: other tests write donations down that came by no log."""
    async with at_place(await kafka_settings()) as place:
        await all_sources_again(place)


async def all_sources_again(place: Place) -> None:
    for _ in range(2):
        await everything_that_can_happen(place)
    before = await place.log.event_records()
    sent = await republish(place.engine, place.publisher, None)
    again = since(before, await place.log.event_records())
    assert sent == len(again)
    assert {same(each) for each in again} == {same(each) for each in before}
    assert sent == len({same(each) for each in before}), "each once"
    sources = {decode_event(each.value).source for each in again}
    assert f"{INTAKE_INTERNAL}/0" in sources


def names(place: Place) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": place.settings.kafka_bootstrap_servers,
        "KAFKA_NAMESPACE": place.settings.kafka_namespace,
        "DONATION_DATABASE_URL": place.settings.database_url,
    }


@pytest.fixture
def told(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the environment names to the command line."""
    named = names(place)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    return named


async def test_the_command_line_sends_to_the_servers_that_the_environment_names(
    place: Place, told: dict[str, str]
) -> None:
    topic = await everything_that_can_happen(place)
    before = await place.log.event_records(topic)
    assert await asyncio.to_thread(command.republish, f"{topic}/3", -1, print) == 2
    assert len(since(before, await place.log.event_records(topic))) == 2


async def test_without_a_source_every_event_of_every_service_is_sent_again_and_what_is_left_out_is_told(
    kafka_settings: SettingsMaker, service_database: ServiceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, said = service_database("campaign"), list[str]()
    async with at_place(await kafka_settings()) as place:
        named = names(place) | {"CAMPAIGN_DATABASE_URL": campaign}
        for name, value in named.items():
            monkeypatch.setenv(name, value)
        await everything_that_can_happen(place)
        async with database.disposing(database.create_engine(campaign, "test")) as engine:
            await _told_by_campaign(engine)
        donations = await place.log.event_records()
        sent = await asyncio.to_thread(command.republish, None, -1, said.append)
        again = await place.log.records(CAMPAIGN_EVENTS)
        assert sorted((each.partition, each.value) for each in again) == [(0, b"one"), (1, b"two")]
        assert sent == len(since(donations, await place.log.event_records())) + 2 > 2
    assert said[0].startswith("notification: its events are left out, for NOTIFICATION_DATABASE_URL is not")
    assert [line.partition(":")[0] for line in said[1:]] == ["campaign", "intake", "receipt"]
    with pytest.raises(StackProblem, match="--after is a sequence of one source"):
        await asyncio.to_thread(command.republish, None, 7, said.append)


async def _told_by_campaign(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO outbox (source, key, value, published_at)"
                " VALUES ('campaign/0', 'a', 'one', now()), ('campaign/1', 'b', 'two', now())"
            )
        )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("intake.nobody/0", "No event is of intake.nobody/0. There are "),
        ("receipt/9", "No event is of receipt/9. There are "),
        ("intake.wechat", "is no source. There are intake.CHANNEL/PARTITION and campaign/PARTITION, "),
        ("total/0", "is no source"),
    ],
)
async def test_a_source_that_does_not_exist_is_refused(
    place: Place, told: dict[str, str], source: str, says: str
) -> None:
    await everything_that_can_happen(place)
    with pytest.raises(StackProblem, match=says):
        await asyncio.to_thread(command.republish, source, -1, print)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1", "The broker at 127.0.0.1:1 does not take the events"),
        (
            "DONATION_DATABASE_URL",
            "postgresql://a:b@127.0.0.1:1/a",
            "The database of the service can't be read",
        ),
    ],
)
async def test_a_server_that_is_away_is_one_line(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StackProblem, match=says) as told_:
        await asyncio.to_thread(command.republish, None, -1, print)
    assert "\n" not in str(told_.value)
