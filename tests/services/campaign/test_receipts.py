"""Donation events from the real broker: each is counted exactly once, and the figures can be proved."""

from typing import Any

import pytest

from services.campaign import queries
from services.campaign.fund_receipts import sum_by_fund
from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS
from shared.dead_letters import DeadLetter
from shared.events import decode_event
from shared.positions import admit
from tests.services.campaign.builders import DESK, Source, launched, new_campaign_id
from tests.services.campaign.conftest import Service, short_type
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_received_and_reversed_are_summed_and_the_positions_are_stated(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    wechat, internal = Source(0), Source(1)
    await service.book([wechat.received(campaign_id, 500), wechat.received(campaign_id, 700)])
    await service.book([internal.reversed(campaign_id, 200)])
    balance = await service.balance(campaign_id)
    positions = balance.pop("positions")
    assert {source: positions[source] for source in (wechat.name, internal.name)} == (
        wechat.position | internal.position
    )
    assert balance == {
        "campaign_id": campaign_id,
        "received_fen": 1200,
        "reversed_fen": 200,
        "reserved_fen": 0,
        "disbursed_fen": 0,
        "returned_fen": 0,
        "transferred_in_fen": 0,
        "transferred_out_fen": 0,
        "balance_fen": 1000,
        "overdrawn": False,
        "promised_fen": 0,
        "promised_released_fen": 0,
        "donations": 2,
        "reversals": 1,
        "pledges": 0,
    }


async def test_a_repeat_is_not_counted_again_and_what_comes_too_early_waits_for_its_turn(
    service: Service,
) -> None:
    campaign_id = await launched(service.operator(DESK))
    source = Source()
    first, second, third = [source.received(campaign_id, fen) for fen in (1, 10, 100)]
    await service.publish([first, third])
    await service.publish([first, first])
    await service.book([first, second, third])
    await service.publish([second, third])
    last = source.received(campaign_id, 1000)
    await service.book([last])
    balance = await service.balance(campaign_id)
    assert (balance["received_fen"], balance["donations"]) == (1111, 4)


async def test_a_bad_record_goes_to_the_dead_letters_and_the_batch_around_it_is_counted(
    service: Service,
) -> None:
    campaign_id = await launched(service.operator(DESK))
    source = Source()
    good = [source.received(campaign_id, 5), source.received(campaign_id, 6)]
    records = [(None, good[0].to_bytes()), (b"key", b'{"specversion": "1.0", '), (None, good[1].to_bytes())]
    await service.publisher.send_in_order(DONATION_EVENTS, 2, records)
    await service.book([source.received(campaign_id, 7)], partition=2)
    assert (await service.balance(campaign_id))["received_fen"] == 18

    async def buried() -> DeadLetter | None:
        letters = [DeadLetter.model_validate_json(value) for value in await service.records(DEAD_LETTER)]
        return next((letter for letter in letters if letter.value == b'{"specversion": "1.0", '), None)

    letter = await until(buried)
    assert letter is not None
    assert (letter.service, letter.reason, letter.topic) == ("campaign", "unusable-event", DONATION_EVENTS)
    assert (letter.partition, letter.key) == (2, b"key")


async def test_money_for_a_campaign_unknown_here_does_not_stop_the_others(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    unknown = new_campaign_id("unknown")
    source = Source()
    await service.book([source.received(unknown, 5), source.received(campaign_id, 7)])
    assert (await service.balance(campaign_id))["received_fen"] == 7
    kept = await service.rows("SELECT received_fen FROM fund_receipts WHERE campaign_id = :id", id=unknown)
    assert kept == [(5,)]


async def test_sums_and_marks_become_true_together_or_not_at_all(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    source = Source()
    events = [source.received(campaign_id, 5)]
    async with service.engine.connect() as connection:
        await queries.add_receipts(connection, sum_by_fund(await admit(connection, events)))
        await connection.rollback()
    assert (await service.balance(campaign_id))["donations"] == 0
    await service.book(events)
    assert (await service.balance(campaign_id))["donations"] == 1


async def test_a_large_batch_over_many_campaigns_and_sources_is_exact(service: Service) -> None:
    campaigns = [await launched(service.operator(DESK)) for _ in range(3)]
    sources = [Source(partition) for partition in range(4)]
    expected: dict[str, int] = dict.fromkeys(campaigns, 0)
    for source in sources:
        events = []
        for number in range(1500):
            campaign_id = campaigns[number % 3]
            amount = number * 7919 % 100_000 + 1
            refund = number % 10 == 9
            expected[campaign_id] += -amount if refund else amount
            events.append((source.reversed if refund else source.received)(campaign_id, amount))
        await service.publish(events, source.partition)
        await service.book([source.received(campaigns[0], 1)], source.partition)
        expected[campaigns[0]] += 1
    for campaign_id in campaigns:
        balance = await service.balance(campaign_id)
        assert balance["balance_fen"] == expected[campaign_id]


async def test_the_outbox_reaches_kafka_in_order_with_positions_that_lead_from_one_to_the_next(
    service: Service,
) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    await desk.post(f"/campaigns/{campaign_id}/pause")
    wanted = ["campaign.filed", "campaign.launched", "campaign.paused"]

    async def on_kafka() -> list[Any]:
        events = [decode_event(value) for value in await service.records(CAMPAIGN_EVENTS)]
        mine = [event for event in events if event.subject == campaign_id]
        return mine if len(mine) == len(wanted) else []

    filed, started, paused = await until(on_kafka)
    assert [short_type(event) for event in (filed, started, paused)] == wanted
    assert started.previous == filed.sequence
    assert paused.previous == started.sequence
    assert {event.source for event in (filed, started, paused)} == {filed.source}
