"""What becomes of a batch: new donations, replays, repeats, conflicts, each at its position."""

import asyncio
import itertools
import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.donation.handlers import LANES_FROM
from services.donation.intake import donation_id_of
from shared.broker import CONTACTS, consuming, make_broker, subscribe_batches
from shared.events import (
    Contact,
    DonationConflicted,
    DonationHeld,
    DonationReceived,
    DonationReversed,
    Event,
    decode_event,
)
from tests.services.donation.builders import MISSING, OCCURRED_AT, a_donation, a_donor, a_reversal, new_id
from tests.services.donation.places import Place, together
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


def positions(events: list[Event]) -> list[tuple[str, int]]:
    return [(event.source, event.sequence) for event in events]


def assert_chained(events: list[Event]) -> None:
    """Each event names the one before it from its source, without a gap and in the order of positions."""
    for _, of_source in itertools.groupby(events, key=lambda event: event.source):
        last: int | None = None
        for event in of_source:
            assert event.previous == last
            assert last is None or event.sequence > last
            last = event.sequence


async def test_a_donation_is_booked_and_announced_at_its_position(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(
        campaign_id=campaign_id,
        amount_fen=12_345,
        fee_fen=60,
        message="加油",
        donor=a_donor(contact={"email": "wang@example.cn"}),
    )
    (offset,) = await place.put(topic, body, partition=3)
    (record,) = await place.work(topic)

    (event,) = await place.log.events(topic)
    donation_id = donation_id_of(topic.removeprefix("intake."), body["transaction_id"])
    assert isinstance(event, DonationReceived)
    assert (event.source, event.sequence, event.previous) == (f"{topic}/3", offset, None)
    assert event.subject == str(donation_id)
    assert event.data.model_dump() == {
        "donation_id": donation_id,
        "channel": topic.removeprefix("intake."),
        "campaign_id": campaign_id,
        "amount_fen": 12_345,
        "fee_fen": 60,
        "occurred_at": OCCURRED_AT,
        "received_at": event.time,
        "donor_kind": "person",
        "shown_name": "王小明",
        "has_contact": True,
        "released": False,
        "pledge_id": None,
    }
    assert event.time.timestamp() * 1000 == record.timestamp
    (written,) = await place.log.event_records(topic)
    assert written.partition == 3
    assert written.key == str(donation_id).encode()
    assert dict(written.headers)["content-type"] == b"application/cloudevents+json"
    assert await place.rows(
        "SELECT source, sequence, status, amount_fen, message, contact_email FROM donations"
        " WHERE donation_id = :donation_id",
        donation_id=donation_id,
    ) == [(f"{topic}/3", offset, "received", 12_345, "加油", "wang@example.cn")]


async def test_the_pledge_that_a_donation_names_goes_with_what_comes_in_and_what_goes_back(
    place: Place,
) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    pledge_id = uuid4()
    body = a_donation(campaign_id=campaign_id, pledge_id=str(pledge_id).upper())
    await place.put(topic, body, {**body, "pledge_id": str(pledge_id)}, a_reversal(body["transaction_id"]))
    await place.work(topic)
    received, reversed_ = await place.log.events(topic)
    assert (type(received), received.data.pledge_id) == (DonationReceived, pledge_id)
    assert (type(reversed_), reversed_.data.pledge_id) == (DonationReversed, pledge_id)


async def test_a_batch_that_comes_again_makes_the_same_bytes_and_changes_nothing(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    first = a_donation(campaign_id=campaign_id, donor=a_donor(contact={"email": "w@example.cn"}))
    conflict = {**first, "amount_fen": 1}
    held = a_donation(campaign_id=new_id("nobody-knows"))
    refund = a_reversal(first["transaction_id"])
    too_much = a_reversal(first["transaction_id"], amount_fen=99_999_999)
    await place.put(topic, first, held, b"{", conflict, first, refund, too_much)
    await place.put(topic, *(a_donation(campaign_id=campaign_id) for _ in range(20)), partition=1)
    batch = await place.work(topic)
    once = await place.log.event_records(topic)
    letters = await place.letters(topic)
    before = await place.snapshot()

    await place.handler()(batch)
    twice = await place.log.event_records(topic)

    told = [(each.partition, each.key, each.value) for each in once]
    assert sorted((each.partition, each.key, each.value) for each in twice) == sorted(told + told)
    assert await place.snapshot() == before
    assert len(once) == 4 + 20
    assert_chained([decode_event(record.value) for record in once])
    assert [(letter.offset, letter.reason) for letter in letters] == [
        (2, "malformed-json"),
        (6, "reversal-too-large"),
    ]
    assert await place.letters(topic) == [each for letter in letters for each in (letter, letter)]


async def test_batches_cut_elsewhere_make_the_same_bytes(place: Place) -> None:
    """A crash, a rebalance or another worker cut a topic into other batches."""
    topic, campaign_id = await place.channel(), await place.campaign()
    await place.put(topic, *(a_donation(campaign_id=campaign_id) for _ in range(9)), b"{", b"[")
    await place.put(topic, *(a_donation(campaign_id=campaign_id) for _ in range(5)))
    batch = await place.batch(topic)
    for start in range(0, len(batch), 4):
        await place.handler()(batch[start : start + 4])
    once = [record.value for record in await place.log.event_records(topic)]
    assert_chained(await place.log.events(topic))
    assert len(once) == 14

    for start, end in ((0, 11), (7, 16), (3, 4), (0, 16)):
        await place.handler()(batch[start:end])
    again = [record.value for record in await place.log.event_records(topic)]
    assert set(again) == set(once)


async def test_a_repeat_at_another_place_counts_once(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    same = {**body, "occurred_at": OCCURRED_AT.isoformat().replace("+00:00", "Z"), "message": None}
    await place.put(topic, body, body)
    await place.put(topic, same, partition=2)
    await place.work(topic)
    await place.put(topic, body, partition=3)
    await place.work(topic)
    events = await place.log.events(topic)
    assert set(positions(events)) == {(f"{topic}/0", 0)}
    assert await place.value("SELECT count(*) FROM donations WHERE campaign_id = :c", c=campaign_id) == 1
    assert await place.value("SELECT count(*) FROM conflicts WHERE campaign_id = :c", c=campaign_id) == 0


async def test_another_content_under_a_known_key_moves_no_money(place: Place) -> None:
    changes: dict[str, dict[str, Any]] = {
        "amount_fen": {"amount_fen": 1},
        "campaign_id": {"campaign_id": "another"},
        "fee_fen": {"fee_fen": 1},
        "occurred_at": {"occurred_at": (OCCURRED_AT + timedelta(microseconds=1)).isoformat()},
        "message": {"message": "加油"},
        "donor_name": {"donor": a_donor(name="李")},
        "donor_alias": {"donor": a_donor(alias="小明")},
        "donor_kind": {"donor": a_donor(kind="company")},
        "donor_display": {"donor": a_donor(display="anonymous")},
        "contact_email": {"donor": a_donor(contact={"email": "w@example.cn"})},
        "contact_phone": {"donor": a_donor(contact={"phone": "13812345678"})},
        "pledge_id": {"pledge_id": str(uuid4())},
    }
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [a_donation(campaign_id=campaign_id) for _ in changes]
    await place.put(
        topic, *bodies, *(body | change for body, change in zip(bodies, changes.values(), strict=True))
    )
    await place.work(topic)

    events = await place.log.events(topic)
    assert_chained(events)
    received, conflicted = events[: len(changes)], events[len(changes) :]
    assert {type(event) for event in received} == {DonationReceived}
    assert {type(event) for event in conflicted} == {DonationConflicted}
    assert [event.subject for event in received] == [event.subject for event in conflicted]
    assert [event.data.amount_fen for event in conflicted] == [1] + [10_000] * (len(changes) - 1)
    stored = await place.rows("SELECT amount_fen, status FROM donations WHERE source = :s", s=f"{topic}/0")
    assert stored == [(10_000, "received")] * len(changes)
    differs = await place.rows(
        "SELECT differs FROM conflicts WHERE source = :s ORDER BY sequence", s=f"{topic}/0"
    )
    assert differs == [([field],) for field in changes], "the names of the fields, never their content"


async def test_the_first_of_several_in_one_batch_is_the_donation(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, body, body, {**body, "amount_fen": 1}, body, {**body, "amount_fen": 2})
    await place.work(topic)
    events = await place.log.events(topic)
    assert [(event.sequence, event.previous, event.data.amount_fen) for event in events] == [
        (0, None, 10_000),
        (2, 0, 1),
        (4, 2, 2),
    ]
    assert_chained(events)


async def test_the_same_transaction_of_two_channels_is_two_donations(place: Place) -> None:
    campaign_id = await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    topics = [await place.channel(), await place.channel()]
    for topic in topics:
        await place.put(topic, body)
    await place.work(*topics)
    assert [event.data.amount_fen for event in await place.log.events(*topics)] == [10_000, 10_000]


async def test_the_same_donations_from_two_paths_at_once_count_once(place: Place) -> None:
    """Two workers, each with the same keys in another order, at the same moment."""
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [a_donation(campaign_id=campaign_id) for _ in range(200)]
    await place.put(topic, *bodies, partition=0)
    await place.put(topic, *reversed(bodies), partition=1)
    batch = await place.batch(topic)
    paths = [tuple(record for record in batch if record.partition == n) for n in (0, 1)]

    await together(*(place.handler()(path) for path in paths))

    events = await place.log.events(topic)
    assert len(events) == len({event.subject for event in events}) == 200
    assert {type(event) for event in events} == {DonationReceived}
    assert_chained(events)
    stored = await place.rows("SELECT source, sequence FROM donations WHERE campaign_id = :c", c=campaign_id)
    assert sorted(positions(events)) == sorted(stored)


async def test_two_workers_with_the_same_donations_never_wait_in_a_ring(place: Place) -> None:
    """One has them from the first to the last, the other from the last to the first; both are stopped at the
    one in the middle. In a ring the database would have to end one of them.
    """
    topic, campaign_id = await place.channel(), await place.campaign()
    channel = topic.removeprefix("intake.")
    bodies = sorted(
        (a_donation(campaign_id=campaign_id) for _ in range(3)),
        key=lambda body: donation_id_of(channel, body["transaction_id"]),
    )
    await place.put(topic, *bodies, partition=0)
    await place.put(topic, *reversed(bodies), partition=1)
    batch = await place.batch(topic)
    middle = donation_id_of(channel, bodies[1]["transaction_id"])
    async with place.engine.connect() as connection:
        await connection.execute(
            text(
                "INSERT INTO donations VALUES (:id, 'c', 't', 'g', 1, NULL, now(), now(), 'person',"
                " NULL, NULL, 'anonymous', NULL, NULL, 's', 1, NULL, 'received')"
            ),
            {"id": middle},
        )
        paths = [tuple(record for record in batch if record.partition == n) for n in (0, 1)]
        workers = [asyncio.create_task(place.handler()(path)) for path in paths]
        await place.blocked(2)
        await connection.rollback()
    await asyncio.gather(*workers)
    assert len(await place.log.events(topic)) == 3


async def test_one_partition_in_two_hands_at_once_makes_the_same_bytes(place: Place) -> None:
    """A worker that was taken for dead goes on beside its successor."""
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, body, *(a_donation(campaign_id=campaign_id) for _ in range(50)))
    await place.put(topic, {**body, "amount_fen": 7}, a_reversal(body["transaction_id"]))
    batch = await place.batch(topic)

    await together(*(place.handler()(batch) for _ in range(3)))

    records = await place.log.event_records(topic)
    assert len(records) == 3 * 53
    assert len({record.value for record in records}) == 53


async def test_the_two_lanes_of_a_large_batch_count_what_lies_in_both_once(place: Place) -> None:
    """The second lane waits for the first one's transaction over each key, and never in a ring."""
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [a_donation(campaign_id=campaign_id, amount_fen=fen) for fen in range(1, 301)]
    for partition in range(4):
        await place.put(topic, *random.sample(bodies, len(bodies)), partition=partition)
    batch = await place.batch(topic)
    assert len(batch) >= LANES_FROM
    await place.handler()(batch)

    events = await place.log.events(topic)
    assert sum(event.data.amount_fen for event in events) == sum(range(1, 301))
    assert len(events) == len(bodies)
    assert_chained(events)


async def test_a_donation_and_a_conflict_from_two_paths_at_once(place: Place) -> None:
    """Whichever comes first is the donation; the other is a conflict, and no money."""
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [a_donation(campaign_id=campaign_id) for _ in range(50)]
    await place.put(topic, *bodies, partition=0)
    await place.put(topic, *({**body, "amount_fen": 20_000} for body in bodies), partition=1)
    batch = await place.batch(topic)
    paths = [tuple(record for record in batch if record.partition == n) for n in (0, 1)]
    await together(*(place.handler()(path) for path in paths))
    events = await place.log.events(topic)
    assert len([event for event in events if isinstance(event, DonationReceived)]) == 50
    assert len([event for event in events if isinstance(event, DonationConflicted)]) == 50
    counted = sum(event.data.amount_fen for event in events if isinstance(event, DonationReceived))
    assert counted == await place.value(
        "SELECT CAST(sum(amount_fen) AS bigint) FROM donations WHERE campaign_id = :c", c=campaign_id
    )


async def test_reading_the_whole_topic_again_in_another_group_changes_nothing(place: Place) -> None:
    """From offset 0, in batches cut by the broker, by the subscriber the service itself uses."""
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [a_donation(campaign_id=campaign_id) for _ in range(40)]
    for partition in range(4):
        await place.put(topic, *bodies[partition * 10 :], b"{", partition=partition)
    await place.put(topic, *({**body, "amount_fen": 1} for body in bodies[:5]), partition=3)
    await place.put(topic, *(a_reversal(body["transaction_id"]) for body in bodies[:5]), partition=2)
    await place.work(topic)
    once = {record.value for record in await place.log.event_records(topic)}
    before = await place.snapshot()

    seen = 0

    async def again(records: Any) -> None:
        nonlocal seen
        await place.handler()(records)
        seen += len(records)

    broker = make_broker(place.settings)
    subscribe_batches(broker, place.settings, again, group=new_id("again"), topics=[topic], max_records=7)
    records = len(await place.batch(topic))

    async def all_seen() -> bool:
        return seen == records

    async with consuming(broker):
        await until(all_seen)

    assert await place.snapshot() == before
    values = [record.value for record in await place.log.event_records(topic)]
    assert len(values) == 2 * len(once) == 2 * (40 + 5 + 5)
    assert set(values) == once


@pytest.mark.parametrize(
    "given",
    [
        {"phone": "13812345678", "language": "en"},
        {"wechat_openid": "o6_bmjrPTlm6_2sgVt7hMZOPfL2M", "wechat_app_id": "wx0123456789abcdef"},
    ],
    ids=["phone", "wechat"],
)
async def test_every_way_to_a_donor_is_told_and_stored(place: Place, given: dict[str, str]) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id, donor=a_donor(contact=given))
    await place.put(topic, body, body)
    await place.work(topic)

    (received,) = await place.log.events(topic)
    assert received.data.has_contact
    key = received.subject.encode()
    (record,) = [each for each in await place.log.records(CONTACTS) if each.key == key]
    contact = Contact.model_validate_json(record.value)
    expected = {**given, "phone": "+8613812345678"} if "phone" in given else given
    assert {field: getattr(contact, field) for field in given} == expected
    assert contact.email is None
    columns = ", ".join(f"contact_{field}" for field in expected)
    stored = await place.rows(f"SELECT {columns} FROM donations WHERE source = :s", s=f"{topic}/0")
    assert stored == [tuple(expected.values())]


async def test_contacts_are_told_on_their_topic_only(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    email, name = f"{new_id()}@example.cn", f"王{new_id()}"
    donor = a_donor(display="anonymous", name=name, contact={"email": email})
    first = a_donation(campaign_id=campaign_id, donor=donor, message="保密")
    await place.put(topic, first, a_donation(campaign_id=campaign_id), partition=2)
    await place.put(topic, {**first, "amount_fen": 1}, a_reversal(first["transaction_id"]), partition=2)
    await place.put(topic, a_donation(campaign_id=new_id("unknown"), donor=donor), partition=2)
    await place.put(topic, a_donation(donor={**donor, "phone": "1"}), partition=2)
    await place.work(topic)

    contacts = [record for record in await place.log.records(CONTACTS) if email.encode() in record.value]
    received = [event for event in await place.log.events(topic) if isinstance(event, DonationReceived)]
    assert [(each.partition, each.key) for each in contacts] == [(2, received[0].subject.encode())]
    assert [event.data.has_contact for event in received] == [True, False]
    assert received[0].data.shown_name is None
    for record in await place.log.event_records(topic):
        for secret in (email, name, "保密"):
            assert secret.encode() not in record.value
    (letter,) = await place.letters(topic)
    assert email not in letter.detail
    assert name not in letter.detail


async def test_a_donation_without_a_right_to_be_shown_is_held_and_received_alike(place: Place) -> None:
    topic = await place.channel()
    anonymous = a_donor(display="anonymous", name=MISSING)
    await place.put(topic, a_donation(campaign_id=new_id("unknown"), donor=anonymous))
    await place.work(topic)
    (event,) = await place.log.events(topic)
    assert isinstance(event, DonationHeld)
    assert event.data.reason == "unknown_campaign"
