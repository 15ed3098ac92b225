"""Promises kept by donations: to the fen, once, whatever comes twice, late or at the same moment."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import today_of
from services.campaign.handlers import count
from services.campaign.pledges import commands
from services.campaign.pledges.reminders import Reminders
from services.campaign.pledges.rules import PledgeStepNotAllowed
from services.campaign.pledges.schemas import ConfirmBody, PledgeBody
from shared.broker import CAMPAIGN_EVENTS
from shared.events import Event
from shared.outbox import Relay
from shared.refusals import Refused
from shared.versions import VersionChanged
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    SECOND_DESK,
    VIEWER,
    Source,
    a_pledge,
    a_release,
    launched,
)
from tests.services.campaign.conftest import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNOUNCER = Announcer(partitions=4)


async def read(service: Service, pledge_id: str) -> dict[str, Any]:
    pledge: dict[str, Any] = (await service.operator(VIEWER).get(f"/pledges/{pledge_id}")).json()
    return pledge


async def announced(service: Service, campaign_id: str, kind: str) -> list[Any]:
    wanted = f"org.shanliu.pledge.{kind}.v1"
    return [event for event in await service.outbox(campaign_id) if event.type == wanted]


async def counted(service: Service, events: Sequence[Event]) -> None:
    async with service.engine.begin() as connection:
        await count(connection, ANNOUNCER, events)


# ---------------------------------------------------------------- donations that name a pledge


async def test_a_pledge_is_kept_by_several_donations_and_stands_apart_from_them(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.pledge(campaign_id, 1_000)
    source = Source()
    await service.book(
        [source.received(campaign_id, 400, pledge_id=pledge_id), source.received(campaign_id, 7)]
    )
    pledge = await read(service, pledge_id)
    assert (pledge["fulfilled_fen"], pledge["open_fen"], pledge["fulfilled_at"]) == (400, 600, None)
    await service.book([source.received(campaign_id, 700, pledge_id=pledge_id)])
    pledge = await read(service, pledge_id)
    assert (pledge["fulfilled_fen"], pledge["open_fen"], pledge["overpaid_fen"]) == (1_100, 0, 100)
    assert pledge["version"] == 2, "the promise itself has not changed"
    (fulfilled,) = await announced(service, campaign_id, "fulfilled")
    assert (fulfilled.data.amount_fen, fulfilled.data.fulfilled_fen) == (1_000, 1_100)
    balance = await service.balance(campaign_id)
    assert (balance["promised_fen"], balance["received_fen"]) == (1_000, 1_107)
    promised = (await service.operator(VIEWER).get(f"/campaigns/{campaign_id}/promised")).json()
    assert promised == {
        "campaign_id": campaign_id,
        "promised_fen": 1_000,
        "goods_fen": 0,
        "fulfilled_fen": 1_000,
        "overpaid_fen": 100,
        "released_fen": 0,
        "open_fen": 0,
        "pledges": 1,
        "fulfilled": 1,
        "entered": 0,
    }


async def test_a_reversal_opens_the_pledge_again_and_announces_nothing(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.pledge(campaign_id, 1_000)
    source = Source()
    await service.book([source.received(campaign_id, 1_000, pledge_id=pledge_id)])
    await service.book([source.reversed(campaign_id, 300, pledge_id=pledge_id)])
    pledge = await read(service, pledge_id)
    assert (pledge["paid_fen"], pledge["returned_fen"], pledge["open_fen"]) == (1_000, 300, 300)
    assert pledge["fulfilled_at"] is not None
    await service.book([source.received(campaign_id, 300, pledge_id=pledge_id)])
    assert (await read(service, pledge_id))["open_fen"] == 0
    assert len(await announced(service, campaign_id, "fulfilled")) == 1


async def test_a_reversal_that_is_read_before_its_donation_ends_at_the_same_amount(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.pledge(campaign_id, 1_000)
    await service.book([Source(1).reversed(campaign_id, 300, pledge_id=pledge_id)])
    assert (await read(service, pledge_id))["fulfilled_fen"] == -300
    await service.book([Source(0).received(campaign_id, 500, pledge_id=pledge_id)])
    assert (await read(service, pledge_id))["fulfilled_fen"] == 200


async def test_replays_change_nothing(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.pledge(campaign_id, 1_000)
    source = Source()
    events = [
        source.received(campaign_id, 400, pledge_id=pledge_id),
        source.reversed(campaign_id, 100, pledge_id=pledge_id),
    ]
    await service.book(events)
    await service.publish(events)
    await service.book([source.received(campaign_id, 5, pledge_id=pledge_id)])
    pledge = await read(service, pledge_id)
    assert (pledge["paid_fen"], pledge["returned_fen"]) == (405, 100)


async def test_a_pledge_id_that_means_nothing_here_does_not_stop_the_money(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id, other = await launched(desk), await launched(desk)
    foreign, cancelled = await service.pledge(other, 10), await service.entered(campaign_id, 10)
    await desk.post(f"/pledges/{cancelled}/cancel", {"reason": "写重了"})
    unknown = str(uuid4())
    source = Source()
    named = (unknown, foreign, cancelled)
    await service.book(
        [source.received(campaign_id, 10 + at, pledge_id=each) for at, each in enumerate(named)]
    )
    assert (await service.balance(campaign_id))["received_fen"] == 33
    assert (await read(service, foreign))["fulfilled_fen"] == 0
    path = f"/campaigns/{campaign_id}/pledge-payments-to-look-at"
    first = (await desk.get(path, limit=2)).json()
    rest = (await desk.get(path, limit=2, after=first["next"])).json()
    assert [(each["pledge_id"], each["problem"]) for each in first["items"] + rest["items"]] == [
        (unknown, "unknown"),
        (foreign, "other_campaign"),
        (cancelled, "cancelled"),
    ]
    assert rest["next"] is None
    assert (await desk.get(path, after="no place")).status_code == 422


async def test_money_that_is_quicker_than_the_second_person_is_not_lost(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    pledge_id = await service.entered(campaign_id, 1_000)
    await service.book([Source().received(campaign_id, 1_000, pledge_id=pledge_id)])
    assert await announced(service, campaign_id, "fulfilled") == []
    refused = await desk.post(f"/pledges/{pledge_id}/cancel", {"reason": "写重了"})
    assert (refused.status_code, refused.json()["fulfilled_fen"]) == (409, 1_000)
    confirm = {"amount_fen": 1_000}
    await service.operator(FINANCE).post(f"/pledges/{pledge_id}/confirm", confirm, if_match='"1"')
    assert (await service.announced(campaign_id))[-2:] == ["pledge.made", "pledge.fulfilled"]


async def test_a_correction_down_to_what_came_in_fulfils(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    pledge_id = await service.pledge(campaign_id, 1_000)
    await service.book([Source().received(campaign_id, 100, pledge_id=pledge_id)])
    path = f"/pledges/{pledge_id}/correction"
    await desk.post(path, {**a_pledge(100), "reason": "多写一个零"})
    await service.operator(FINANCE).post(f"{path}/confirm", {"amount_fen": 100}, if_match='"3"')
    assert (await service.announced(campaign_id))[-2:] == ["pledge.corrected", "pledge.fulfilled"]


async def test_a_release_covers_what_is_open_and_late_money_still_counts(service: Service) -> None:
    desk, approver = service.operator(DESK), service.operator(APPROVER)
    campaign_id = await launched(desk)
    pledge_id = await service.pledge(campaign_id, 1_000)
    source = Source()
    await service.book([source.received(campaign_id, 400, pledge_id=pledge_id)])
    await desk.post(f"/pledges/{pledge_id}/release", a_release())
    released = await approver.post(f"/pledges/{pledge_id}/release/approve", if_match='"3"')
    assert (released.json()["released_fen"], released.json()["open_fen"]) == (600, 0)
    await service.book([source.reversed(campaign_id, 100, pledge_id=pledge_id)])
    assert (await read(service, pledge_id))["open_fen"] == 100, "only what was open has been released"
    await service.book([source.received(campaign_id, 700, pledge_id=pledge_id)])
    assert (await read(service, pledge_id))["fulfilled_fen"] == 1_000
    assert len(await announced(service, campaign_id, "fulfilled")) == 1
    kept = await service.pledge(campaign_id, 5)
    await service.book([source.received(campaign_id, 5, pledge_id=kept)])
    refused = await desk.post(f"/pledges/{kept}/release", a_release())
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:shanliu:problem:pledge-nothing-open")


# ---------------------------------------------------------------- at the same moment


async def test_of_many_confirmations_at_once_one_counts(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.entered(campaign_id, 100)
    people = [service.operator(SECOND_DESK), service.operator(FINANCE)]
    path = f"/pledges/{pledge_id}/confirm"
    answers = await asyncio.gather(
        *(people[at % 2].post(path, {"amount_fen": 100}, if_match='"1"') for at in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    assert len(await announced(service, campaign_id, "made")) == 1
    assert (await service.balance(campaign_id))["promised_fen"] == 100


async def test_a_confirmation_waits_for_a_rewriting_and_then_refuses_what_it_has_not_read(
    service: Service,
) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = UUID(await service.entered(campaign_id, 100))
    async with service.engine.connect() as one, service.engine.connect() as two:
        await commands.rewrite_pledge(one, Actor(DESK, 1), pledge_id, PledgeBody(**a_pledge(10)))
        confirming = asyncio.create_task(
            commands.confirm_pledge(
                two, ANNOUNCER, Actor(SECOND_DESK, 1), pledge_id, ConfirmBody(amount_fen=100)
            )
        )
        await until(service.somebody_waits_for_a_lock)
        assert not confirming.done()
        await one.commit()
        with pytest.raises(VersionChanged):
            await confirming
        await two.rollback()
    assert (await service.balance(campaign_id))["pledges"] == 0


async def test_of_a_correction_and_a_release_at_once_both_are_true_or_one_is_refused(
    service: Service,
) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    pledge_id = await service.pledge(campaign_id, 1_000)
    await desk.post(f"/pledges/{pledge_id}/correction", {**a_pledge(100), "reason": "错"})
    await desk.post(f"/pledges/{pledge_id}/release", a_release())
    id_ = UUID(pledge_id)
    async with service.engine.connect() as one, service.engine.connect() as two:
        await commands.approve_release(one, ANNOUNCER, Actor(APPROVER, 4), id_)
        confirming = ConfirmBody(amount_fen=100)
        correcting = asyncio.create_task(
            commands.confirm_correction(two, ANNOUNCER, Actor(FINANCE, 4), id_, confirming)
        )
        await until(service.somebody_waits_for_a_lock)
        await one.commit()
        with pytest.raises(Refused):
            await correcting
        await two.rollback()
        with pytest.raises(PledgeStepNotAllowed):
            await commands.confirm_correction(two, ANNOUNCER, Actor(FINANCE, 5), id_, confirming)
        await two.rollback()
    pledge = await read(service, pledge_id)
    assert (pledge["state"], pledge["amount_fen"], pledge["released_fen"]) == ("released", 1_000, 1_000)


async def test_two_workers_that_fulfil_a_pledge_together_announce_it_once(service: Service) -> None:
    """Each alone stays below the amount; the second waits for the first one's commit."""
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.pledge(campaign_id, 1_000)
    events = [Source(at).received(campaign_id, 600, pledge_id=pledge_id) for at in range(2)]
    async with service.engine.connect() as one, service.engine.connect() as two:
        await count(one, ANNOUNCER, events[:1])
        second = asyncio.create_task(count(two, ANNOUNCER, events[1:]))
        await until(service.somebody_waits_for_a_lock)
        assert not second.done()
        await one.commit()
        await second
        await two.commit()
    (fulfilled,) = await announced(service, campaign_id, "fulfilled")
    assert fulfilled.data.fulfilled_fen == 1_200


async def test_workers_and_people_at_once_never_lock_each_other_out(service: Service) -> None:
    desk, second = service.operator(DESK), service.operator(SECOND_DESK)
    campaign_id = await launched(desk)
    pledges = [await service.entered(campaign_id, 100) for _ in range(4)]

    async def worker(at: int) -> None:
        source = Source(at)
        for _ in range(5):
            order = pledges if at % 2 else pledges[::-1]
            await counted(service, [source.received(campaign_id, 5, pledge_id=each) for each in order])

    async def confirms(pledge_id: str) -> None:
        await second.post(f"/pledges/{pledge_id}/confirm", {"amount_fen": 100}, if_match='"1"')

    await asyncio.gather(*(worker(at) for at in range(4)), *map(confirms, pledges))
    for pledge_id in pledges:
        pledge = await read(service, pledge_id)
        assert (pledge["state"], pledge["fulfilled_fen"]) == ("confirmed", 100)
    assert len(await announced(service, campaign_id, "fulfilled")) == 4


# ---------------------------------------------------------------- what is due


def due(days: int) -> dict[str, str]:
    return {"due_on": (today_of(datetime.now(UTC)) + timedelta(days=days)).isoformat()}


async def test_what_is_due_is_listed_by_its_date_with_the_days_in_shanghai(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    in_ten = await service.pledge(campaign_id, 100, **due(10))
    today, kept = (
        await service.pledge(campaign_id, 100, **due(0)),
        await service.pledge(campaign_id, 1, **due(1)),
    )
    late = await service.pledge(campaign_id, 100, **due(3))
    await service.rows_changed(
        "UPDATE pledges SET due_on = due_on - 43, promised_on = promised_on - 43 WHERE pledge_id = :id",
        id=UUID(late),
    )
    await service.entered(campaign_id, 100, **due(1))
    await service.book([Source().received(campaign_id, 1, pledge_id=kept)])

    async def listed(**query: Any) -> list[tuple[str, int]]:
        found = await desk.get("/pledges/due", campaign_id=campaign_id, **query)
        assert found.status_code == 200, found.text
        return [(each["pledge_id"], each["days_overdue"]) for each in found.json()["items"]]

    assert await listed() == [(late, 40), (today, 0), (in_ten, -10)]
    assert await listed(within_days=0) == [(late, 40), (today, 0)]
    assert await listed(within_days=-1) == [(late, 40)]
    assert await listed(limit=1) == [(late, 40)]
    assert await listed(after=late) == [(today, 0), (in_ten, -10)]


async def test_each_stage_is_announced_once_however_often_it_is_asked(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    day = today_of(datetime.now(UTC)) + timedelta(days=100)
    pledge_id = await service.pledge(campaign_id, 100, due_on=day.isoformat())
    reminders = Reminders(
        service.engine, ANNOUNCER, Relay(service.engine, service.publisher, CAMPAIGN_EVENTS)
    )

    async def stages_after(days: int) -> list[int]:
        while any(await asyncio.gather(*(reminders.announce(day + timedelta(days=days)) for _ in range(3)))):
            pass
        return [event.data.days_after_due for event in await announced(service, campaign_id, "due")]

    assert await stages_after(-8) == []
    assert await stages_after(-7) == [-7]
    assert await stages_after(-1) == [-7]
    assert await stages_after(0) == [-7, 0]
    assert await stages_after(29) == [-7, 0, 7], "seven days after, also when it is looked at late"
    await service.book([Source().received(campaign_id, 40, pledge_id=pledge_id)])
    assert await stages_after(30) == [-7, 0, 7, 30]
    assert (await announced(service, campaign_id, "due"))[-1].data.open_fen == 60
    assert await stages_after(400) == [-7, 0, 7, 30]


async def test_after_a_standstill_only_the_stage_that_has_come_is_announced(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    day = today_of(datetime.now(UTC)) + timedelta(days=500)
    await service.pledge(campaign_id, 100, due_on=day.isoformat())
    kept = await service.pledge(campaign_id, 1, due_on=day.isoformat())
    await service.book([Source().received(campaign_id, 1, pledge_id=kept)])
    reminders = Reminders(
        service.engine, ANNOUNCER, Relay(service.engine, service.publisher, CAMPAIGN_EVENTS)
    )
    while await reminders.announce(day + timedelta(days=40)):
        pass
    assert [event.data.days_after_due for event in await announced(service, campaign_id, "due")] == [30]
