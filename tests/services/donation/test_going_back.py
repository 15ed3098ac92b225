"""Reversals: money that goes back counts once, never more than came in, and never before it came in."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.donation.intake import donation_id_of, reversal_id_of
from services.donation.queries import reversals_due
from shared.broker import INTAKE_INTERNAL, Record
from shared.events import DonationReceived, DonationReversed, Event
from tests.services.donation.builders import OCCURRED_AT, a_donation, a_reversal, new_id
from tests.services.donation.places import Place, together

pytestmark = pytest.mark.asyncio(loop_scope="package")


def gone_back(events: list[Event]) -> list[int]:
    return [event.data.amount_fen for event in events if isinstance(event, DonationReversed)]


async def waiting(place: Place) -> set[UUID]:
    async with place.engine.connect() as connection:
        return {row.reversal_id for row in await reversals_due(connection, 1_000)}


def id_of(topic: str, reversal: dict[str, Any]) -> UUID:
    return reversal_id_of(topic.removeprefix("intake."), reversal["reversal_id"])


def due(topic: str, reversal: dict[str, Any]) -> dict[str, Any]:
    """Our own record that a waiting reversal can be applied."""
    return {"type": "reversal_due", "reversal_id": str(id_of(topic, reversal))}


async def events_of(place: Place, topic: str) -> list[Event]:
    """The events about a channel's donations, whichever topic they came in by."""
    channel = topic.removeprefix("intake.")
    events = await place.log.events(topic, INTAKE_INTERNAL)
    return [event for event in events if event.data.channel == channel]


async def test_parts_go_back_until_nothing_remains(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id, amount_fen=1_000)
    reversals = [
        a_reversal(body["transaction_id"], amount_fen=amount_fen, kind=kind)
        for amount_fen, kind in (
            (400, "refund"),
            (599, "chargeback"),
            (2, "refund"),
            (1, "void"),
            (1, "void"),
        )
    ]
    await place.put(topic, body, *reversals[:2])
    await place.work(topic)
    await place.put(topic, *reversals[2:], partition=1)
    await place.work(topic)

    events = [event for event in await place.log.events(topic) if isinstance(event, DonationReversed)]
    assert {(event.sequence, event.data.kind, event.data.amount_fen) for event in events} == {
        (1, "refund", 400),
        (2, "chargeback", 599),
        (1, "void", 1),
    }
    assert events[0].data.model_dump(include={"donation_id", "reversal_id", "campaign_id"}) == {
        "donation_id": donation_id_of(topic.removeprefix("intake."), body["transaction_id"]),
        "reversal_id": reversal_id_of(topic.removeprefix("intake."), reversals[0]["reversal_id"]),
        "campaign_id": campaign_id,
    }
    assert events[0].data.occurred_at == events[0].data.donation_occurred_at == OCCURRED_AT
    letters = await place.letters(topic)
    assert [(letter.partition, letter.offset, letter.reason) for letter in letters] == [
        (1, 0, "reversal-too-large"),
        (1, 2, "reversal-too-large"),
    ]


async def test_a_repeated_reversal_goes_back_once(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    reversal = a_reversal(body["transaction_id"])
    await place.put(topic, body, reversal, reversal)
    await place.work(topic)
    await place.put(topic, reversal, {**reversal, "reason": "退款"}, partition=2)
    await place.work(topic)
    assert gone_back(await place.log.events(topic)) == [100, 100]  # the second time is the first again
    assert len({event.sequence for event in await place.log.events(topic)}) == 2
    assert await place.letters(topic) == []


@pytest.mark.parametrize(
    "change", [{"amount_fen": 99}, {"kind": "void"}, {"transaction_id": "another"}], ids=str
)
async def test_another_content_under_a_known_reversal_id_is_refused(
    place: Place, change: dict[str, Any]
) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    reversal = a_reversal(body["transaction_id"])
    await place.put(topic, body, reversal, {**reversal, **change})
    await place.work(topic)
    assert gone_back(await place.log.events(topic)) == [100]
    (letter,) = await place.letters(topic)
    assert (letter.offset, letter.reason) == (2, "reversal-conflict")


async def test_two_reversals_at_once_take_no_more_than_there_is(place: Place) -> None:
    """Two workers want 60 of 100 each, at the same moment."""
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [a_donation(campaign_id=campaign_id, amount_fen=100) for _ in range(20)]
    await place.put(topic, *bodies)
    await place.work(topic)
    for partition in (1, 2):
        reversals = [a_reversal(body["transaction_id"], amount_fen=60) for body in bodies]
        await place.put(topic, *(reversals if partition == 1 else reversed(reversals)), partition=partition)
    batch = await place.batch(topic)
    paths = [tuple(record for record in batch if record.partition == n) for n in (1, 2)]

    await together(*(place.handler()(path) for path in paths))

    assert gone_back(await place.log.events(topic)) == [60] * 20
    assert [letter.reason for letter in await place.letters(topic)] == ["reversal-too-large"] * 20


async def at_once(place: Place, topic: str, donation: dict[str, Any], *paths: Sequence[Record]) -> None:
    """Start a worker on each path while the donation is locked, and let go when all of them stand still:
    whatever one of them reads before it has the lock, it has read before the other one's commit.
    """
    async with place.engine.begin() as connection:
        await connection.execute(
            text("SELECT FROM donations WHERE donation_id = :id FOR UPDATE"),
            {"id": donation_id_of(topic.removeprefix("intake."), donation["transaction_id"])},
        )
        workers = [asyncio.create_task(place.handler()(tuple(path))) for path in paths]
        await place.blocked(len(paths))
    await asyncio.gather(*workers)


async def test_one_reversal_by_two_paths_at_once_goes_back_once(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    reversal = a_reversal(body["transaction_id"])
    await place.put(topic, body)
    await place.work(topic)
    await place.put(topic, reversal, partition=1)
    await place.put(topic, reversal, partition=2)
    batch = await place.batch(topic)

    await at_once(place, topic, body, *([each] for each in batch if each.partition))

    assert gone_back(await place.log.events(topic)) == [100]
    assert await place.letters(topic) == []


async def test_a_whole_refund_in_two_hands_at_once_is_not_refused_by_itself(place: Place) -> None:
    """By a worker that was taken for dead and by its successor: both have the same one."""
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, body)
    await place.work(topic)
    await place.put(topic, a_reversal(body["transaction_id"], amount_fen=10_000), partition=1)
    path = [record for record in await place.batch(topic) if record.partition]

    await at_once(place, topic, body, path, path)

    first, second = [record.value for record in await place.log.event_records(topic) if record.partition == 1]
    assert first == second
    assert await place.letters(topic) == []


async def test_a_refund_that_comes_due_in_two_hands_at_once_is_not_refused_by_itself(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    refund = a_reversal(body["transaction_id"], amount_fen=10_000)
    await place.put(topic, refund)
    await place.work(topic)
    await place.put(topic, body)
    await place.work(topic)
    path = await place.internal(due(topic, refund))

    await at_once(place, topic, body, path, path)

    assert gone_back(await events_of(place, topic)) == [10_000, 10_000]
    records = [each for each in await place.log.event_records(INTAKE_INTERNAL) if each.key]
    values = [each.value for each in records if str(id_of(topic, refund)).encode() in each.value]
    assert len(values) == 2
    assert len(set(values)) == 1
    assert [
        letter for letter in await place.letters(INTAKE_INTERNAL) if letter.offset == path[0].offset
    ] == []


async def test_one_reversal_id_for_two_donations_at_once_goes_back_once(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [a_donation(campaign_id=campaign_id) for _ in range(2)]
    await place.put(topic, *bodies)
    await place.work(topic)
    reversal_id = new_id("r")
    for partition, body in enumerate(bodies, 1):
        await place.put(
            topic, a_reversal(body["transaction_id"], reversal_id=reversal_id), partition=partition
        )
    batch = await place.batch(topic)
    channel = topic.removeprefix("intake.")
    async with place.engine.begin() as connection:
        await connection.execute(
            text("SELECT FROM donations WHERE donation_id = ANY(:ids) FOR UPDATE"),
            {"ids": [donation_id_of(channel, body["transaction_id"]) for body in bodies]},
        )
        paths = [[each] for each in batch if each.partition]
        workers = [asyncio.create_task(place.handler()(tuple(path))) for path in paths]
        await place.blocked(2)
    await asyncio.gather(*workers)

    assert gone_back(await place.log.events(topic)) == [100]
    assert [letter.reason for letter in await place.letters(topic)] == ["reversal-conflict"]


async def test_one_reversal_id_for_two_donations_in_one_batch_goes_back_once(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [a_donation(campaign_id=campaign_id) for _ in range(2)]
    reversal_id = new_id("r")
    reversals = [a_reversal(body["transaction_id"], reversal_id=reversal_id) for body in bodies]
    await place.put(topic, *bodies, *reversals)
    await place.work(topic)
    assert gone_back(await place.log.events(topic)) == [100]
    assert [letter.offset for letter in await place.letters(topic)] == [3]


async def test_a_refund_before_its_donation_waits_for_it(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    refund = a_reversal(body["transaction_id"])
    await place.put(topic, refund, partition=1)
    await place.work(topic)
    assert await place.log.events(topic) == []
    assert id_of(topic, refund) not in await waiting(place), "its donation is not there yet"

    await place.put(topic, body)
    await place.work(topic)
    assert [type(event) for event in await place.log.events(topic)] == [DonationReceived]
    assert id_of(topic, refund) in await waiting(place)

    path = await place.internal(due(topic, refund), due(topic, refund))
    await place.handler()(path)
    await place.handler()(path)
    events = [event for event in await events_of(place, topic) if isinstance(event, DonationReversed)]
    assert [(event.source, event.sequence) for event in events] == [
        (f"{INTAKE_INTERNAL}/0", path[0].offset)
    ] * 2
    assert id_of(topic, refund) not in await waiting(place)

    await place.work(topic)  # the refund's own record comes again: its event stays where it is
    assert len(await events_of(place, topic)) == 1 + 2 + 1


async def test_a_refund_and_its_donation_in_one_batch_need_no_waiting(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, a_reversal(body["transaction_id"]), body)
    await place.work(topic)
    events = await place.log.events(topic)
    assert [(type(event), event.sequence, event.previous) for event in events] == [
        (DonationReversed, 0, None),
        (DonationReceived, 1, 0),
    ]


async def test_a_refund_of_a_held_donation_waits_until_it_counts(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign("filed")
    body = a_donation(campaign_id=campaign_id)
    refund = a_reversal(body["transaction_id"], amount_fen=10_000)
    await place.put(topic, body, refund)
    await place.work(topic)
    assert gone_back(await place.log.events(topic)) == []
    assert id_of(topic, refund) not in await waiting(place)

    donation_id = donation_id_of(topic.removeprefix("intake."), body["transaction_id"])
    await place.handler()(
        await place.internal({"type": "release", "donation_id": str(donation_id)}, due(topic, refund))
    )
    _, received, back = sorted(await events_of(place, topic), key=lambda event: event.source == "x")
    assert isinstance(received, DonationReceived)
    assert received.data.released
    assert isinstance(back, DonationReversed)
    assert back.previous == received.sequence


async def test_a_refund_that_waited_and_is_too_large_is_refused_where_it_came_due(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    small, large = (a_reversal(body["transaction_id"], amount_fen=amount) for amount in (1, 10_000))
    await place.put(topic, small, large)
    await place.work(topic)
    await place.put(topic, body, partition=1)
    await place.work(topic)
    path = await place.internal(due(topic, small), due(topic, large), due(topic, large))
    await place.handler()(path)

    assert gone_back(await events_of(place, topic)) == [1]
    letters = [
        letter
        for letter in await place.letters(INTAKE_INTERNAL)
        if letter.offset in [record.offset for record in path]
    ]
    assert [(letter.offset, letter.reason) for letter in letters] == [(path[1].offset, "reversal-too-large")]
    assert f"{topic}/0:1" in letters[0].detail, "where the channel's own record lies"

    before = await place.snapshot()
    await place.work(topic)
    assert await place.snapshot() == before
    assert await place.letters(topic) == [], "the channel's own record was taken; it is not refused later"
