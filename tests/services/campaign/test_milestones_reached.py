"""Goal and milestones: announced in the transaction that reaches them, once, whatever happens at once."""

import asyncio

import pytest

from services.campaign.announcements import Announcer
from services.campaign.handlers import book
from services.campaign.milestones import ThresholdKind
from shared.events import Event
from tests.services.campaign.builders import DESK, Source, launched
from tests.services.campaign.conftest import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def reached(events: list[Event]) -> list[tuple[str, int]]:
    """What was announced, such as ("milestone", 250)."""
    found: list[tuple[str, int]] = []
    for event in events:
        if event.type.endswith("milestone-reached.v1"):
            found.append(("milestone", event.data.milestone_fen))
        elif event.type.endswith("goal-reached.v1"):
            found.append(("goal", event.data.goal_fen))
    return found


async def test_milestones_and_the_goal_are_announced_as_they_are_reached(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK), goal_fen=1000)
    source = Source()
    await service.book([source.received(campaign_id, 249)])
    assert reached(await service.outbox(campaign_id)) == []
    await service.book([source.received(campaign_id, 1)])
    assert reached(await service.outbox(campaign_id)) == [("milestone", 250)]
    await service.book([source.received(campaign_id, 800)])
    announced = await service.outbox(campaign_id)
    assert reached(announced) == [
        ("milestone", 250),
        ("milestone", 500),
        ("milestone", 750),
        ("milestone", 1000),
        ("goal", 1000),
    ]
    assert announced[-1].data.received_fen == 1050


async def test_a_refund_that_goes_back_and_forth_announces_nothing_again(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK), goal_fen=1000, milestones_fen=[500])
    source = Source()
    await service.book([source.received(campaign_id, 1000)])
    await service.book([source.reversed(campaign_id, 900)])
    await service.book([source.received(campaign_id, 900)])
    assert reached(await service.outbox(campaign_id)) == [("milestone", 500), ("goal", 1000)]


async def test_a_batch_whose_refunds_outweigh_its_donations_reaches_nothing(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK), goal_fen=1000, milestones_fen=[])
    source = Source()
    await service.book([source.received(campaign_id, 1000), source.reversed(campaign_id, 1)])
    assert reached(await service.outbox(campaign_id)) == []


async def test_pledges_reach_no_milestone(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK), goal_fen=1000)
    await service.pledge(campaign_id, 5000)
    await service.book([Source().received(campaign_id, 1)])
    assert reached(await service.outbox(campaign_id)) == []


async def test_two_workers_that_cross_a_milestone_together_announce_it_once(service: Service) -> None:
    """Each alone stays below the goal, and neither sees the other's sum before it is committed."""
    campaign_id = await launched(service.operator(DESK), goal_fen=1000, milestones_fen=[])
    announcer = Announcer(partitions=4)
    batches = [[Source(partition).received(campaign_id, 600)] for partition in range(2)]
    async with service.engine.connect() as one, service.engine.connect() as two:
        assert await book(one, announcer, batches[0]) == []
        second = asyncio.create_task(book(two, announcer, batches[1]))
        await until(service.somebody_waits_for_a_lock)
        assert not second.done()
        await one.commit()
        announced = await second
        await two.commit()
    assert [(each.kind, each.threshold_fen) for each in announced] == [(ThresholdKind.GOAL, 1000)]
    (goal,) = [event for event in await service.outbox(campaign_id) if event.type.endswith("goal-reached.v1")]
    assert goal.data.received_fen == 1200


async def test_of_two_workers_past_a_milestone_only_the_first_announces_it(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK), goal_fen=1000, milestones_fen=[])
    announcer = Announcer(partitions=4)
    batches = [[Source(partition).received(campaign_id, 1000)] for partition in range(2)]
    async with service.engine.connect() as one, service.engine.connect() as two:
        assert len(await book(one, announcer, batches[0])) == 1
        second = asyncio.create_task(book(two, announcer, batches[1]))
        await until(service.somebody_waits_for_a_lock)
        await one.commit()
        assert await second == []
        await two.commit()
    assert reached(await service.outbox(campaign_id)) == [("goal", 1000)]


async def test_many_workers_at_once_announce_each_milestone_once_and_none_twice(service: Service) -> None:
    milestones = list(range(100, 2001, 100))
    campaign_id = await launched(service.operator(DESK), goal_fen=2000, milestones_fen=milestones)
    announcer = Announcer(partitions=4)

    async def worker(partition: int) -> None:
        source = Source(partition)
        for _ in range(25):
            async with service.engine.begin() as connection:
                await book(connection, announcer, [source.received(campaign_id, 20)])

    await asyncio.gather(*(worker(partition) for partition in range(4)))
    assert reached(await service.outbox(campaign_id)) == [
        *(("milestone", fen) for fen in milestones),
        ("goal", 2000),
    ]


async def test_a_campaign_that_is_resumed_does_not_begin_again(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk, goal_fen=1000, milestones_fen=[])
    source = Source()
    await service.book([source.received(campaign_id, 1000)])
    await desk.post(f"/campaigns/{campaign_id}/pause")
    await desk.post(f"/campaigns/{campaign_id}/launch")
    await service.book([source.received(campaign_id, 1000)])
    assert reached(await service.outbox(campaign_id)) == [("goal", 1000)]
