"""A record that can't be used goes whole to the dead letters; the batch around it goes through."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.donation.cloud_events import read_message
from services.donation.intake import donation_id_of
from shared.broker import INTAKE_INTERNAL, INTAKE_PREFIX, ensure_topic
from shared.events import DonationReceived
from tests.services.donation.bad_input import BAD
from tests.services.donation.builders import a_donation, as_json, new_id
from tests.services.donation.places import Place
from tests.services.donation.topics import Put

pytestmark = pytest.mark.asyncio(loop_scope="package")


async def test_every_bad_body_is_a_dead_letter_and_every_good_one_goes_through(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    good = [a_donation(campaign_id=campaign_id) for _ in BAD]
    mixed = [each for good_one, bad in zip(good, BAD, strict=True) for each in (as_json(good_one), bad.body)]
    await place.put(topic, *mixed, partition=2)
    batch = await place.work(topic)

    events = await place.log.events(topic)
    channel = topic.removeprefix("intake.")
    assert [event.subject for event in events] == [
        str(donation_id_of(channel, body["transaction_id"])) for body in good
    ]
    assert {type(event) for event in events} == {DonationReceived}
    assert [event.previous for event in events] == [None, *range(0, 2 * len(BAD) - 2, 2)]

    letters = await place.letters(topic)
    assert len(letters) == len(BAD)
    for bad, letter, record in zip(BAD, letters, batch[1::2], strict=True):
        said = (letter.reason, letter.topic, letter.partition, letter.offset)
        assert said == (bad.code, topic, 2, record.offset), bad.name
        assert letter.value == bad.body, "whole"
        assert bad.field is None or letter.detail.startswith(f"{bad.field}: "), bad.name
    assert await place.value("SELECT count(*) FROM dead_letters WHERE source = :s", s=f"{topic}/2") == len(
        BAD
    )


async def test_whatever_else_a_record_may_be_stops_nothing(place: Place) -> None:
    """What a channel's own producer can write and HTTP can't: no value, odd headers, a size of its own."""
    topic, campaign_id = await place.channel(), await place.campaign()
    odd: list[Put] = [
        Put(None, key=b"\xff\x00"),
        Put(b"{", headers=[("", b""), ("\u0000", b"\x00"), ("王", None), ("x" * 1_000, b"\xff" * 1_000)]),
        Put(b"\xff" * 1_000_000, key=b"k" * 1_000),
        Put(as_json({"padding": "x" * 500_000})),
        Put(as_json(a_donation(**{f"f{n}": n for n in range(500)}))),
    ]
    around = [Put(as_json(a_donation(campaign_id=campaign_id))) for _ in range(2)]
    await place.put(topic, around[0], *odd, around[1])
    await place.work(topic)

    assert [event.sequence for event in await place.log.events(topic)] == [0, len(odd) + 1]
    letters = await place.letters(topic)
    assert [(letter.key, letter.value) for letter in letters] == [(each.key, each.value) for each in odd]
    assert [letter.headers for letter in letters] == [tuple(each.headers) for each in odd]


async def test_a_record_of_any_time_stops_nothing(place: Place) -> None:
    """On a topic that was not made by registering a channel the producer says the time."""
    topic = INTAKE_PREFIX + new_id("ch")
    await ensure_topic(place.settings, topic, configs={"message.timestamp.after.max.ms": str(2**63 - 1)})
    body = as_json(a_donation(campaign_id=await place.campaign()))
    times_ms = [0, 1, 253_402_300_800_000, 2**62]
    await place.put(topic, *(Put(body, timestamp_ms=time_ms) for time_ms in times_ms))
    batch = await place.work(topic)
    assert [record.timestamp for record in batch] == times_ms
    assert [letter.offset for letter in await place.letters(topic)] == [0, 1], "given before it was given"
    assert [event.sequence for event in await place.log.events(topic)] == [2]


async def test_the_log_takes_what_another_clock_has_answered_202(place: Place) -> None:
    """The API's clock let it in; the broker's is minutes behind, and must not refuse it afterwards."""
    topic, campaign_id = await place.channel(), await place.campaign()
    ahead = [(datetime.now(UTC) + timedelta(minutes=minutes)).isoformat() for minutes in (9, 11)]
    await place.put(topic, *(a_donation(campaign_id=campaign_id, occurred_at=each) for each in ahead))
    await place.work(topic)
    assert [event.sequence for event in await place.log.events(topic)] == [0]
    assert [letter.offset for letter in await place.letters(topic)] == [1]


async def test_a_channel_can_not_release_or_make_due(place: Place) -> None:
    topic = await place.channel()
    campaign_id = new_id("unknown")
    body = a_donation(campaign_id=campaign_id)
    donation_id = donation_id_of(topic.removeprefix("intake."), body["transaction_id"])
    bodies: list[dict[str, Any]] = [
        {"type": "release", "donation_id": str(donation_id)},
        {"type": "reversal_due", "reversal_id": str(donation_id)},
    ]
    await place.put(topic, body, *bodies)
    await place.work(topic)
    assert await place.value("SELECT status FROM donations WHERE donation_id = :id", id=donation_id) == "held"
    assert [letter.reason for letter in await place.letters(topic)] == ["unknown-type"] * 2


async def test_a_donation_on_our_own_topic_is_not_booked(place: Place) -> None:
    body = a_donation(campaign_id=await place.campaign())
    (record,) = await place.internal(body)
    await place.handler()((record,))
    assert (
        await place.value("SELECT count(*) FROM donations WHERE campaign_id = :c", c=body["campaign_id"]) == 0
    )
    letters = [each for each in await place.letters(INTAKE_INTERNAL) if each.offset == record.offset]
    assert [letter.reason for letter in letters] == ["unknown-type"]


async def test_what_was_refused_once_stays_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later release may take what this one refuses. Its position is behind every mark by then: an event
    there would be skipped by all, and the money lost. It comes back by replay, at a new position.
    """
    topic, campaign_id = await place.channel(), await place.campaign()
    strict = as_json(a_donation(campaign_id=campaign_id) | {"note": "a field of the next release"})
    await place.put(topic, strict, a_donation(campaign_id=campaign_id))
    batch = await place.work(topic)
    assert [letter.offset for letter in await place.letters(topic)] == [0]

    def lenient(body: bytes, *rest: Any, **options: Any) -> Any:
        fields = {key: value for key, value in json.loads(body).items() if key != "note"}
        return read_message(as_json(fields), *rest, **options)

    monkeypatch.setattr("services.donation.handlers.read_message", lenient)
    await place.handler()(batch)
    assert {event.sequence for event in await place.log.events(topic)} == {1}
    assert await place.value("SELECT count(*) FROM donations WHERE campaign_id = :c", c=campaign_id) == 1
    letters = await place.letters(topic)
    assert letters == [letters[0]] * 2, "and its dead letter is told again"

    await place.put(topic, strict)
    await place.work(topic)
    assert {event.sequence for event in await place.log.events(topic)} == {1, 2}


async def test_cloud_events_count_beside_plain_records_and_once(place: Place) -> None:
    """The same donation plain, and as an event in both modes: one donation; a bad event stops nothing."""
    topic, campaign_id = await place.channel(), await place.campaign()
    event_type = "org.shanliu.intake.donation.v1"
    envelope = {"specversion": "1.0", "id": "e-1", "source": "/tills/7", "type": event_type}
    headers = [(f"ce_{name}", value.encode()) for name, value in envelope.items()]
    plain, other = (a_donation(campaign_id=campaign_id) for _ in range(2))
    await place.put(
        topic,
        plain,
        {**envelope, "data": plain},
        Put(as_json(plain), headers=headers),
        {**envelope, "type": "org.example.gift.v1", "data": other},
        Put(as_json(other), headers=[*headers, ("ce_id", b"e-2")]),
        Put(as_json(other), headers=headers),
    )
    await place.work(topic)
    assert [event.sequence for event in await place.log.events(topic)] == [0, 5]
    assert [(letter.offset, letter.reason) for letter in await place.letters(topic)] == [
        (3, "unknown-type"),
        (4, "invalid-field"),
    ]
