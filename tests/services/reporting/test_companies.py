"""The ranking of companies: exact to the fen whatever comes again, goes back, or comes in another order."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import queries
from services.reporting.models import PROJECTION
from services.reporting.ranking import COMPANIES_SHOWN
from services.reporting.tally import tally
from shared.events import ConsentWithdrawn, DonationReceived, DonationReversed, Event
from tests.services.reporting.builders import GALA, CampaignSource, Source
from tests.services.reporting.test_counting import counted, launched, state_of

COMPANIES = [f"第{number}公司" for number in range(COMPANIES_SHOWN + 3)]
RUNS = itertools.count(1)
DONORS = [*((name, "company") for name in COMPANIES), ("张三", "person"), (None, "company")]


async def ranked(engine: AsyncEngine, campaign_id: str = GALA) -> list[tuple[str, int]]:
    return [(each.name, each.net_fen) for each in (await state_of(engine, campaign_id)).companies]


def expected(events: Iterable[Event]) -> list[tuple[str, int]]:
    """The ranking, from the events alone."""
    known = {event.id: event for event in events}.values()
    nameless = {each.data.donation_id for each in known if isinstance(each, ConsentWithdrawn)}
    received = [each.data for each in known if isinstance(each, DonationReceived)]
    gifts = [each for each in received if each.donation_id not in nameless]
    back: defaultdict[object, int] = defaultdict(int)
    for each in known:
        if isinstance(each, DonationReversed):
            back[each.data.donation_id] += each.data.amount_fen
    sums: defaultdict[str, int] = defaultdict(int)
    for gift in gifts:
        if gift.donor_kind == "company" and gift.shown_name is not None:
            sums[gift.shown_name] += gift.amount_fen - back[gift.donation_id]
    best = sorted((name for name in sums if sums[name] > 0), key=lambda name: (-sums[name], name))
    return [(name, sums[name]) for name in best[:COMPANIES_SHOWN]]


async def test_a_company_that_reversed_falls_back_and_leaves_with_its_last_fen(engine: AsyncEngine) -> None:
    campaigns = await launched(engine)
    source, other = Source(), Source(1)
    gifts = [
        source.received(500_01, name="甲（苏州）公司", kind="company", number=1),
        source.received(400_00, name="乙公司", kind="company", number=2),
        source.received(900_00, name="张三", number=3),
        source.received(800_00, kind="company", number=4),
        source.received(70_00, name="甲(苏州)公司", kind="company", number=5),
    ]
    await counted(engine, gifts, [campaigns.pledged(10**9)])
    assert await ranked(engine) == [("甲（苏州）公司", 570_01), ("乙公司", 400_00)], "no promise is in it"
    await counted(engine, [other.reversed(200_00, number=1), other.reversed(900_00, number=3)])
    assert await ranked(engine) == [("乙公司", 400_00), ("甲（苏州）公司", 370_01)]
    await counted(engine, [other.reversed(400_00, number=2)])
    assert await ranked(engine) == [("甲（苏州）公司", 370_01)]


@trying(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_repeats_reversals_and_two_workers_at_once_end_at_the_same_fen(
    engine: AsyncEngine, data: st.DataObject
) -> None:
    run = next(RUNS)  # events of its own, for what is tried again must not be a repeat
    campaign = f"gala-{run}"
    await counted(engine, [CampaignSource(run).launched(campaign)])
    sources = [Source(place, channel=campaign, first_number=run * 1_000) for place in (0, 1)]
    events: list[list[Event]] = [[], []]
    for number in range(data.draw(st.integers(5, 25))):
        name, kind = data.draw(st.sampled_from(DONORS))
        amount = data.draw(st.integers(2, 10**12))
        place = data.draw(st.sampled_from((0, 1)))
        gift = sources[place].received(amount, campaign_id=campaign, name=name, kind=kind, number=number)
        events[place].append(gift)
        for back in data.draw(st.lists(st.integers(1, amount // 2), max_size=2)):
            away = data.draw(st.sampled_from((0, 1)))
            events[away].append(sources[away].reversed(back, number=number, campaign_id=campaign))
        if data.draw(st.integers(0, 4)) == 0:
            away = data.draw(st.sampled_from((0, 1)))
            events[away].append(sources[away].unnamed(number, campaign_id=campaign))

    async def worker(own: list[Event], cuts: list[int]) -> None:
        """Count one source, batch by batch, each from somewhere before where the last one ended."""
        for end in [*sorted(cuts), len(own)]:
            await counted(engine, own[max(0, end - 9) : end], own[:end])

    cuts = [data.draw(st.lists(st.integers(0, len(own)), max_size=4)) for own in events]
    await asyncio.gather(*(worker(own, at) for own, at in zip(events, cuts, strict=True)))
    assert await ranked(engine, campaign) == expected([*events[0], *events[1]])
    assert (await state_of(engine, campaign)).amounts.donations == sum(
        isinstance(event, DonationReceived) for own in events for event in own
    )


async def test_whoever_takes_the_name_back_leaves_the_ranking_and_the_list_and_the_money_stays(
    engine: AsyncEngine,
) -> None:
    await launched(engine)
    source, other = Source(), Source(1)
    await counted(engine, [other.unnamed(3)])
    gifts = [
        source.received(500, name="甲公司", kind="company", number=1),
        source.received(400, name="甲公司", kind="company", number=2),
        source.received(900, name="乙公司", kind="company", number=3),
        source.received(700, name="张三", number=4),
    ]
    await counted(engine, gifts)
    assert await ranked(engine) == [("甲公司", 900)]
    before = await state_of(engine)
    gone = [other.unnamed(1), other.unnamed(4)]
    await counted(engine, gone, gone, [other.reversed(100, number=1)])
    after = await state_of(engine)
    assert await ranked(engine) == [("甲公司", 400)]
    assert [each.name for each in after.recent] == ["甲公司"]
    assert after.amounts.donations == before.amounts.donations == 4
    assert after.version > before.version
    assert tally([other.unnamed(2)]).touched == {GALA}, "its screens are told"


async def test_the_first_ten_are_read_alone_however_many_companies_give(engine: AsyncEngine) -> None:
    await launched(engine)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO company_sums SELECT :campaign, '第' || n || '公司', n * 7919 % 5003"
                " FROM generate_series(1, 5000) AS n"
            ),
            {"campaign": GALA},
        )
        await connection.execute(text("ANALYZE company_sums"))
        asked = {"campaigns": [GALA], "recent": 1, "messages": 1, "companies": COMPANIES_SHOWN}
        explained = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {queries._SOME_STATES.text}")
        plan = await connection.execute(explained, asked)
        (read,) = [each for each in nodes(plan.scalar_one()[0]["Plan"]) if each.get("Alias") == "s"]
    assert (read["Index Name"], read["Actual Rows"]) == ("company_sums_first", COMPANIES_SHOWN)
    assert [fen for _, fen in await ranked(engine)] == [5002 - n for n in range(COMPANIES_SHOWN)]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's node with all below it."""
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


async def test_what_a_worker_of_the_version_before_adds_is_in_the_ranking(engine: AsyncEngine) -> None:
    await launched(engine)
    added = text(
        "INSERT INTO company_totals AS total VALUES (:campaign, '甲公司', :source, :fen)"
        " ON CONFLICT (campaign_id, company, source) DO UPDATE SET net_fen = total.net_fen + excluded.net_fen"
    )
    async with engine.begin() as connection:
        for source, fen in (("intake.a/0", 500), ("intake.a/1", 300), ("intake.a/0", -200)):
            await connection.execute(added, {"campaign": GALA, "source": source, "fen": fen})
    await counted(engine, [Source().received(50, name="甲公司", kind="company", number=1)])
    assert await ranked(engine) == [("甲公司", 650)]


async def test_counted_again_from_the_first_event_it_is_the_same(engine: AsyncEngine) -> None:
    source = Source()
    events: list[Event] = [
        source.received(100 + n, name=COMPANIES[n], kind="company", number=n) for n in range(12)
    ]
    events.append(source.reversed(60, number=11))
    campaign = CampaignSource().launched()
    await counted(engine, [campaign], events)
    before = await ranked(engine)
    assert len(before) == COMPANIES_SHOWN
    assert COMPANIES[11] not in dict(before)
    async with engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {', '.join(table.name for table in PROJECTION)}"))
    await counted(engine, [campaign], *([event] for event in events))
    assert await ranked(engine) == before == expected(events)
