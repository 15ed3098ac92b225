"""What is counted, on the real database: every event once, whatever way it comes."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries
from services.reporting.handlers import count
from services.reporting.proof import digest_of, tree_digest_of, version_of
from services.reporting.totals import RECENT_SHOWN, CampaignState
from shared.events import CampaignPaused, Event
from tests.services.reporting.builders import EVENING, GALA, CampaignSource, Source


async def counted(engine: AsyncEngine, *batches: Sequence[Event]) -> None:
    for batch in batches:
        async with engine.begin() as connection:
            await count(connection, list(batch))


async def launched(engine: AsyncEngine) -> CampaignSource:
    source = CampaignSource()
    await counted(engine, [source.launched()])
    return source


async def state_of(engine: AsyncEngine, campaign_id: str = GALA) -> CampaignState:
    (state,) = await queries.read_states(engine, [campaign_id])
    return state


async def test_replayed_events_count_once(engine: AsyncEngine) -> None:
    await launched(engine)
    source = Source()
    events = [source.received(100), source.received(200), source.reversed(50), source.received(300)]
    await counted(engine, events, events, events[1:], events[:2])
    amounts = (await state_of(engine)).amounts
    assert (amounts.received_fen, amounts.reversed_fen, amounts.donations) == (600, 50, 3)


async def test_a_parent_shows_its_tree_beside_its_own_number_at_one_moment(engine: AsyncEngine) -> None:
    campaigns, source = await launched(engine), Source()
    parts = [campaigns.launched(part, parent_id=GALA, part_kind="company") for part in ("part-1", "part-2")]
    await counted(engine, parts)
    await counted(
        engine,
        [
            source.received(1_000),
            source.received(20, campaign_id="part-1"),
            source.received(300, campaign_id="part-2"),
        ],
        [campaigns.pledged(44, campaign_id="part-1")],
    )
    parent, part = await state_of(engine), await state_of(engine, "part-1")
    assert (parent.amounts.received_fen, part.amounts.received_fen) == (1_000, 20)
    assert (part.plan.parent_id, part.plan.part_kind, part.tree) == (GALA, "company", None)
    assert parent.tree is not None
    assert [each.campaign_id for each in parent.tree.parts] == ["part-2", "part-1"]
    assert (parent.tree.amounts.received_fen, parent.tree.amounts.promised_fen) == (1_320, 44)
    digests = {each.campaign_id: each.digest for each in (parent, part, await state_of(engine, "part-2"))}
    assert parent.tree.digest == tree_digest_of(GALA, digests)
    seen = {state.campaign_id: state.tree for state in await queries.read_states(engine)}
    assert seen == {GALA: parent.tree, "part-1": None, "part-2": None}


async def test_an_event_after_a_gap_waits_for_its_rightful_copy(engine: AsyncEngine) -> None:
    await launched(engine)
    source = Source()
    first, second, third = source.received(100), source.received(200), source.received(400)
    await counted(engine, [first, third])
    assert (await state_of(engine)).amounts.received_fen == 100
    (gap,) = await queries.read_gaps(engine)
    assert (gap["source"], gap["open"], gap["awaited_sequence"]) == ("intake.wechat/0", True, 2)
    await counted(engine, [second, third])
    assert (await state_of(engine)).amounts.received_fen == 700
    assert [gap["open"] for gap in await queries.read_gaps(engine)] == [False]


async def test_offsets_without_an_event_are_no_gap(engine: AsyncEngine) -> None:
    await launched(engine)
    source = Source()
    first = source.received(100)
    source.skip(7)
    await counted(engine, [first, source.received(200)])
    assert (await state_of(engine)).amounts.received_fen == 300
    assert await queries.read_gaps(engine) == []


@trying(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_order_of_copies_ends_at_the_same_total(engine: AsyncEngine, data: st.DataObject) -> None:
    campaign = f"gala-{data.draw(st.uuids())}"
    source = Source(channel=campaign)
    events: list[Event] = [source.received(10**number, campaign_id=campaign) for number in range(6)]
    await counted(engine, [CampaignSource(hash(campaign) % 10**9).launched(campaign)])
    for _ in range(4):
        await counted(engine, data.draw(st.lists(st.sampled_from(events), max_size=12)))
    await counted(engine, events)  # the rightful copies
    amounts = (await state_of(engine, campaign)).amounts
    assert (amounts.received_fen, amounts.donations) == (111_111, 6)


async def test_a_failed_transaction_leaves_nothing(engine: AsyncEngine) -> None:
    await launched(engine)
    source = Source()
    event = source.received(100)
    async with engine.connect() as connection, connection.begin() as transaction:
        await count(connection, [event])
        await transaction.rollback()
    await counted(engine, [event])
    assert (await state_of(engine)).amounts.received_fen == 100


async def test_a_late_refund_lowers_the_total_it_belongs_to(engine: AsyncEngine) -> None:
    await launched(engine)
    source = Source()
    gift = source.received(100_000, at=EVENING)
    await counted(engine, [gift], [source.reversed(30_000, given_at=EVENING)])
    state = await state_of(engine)
    assert (state.amounts.net_fen, state.amounts.received_fen, state.amounts.reversed_fen) == (
        70_000,
        100_000,
        30_000,
    )
    minute = EVENING.replace(second=0)
    rows = await queries.read_minutes(engine, GALA, minute, minute + timedelta(minutes=1), most=10)
    assert [(row["received_fen"], row["reversed_fen"]) for row in rows] == [(100_000, 30_000)]


async def test_promised_received_and_disbursed_are_never_added_together(engine: AsyncEngine) -> None:
    campaign = await launched(engine)
    await counted(
        engine, [campaign.pledged(5_000), campaign.pledged(700), campaign.disbursed(30), Source().received(2)]
    )
    amounts = (await state_of(engine)).amounts
    assert (amounts.promised_fen, amounts.received_fen, amounts.disbursed_fen) == (5_700, 2, 30)
    assert amounts.net_fen == 2


async def test_what_comes_back_of_a_payment_stands_beside_it_and_lowers_nothing(engine: AsyncEngine) -> None:
    campaign = await launched(engine)
    paid, other = campaign.disbursed(600), campaign.disbursed(30)
    await counted(engine, [paid, other, campaign.returned(paid, 200), Source().received(900)])
    again = campaign.returned(paid, 400)
    await counted(engine, [again, again])
    amounts = (await state_of(engine)).amounts
    assert (amounts.net_fen, amounts.disbursed_fen, amounts.returned_fen) == (900, 630, 600)


async def test_goods_are_shown_at_their_values_apart_from_money(engine: AsyncEngine) -> None:
    campaign = await launched(engine)
    events = [
        campaign.goods_received(12_100, shown_name="某某药业"),
        campaign.goods_distributed(9_000),
        *campaign.goods_back(100),
        Source().received(2),
    ]
    await counted(engine, events, events)
    amounts = (await state_of(engine)).amounts
    assert (amounts.goods_received_fen, amounts.goods_distributed_fen) == (12_000, 8_900)
    assert amounts.goods_written_off_fen == 100
    assert (amounts.received_fen, amounts.net_fen, amounts.disbursed_fen) == (2, 2, 0)


async def test_a_corrected_promise_moves_the_promised_total_by_the_difference(engine: AsyncEngine) -> None:
    campaign = await launched(engine)
    wrong, other = campaign.pledged(50_000), campaign.pledged(700)
    right = campaign.corrected(wrong, 5_000)
    await counted(engine, [wrong, other, right], [wrong, right])
    assert (await state_of(engine)).amounts.promised_fen == 5_700


async def test_a_released_promise_is_shown_apart_and_lowers_nothing(engine: AsyncEngine) -> None:
    campaign = await launched(engine)
    promise = campaign.pledged(5_000)
    await counted(engine, [promise, campaign.freed(promise, 1_200)])
    state = await state_of(engine)
    assert (state.amounts.promised_fen, state.promised_released_fen) == (5_000, 1_200)


async def test_donations_read_before_their_campaign_are_there_when_it_is(engine: AsyncEngine) -> None:
    await counted(engine, [Source().received(100)])
    assert await queries.read_states(engine) == []
    await launched(engine)
    assert (await state_of(engine)).amounts.received_fen == 100


async def test_campaigns_channels_and_sources_do_not_mix(engine: AsyncEngine) -> None:
    campaigns = CampaignSource()
    await counted(engine, [campaigns.launched("one"), campaigns.launched("two")])
    wechat, alipay = Source(0, "wechat"), Source(1, "alipay")
    internal = Source(2, "alipay", topic="intake.internal")
    await counted(
        engine,
        [
            wechat.received(1, campaign_id="one"),
            alipay.received(10, campaign_id="one"),
            internal.received(100, campaign_id="one", released=True),
            alipay.received(1_000, campaign_id="two"),
        ],
    )
    one, two = await state_of(engine, "one"), await state_of(engine, "two")
    assert {channel.channel: channel.received_fen for channel in one.channels} == {"wechat": 1, "alipay": 110}
    assert two.amounts.received_fen == 1_000


async def test_the_state_proves_itself(engine: AsyncEngine) -> None:
    await launched(engine)
    await counted(engine, [Source(0).received(100)], [Source(3, "alipay").received(5)])
    state = await state_of(engine)
    assert state.positions == {"campaign/0": 0, "intake.alipay/3": 0, "intake.wechat/0": 0}
    assert state.version == version_of(state.positions) == 3 == await queries.read_version(engine)
    assert state.digest == digest_of(GALA, state.positions, state.amounts)


async def test_recent_donors_are_the_newest_with_the_names_that_may_be_shown(engine: AsyncEngine) -> None:
    await launched(engine)
    sources = [Source(0), Source(1)]
    for number in range(40):
        at = EVENING + timedelta(seconds=number)
        name = f"第{number}位" if number % 2 else None
        await counted(engine, [sources[number % 2].received(number + 1, at=at, name=name)])
    recent = (await state_of(engine)).recent
    assert [donor.amount_fen for donor in recent] == list(range(40, 40 - RECENT_SHOWN, -1))
    assert [donor.name for donor in recent[:2]] == ["第39位", None]
    async with engine.connect() as connection:
        kept = (await connection.execute(text("SELECT count(*) FROM recent_donors"))).scalar_one()
    assert kept == 2 * RECENT_SHOWN


async def test_held_conflicted_and_released_are_counted_by_channel(engine: AsyncEngine) -> None:
    source, internal = Source(), Source(topic="intake.internal")
    await counted(engine, [source.held(100), source.held(200), source.conflicted()])
    await counted(engine, [internal.received(100, released=True)])
    (row,) = await queries.read_channels(engine)
    assert (row["held_open"], row["held_open_fen"], row["conflicts"], row["received_fen"]) == (1, 200, 1, 100)


async def test_the_plan_follows_the_campaign(engine: AsyncEngine) -> None:
    campaign = await launched(engine)
    await counted(engine, [campaign.milestone(500), campaign.milestone(900), campaign.milestone(700)])
    await counted(engine, [campaign.launched(kind=CampaignPaused, title="改名的晚会")])
    plan = (await state_of(engine)).plan
    assert (plan.status, plan.title, plan.milestone_fen) == ("paused", "改名的晚会", 900)


async def test_old_arrivals_are_dropped_and_totals_are_not(engine: AsyncEngine) -> None:
    await launched(engine)
    await counted(engine, [Source().received(100)])
    assert await queries.prune_arrivals(engine, EVENING + timedelta(days=3)) == 1
    assert (await state_of(engine)).amounts.received_fen == 100


@pytest.mark.parametrize(
    "wrong",
    [
        "INSERT INTO campaign_totals (campaign_id, channel, source, received_fen) VALUES ('c', 'x', 's', -1)",
        "INSERT INTO arrivals VALUES ('2026-01-01 0:00:30Z', 'c', 'x', 's')",
        "INSERT INTO pledges VALUES (gen_random_uuid(), 'c', 'a company', 0, now(), now())",
        "INSERT INTO marks (source, sequence) VALUES ('s', -2)",
    ],
)
async def test_wrong_rows_cannot_be_written(engine: AsyncEngine, wrong: str) -> None:
    with pytest.raises(IntegrityError):
        async with engine.begin() as connection:
            await connection.execute(text(wrong))
