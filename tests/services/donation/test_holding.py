"""Donations that are held, and how they go on: by a record, and at a position, of their own."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.donation import queries
from services.donation.channels import queries as channel_queries
from services.donation.holding import CampaignState, held_reason
from services.donation.intake import donation_id_of
from services.donation.releasing import Releaser
from services.donation.republishing import republish
from shared.broker import CONTACTS, INTAKE_INTERNAL, Record
from shared.events import (
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    DonationHeld,
    DonationReceived,
    Event,
)
from tests.services.donation.builders import OCCURRED_AT, Campaigns, a_donation, a_donor, a_reversal, new_id
from tests.services.donation.places import Place, together

pytestmark = pytest.mark.asyncio(loop_scope="package")

SECOND = timedelta(seconds=1)
STATES: list[CampaignState | None] = [
    None,
    CampaignState("filed"),
    CampaignState("launched"),
    CampaignState("paused"),
    CampaignState("closed", OCCURRED_AT - timedelta(microseconds=1)),
    CampaignState("closed", OCCURRED_AT),
    CampaignState("closed", OCCURRED_AT + timedelta(microseconds=1)),
]


def id_in(topic: str, body: dict[str, Any]) -> str:
    return str(donation_id_of(topic.removeprefix("intake."), body["transaction_id"]))


async def set_state(place: Place, campaign_id: str, state: CampaignState | None) -> None:
    if state is not None:
        await place.set_campaign(campaign_id, state.status, state.closed_at)


async def test_a_donation_is_held_as_the_rule_says(place: Place) -> None:
    topic = await place.channel()
    bodies = [a_donation(campaign_id=new_id("gala")) for _ in STATES]
    for body, state in zip(bodies, STATES, strict=True):
        await set_state(place, body["campaign_id"], state)
    await place.put(topic, *bodies)
    await place.work(topic)
    events = await place.log.events(topic)
    reasons = [event.data.reason if isinstance(event, DonationHeld) else None for event in events]
    assert reasons == [held_reason(state, OCCURRED_AT) for state in STATES]
    assert await place.rows(
        "SELECT held_reason, status FROM donations WHERE source = :s ORDER BY sequence", s=f"{topic}/0"
    ) == [(reason, "held" if reason else "received") for reason in reasons]


async def test_what_can_be_released_is_what_the_rule_would_no_longer_hold(place: Place) -> None:
    """queries._RELEASABLE is holding.Known.held_reason as a condition."""
    topic = await place.channel()
    bodies = [a_donation(campaign_id=new_id("gala")) for _ in STATES]
    await place.put(topic, *bodies)
    await place.work(topic)
    for body, state in zip(bodies, STATES, strict=True):
        await set_state(place, body["campaign_id"], state)
    async with place.engine.connect() as connection:
        releasable = {str(each) for each in await queries.releasable(connection, 10_000)}
    assert releasable & {id_in(topic, body) for body in bodies} == {
        id_in(topic, body)
        for body, state in zip(bodies, STATES, strict=True)
        if held_reason(state, OCCURRED_AT) is None
    }


async def test_a_campaign_s_events_move_its_state_and_nothing_else_does(place: Place) -> None:
    campaigns, campaign_id = Campaigns(partition=1), new_id("gala")
    steps: list[tuple[Event, str]] = [
        (campaigns.event(CampaignFiled, campaign_id), "filed"),
        (campaigns.event(CampaignLaunched, campaign_id), "launched"),
        (campaigns.event(CampaignPaused, campaign_id), "paused"),
        (campaigns.event(CampaignLaunched, campaign_id), "launched"),
        (campaigns.event(CampaignClosed, campaign_id, OCCURRED_AT), "closed"),
    ]
    records: list[Record] = []
    for event, status in steps:
        await place.tell(event)
        told = len(records)
        records = [each for each in await place.batch("campaign.events") if each.partition == 1]
        await place.campaign_handler()(tuple(records[told:]))
        assert (
            await place.value("SELECT status FROM campaigns WHERE campaign_id = :c", c=campaign_id) == status
        )
    closed = await place.rows("SELECT * FROM campaigns WHERE campaign_id = :c", c=campaign_id)
    assert closed == [(campaign_id, "closed", OCCURRED_AT)]

    await place.campaign_handler()(tuple(records))  # all again, from the first
    assert await place.rows("SELECT * FROM campaigns WHERE campaign_id = :c", c=campaign_id) == closed


async def test_a_release_counts_once_at_the_position_of_its_own_record(place: Place) -> None:
    topic, campaign_id = await place.channel(), new_id("gala")
    email = f"{new_id()}@example.cn"
    pledge_id = uuid4()
    body = a_donation(
        campaign_id=campaign_id,
        fee_fen=5,
        pledge_id=str(pledge_id),
        donor=a_donor(contact={"email": email}),
    )
    await place.put(topic, body, partition=2)
    await place.work(topic)
    release = {"type": "release", "donation_id": id_in(topic, body)}
    path = await place.internal(release, release, release)
    await together(*(place.handler()(path) for _ in range(2)))
    await place.handler()(path[1:])

    events = [each for each in await place.log.events(INTAKE_INTERNAL) if each.subject == id_in(topic, body)]
    assert {type(event) for event in events} == {DonationReceived}
    assert {event.sequence for event in events} == {path[0].offset}
    assert len({event.to_bytes() for event in events}) == 1
    data = events[0].data
    assert (data.channel, data.amount_fen, data.fee_fen, data.released, data.has_contact) == (
        topic.removeprefix("intake."),
        10_000,
        5,
        True,
        True,
    )
    assert (data.occurred_at, data.pledge_id) == (OCCURRED_AT, pledge_id)
    contacts = [each for each in await place.log.records(CONTACTS) if email.encode() in (each.value or b"")]
    assert {each.key for each in contacts} == {id_in(topic, body).encode()}, "only when it counts"

    before = await place.snapshot()
    await place.work(topic)  # the held donation's own record comes again: held, as it was then
    held = await place.log.events(topic)
    assert [type(event) for event in held] == [DonationHeld, DonationHeld]
    assert held[0].to_bytes() == held[1].to_bytes()
    assert await place.snapshot() == before


@pytest.mark.parametrize(("then", "now"), [("paused", "launched"), ("launched", "paused")])
async def test_a_donation_read_again_is_what_it_was_whatever_its_campaign_is_now(
    place: Place, then: str, now: str
) -> None:
    """A worker that died before it published leaves this to its successor, who knows of the change."""
    topic, campaign_id = await place.channel(), await place.campaign(then)
    await place.put(topic, a_donation(campaign_id=campaign_id))
    await place.work(topic)
    before = await place.snapshot()
    await place.set_campaign(campaign_id, now)
    await place.work(topic)
    first, again = await place.log.events(topic)
    assert type(first) is (DonationHeld if then == "paused" else DonationReceived)
    assert first.to_bytes() == again.to_bytes()
    assert {table: rows for table, rows in (await place.snapshot()).items() if table != "campaigns"} == {
        table: rows for table, rows in before.items() if table != "campaigns"
    }


async def test_a_release_of_what_is_not_held_is_nothing(place: Place) -> None:
    topic, campaign_id = await place.channel(), await place.campaign()
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, body)
    await place.work(topic)
    path = await place.internal(
        {"type": "release", "donation_id": id_in(topic, body)},
        {"type": "release", "donation_id": str(donation_id_of("nobody", "nothing"))},
    )
    await place.handler()(path)
    subjects = [event.subject for event in await place.log.events(INTAKE_INTERNAL)]
    assert id_in(topic, body) not in subjects
    offsets = [record.offset for record in path]
    assert not [each for each in await place.letters(INTAKE_INTERNAL) if each.offset in offsets]


async def test_a_release_on_the_log_is_obeyed_although_the_campaign_paused_again(place: Place) -> None:
    """Else reading it again could come out otherwise than the first time."""
    topic, campaign_id = await place.channel(), await place.campaign("paused")
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, body)
    await place.work(topic)
    await place.handler()(await place.internal({"type": "release", "donation_id": id_in(topic, body)}))
    status = "SELECT status FROM donations WHERE campaign_id = :c"
    assert await place.value(status, c=campaign_id) == "received"


async def test_the_releaser_asks_for_what_can_go_on_and_waits_until_it_is_booked(place: Place) -> None:
    topic, campaign_id = await place.channel(), new_id("gala")
    bodies = [a_donation(campaign_id=campaign_id) for _ in range(30)]
    await place.put(topic, *bodies)
    await place.work(topic)
    asked_before = len(await place.batch(INTAKE_INTERNAL))
    await place.set_campaign(campaign_id, "launched")

    asking = asyncio.create_task(Releaser(place.engine, place.publisher).ask())
    batch = await place.batch(INTAKE_INTERNAL)
    while len(batch) < asked_before + 30:
        assert not asking.done(), "it waits for the worker"
        batch = await place.batch(INTAKE_INTERNAL)
    await place.handler()(batch)
    assert await asking
    async with place.engine.connect() as connection:
        left = {str(each) for each in await queries.releasable(connection, 10_000)}
    assert not left & {id_in(topic, body) for body in bodies}

    events = await place.log.events(topic, INTAKE_INTERNAL)
    released = [event for event in events if event.subject in {id_in(topic, body) for body in bodies}]
    assert len([event for event in released if isinstance(event, DonationReceived)]) == 30


# ------------------------------------------------------------- channels that may give to some campaigns only


async def limited(place: Place, campaigns: list[str] | None, *, sandbox: bool = False) -> str:
    """A registered channel's topic; `campaigns`: those it may give to."""
    topic = await place.channel()
    row: dict[str, Any] = {"channel": topic.removeprefix("intake."), "title": "测试", "state": "active"}
    row |= {"limit_per_second": 10, "campaigns": campaigns, "sandbox": sandbox}
    async with place.engine.begin() as connection:
        await channel_queries.add_channel(connection, row)
    return topic


async def allow(place: Place, topic: str, campaigns: list[str] | None) -> None:
    async with place.engine.begin() as connection:
        await channel_queries.change_channel(
            connection, topic.removeprefix("intake."), {"campaigns": campaigns}
        )


async def releasable(place: Place) -> set[str]:
    async with place.engine.connect() as connection:
        return {str(each) for each in await queries.releasable(connection, 10_000)}


async def test_money_for_a_campaign_its_channel_may_not_give_to_is_held_not_lost(place: Place) -> None:
    mine, other = await place.campaign(), await place.campaign()
    topic = await limited(place, [mine])
    taken, held = a_donation(campaign_id=mine), a_donation(campaign_id=other)
    await place.put(topic, taken, held)
    await place.work(topic)
    events = await place.log.events(topic)
    assert [type(event) for event in events] == [DonationReceived, DonationHeld]
    assert (events[1].data.reason, events[1].data.cause) == ("unknown_campaign", "campaign_not_allowed")
    stored = "SELECT held_reason, status FROM donations WHERE donation_id = :d"
    assert await place.rows(stored, d=id_in(topic, held)) == [("campaign_not_allowed", "held")]
    assert id_in(topic, held) not in await releasable(place)

    await allow(place, topic, [mine, other])
    assert id_in(topic, held) in await releasable(place)
    await place.work(topic)  # read again after a crash: decided as the first time
    again = [event for event in await place.log.events(topic) if isinstance(event, DonationHeld)]
    assert [event.to_bytes() for event in again] == [again[0].to_bytes()] * 2

    body = {"type": "release", "donation_id": id_in(topic, held)}
    await place.handler()(await place.internal(body))
    assert await place.rows(stored, d=id_in(topic, held)) == [("campaign_not_allowed", "received")]


async def test_a_channel_s_narrower_list_holds_back_what_waits_for_another_reason(place: Place) -> None:
    campaign_id = await place.campaign("paused")
    topic = await limited(place, None)
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, body)
    await place.work(topic)
    await allow(place, topic, [])
    await place.set_campaign(campaign_id, "launched")
    assert id_in(topic, body) not in await releasable(place)
    await allow(place, topic, None)
    assert id_in(topic, body) in await releasable(place)


async def test_what_a_sandbox_puts_on_a_topic_is_no_money(place: Place) -> None:
    campaign_id = await place.campaign()
    topic = await limited(place, None, sandbox=True)
    body = a_donation(campaign_id=campaign_id)
    await place.put(topic, body, a_reversal(body["transaction_id"]))
    for _ in range(2):
        await place.work(topic)
    assert await place.log.events(topic) == []
    assert {letter.reason for letter in await place.letters(topic)} == {"sandbox-channel"}
    assert await place.value("SELECT count(*) FROM donations WHERE campaign_id = :c", c=campaign_id) == 0


async def test_a_held_event_sent_again_from_the_tables_is_the_same(place: Place) -> None:
    topic = await limited(place, [])
    await place.put(topic, a_donation(campaign_id=await place.campaign()))
    await place.work(topic)
    assert await republish(place.engine, place.publisher, f"{topic}/0") == 1
    first, again = await place.log.events(topic)
    assert first.to_bytes() == again.to_bytes()
