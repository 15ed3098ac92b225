"""Parts (分活动) of a campaign, on the real database: they go with their parent and add up to it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.services.campaign.builders import (
    DESK,
    FINANCE,
    VIEWER,
    WINDOW_END,
    Source,
    a_campaign,
    a_disbursement,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_part(campaign_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "part_kind": "company",
        "title": "某某公司分活动",
        "goal_fen": 50_000,
    } | changes


async def with_part(service: Service, parent: str, **changes: Any) -> str:
    """A launched part of a launched campaign."""
    desk, part = service.operator(DESK), new_campaign_id("part")
    created = await desk.post(f"/campaigns/{parent}/parts", a_part(part, **changes))
    assert created.status_code == 201, created.text
    started = await desk.post(f"/campaigns/{part}/launch")
    assert started.status_code == 200, started.text
    return part


async def state_of(service: Service, campaign_id: str) -> str:
    state: str = (await service.operator(VIEWER).get(f"/campaigns/{campaign_id}")).json()["state"]
    return state


async def test_a_part_runs_under_its_parents_number_and_says_whose_it_is(service: Service) -> None:
    parent = await launched(service.operator(DESK))
    part = await with_part(service, parent, part_kind="county", title="吴江区")
    shown = (await service.operator(VIEWER).get(f"/campaigns/{part}")).json()
    assert (shown["parent_id"], shown["part_kind"]) == (parent, "county")
    assert (shown["filing_number"], shown["title"], shown["goal_fen"]) == (f"BA-{parent}", "吴江区", 50_000)
    assert (shown["uses"], shown["account"]) == (["助医", "助学"], "工商银行 1102 0000 0000")
    assert shown["milestones_fen"] == [12_500, 25_000, 37_500, 50_000]
    told = (await service.outbox(part))[-1].data
    assert (told.parent_id, told.part_kind, told.filing_number) == (parent, "county", f"BA-{parent}")


async def test_a_part_goes_with_its_parent_to_the_end(service: Service) -> None:
    desk, finance = service.operator(DESK), service.operator(FINANCE)
    parent = await launched(desk)
    one, two = await with_part(service, parent), await with_part(service, parent)
    await desk.post(f"/campaigns/{two}/pause")
    draft = new_campaign_id("part")
    await desk.post(f"/campaigns/{parent}/parts", a_part(draft))
    seen = []
    for step in ("pause", "launch", "close"):
        assert (await desk.post(f"/campaigns/{parent}/{step}")).status_code == 200
        seen.append([await state_of(service, each) for each in (parent, one, two, draft)])
    assert seen == [
        ["paused", "paused", "paused", "draft"],
        ["launched", "launched", "paused", "draft"],
        ["closed", "closed", "closed", "draft"],
    ]
    assert (await service.announced(one)) == [
        "campaign.launched",
        "campaign.paused",
        "campaign.launched",
        "campaign.closed",
    ]
    early = await finance.post(f"/campaigns/{parent}/settle", if_match='"6"')
    assert (early.status_code, early.json()["parts"]) == (409, 2), early.text
    for each in (one, two):
        version = (await finance.get(f"/campaigns/{each}")).headers["etag"]
        assert (await finance.post(f"/campaigns/{each}/settle", if_match=version)).status_code == 200
    settled = await finance.post(f"/campaigns/{parent}/settle", if_match='"6"')
    assert (settled.status_code, settled.json()["state"]) == (200, "settled"), settled.text


async def test_a_part_of_an_appeal_gets_the_number_when_its_parent_files_late(service: Service) -> None:
    desk, appeal = service.operator(DESK), new_campaign_id("quake")
    await desk.post("/campaigns", a_campaign(appeal, kind="emergency_appeal"))
    await desk.post(f"/campaigns/{appeal}/launch")
    part = await with_part(service, appeal)
    await desk.post(f"/campaigns/{appeal}/file", {"filing_number": f"BA-{appeal}"})
    assert (await service.outbox(part))[-1].data.filing_number == f"BA-{appeal}"
    shown = (await desk.get(f"/campaigns/{part}")).json()
    assert (shown["state"], shown["filing_number"], shown["filing_due_on"]) == (
        "launched",
        f"BA-{appeal}",
        None,
    )


async def test_the_parts_add_up_to_their_parent_to_the_fen(service: Service) -> None:
    parent = await launched(service.operator(DESK))
    one, two = await with_part(service, parent), await with_part(service, parent)
    source = Source()
    await service.book(
        [
            source.received(parent, 1_000),
            source.received(one, 20),
            source.received(two, 300),
            source.reversed(two, 7),
        ]
    )
    await service.pledge(one, 44)
    asked = await service.operator(FINANCE).post(f"/campaigns/{two}/disbursements", a_disbursement(100))
    approve = f"/disbursements/{asked.json()['disbursement_id']}/approve"
    assert (await service.operator("zhao").post(approve, if_match='"1"')).status_code == 200
    tree = (await service.operator(VIEWER).get(f"/campaigns/{parent}/parts")).json()
    assert [part["campaign_id"] for part in tree["parts"]] == [two, one]
    assert tree["own"]["received_fen"] == 1_000, "a parent never holds a part's money"
    assert tree["total"] | {"positions": None} == {
        "received_fen": 1_320,
        "reversed_fen": 7,
        "reserved_fen": 100,
        "disbursed_fen": 0,
        "balance_fen": 1_213,
        "promised_fen": 44,
        "promised_released_fen": 0,
        "donations": 3,
        "reversals": 1,
        "pledges": 1,
        "positions": None,
    }


async def test_what_the_rules_refuse_is_refused_by_http(service: Service) -> None:
    desk = service.operator(DESK)
    parent, waiting, closed = await launched(desk), new_campaign_id(), await launched(desk)
    part = await with_part(service, parent)
    await desk.post("/campaigns", a_campaign(waiting))
    await desk.post(f"/campaigns/{closed}/close")
    early = new_campaign_id("part")
    assert (await desk.post(f"/campaigns/{waiting}/parts", a_part(early))).status_code == 201
    for path, body, expected in [
        (f"/campaigns/{part}/parts", a_part(new_campaign_id()), (409, "part-of-part")),
        (f"/campaigns/{closed}/parts", a_part(new_campaign_id()), (409, "parent-over")),
        (f"/campaigns/{parent}/parts", a_part(part), (409, "campaign-exists")),
        (
            f"/campaigns/{parent}/parts",
            a_part(new_campaign_id(), window_end=(WINDOW_END + timedelta(days=1)).isoformat()),
            (409, "part-outside-window"),
        ),
        (f"/campaigns/{part}/file", {"filing_number": "BA-x"}, (409, "part-filed-with-parent")),
        (f"/campaigns/{early}/launch", None, (409, "parent-not-launched")),
        ("/campaigns/not-there/parts", a_part(new_campaign_id()), (404, "not-found")),
    ]:
        refused = await desk.post(path, body)
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == expected, path
    refused = await service.operator(FINANCE).post(f"/campaigns/{parent}/parts", a_part(new_campaign_id()))
    assert refused.status_code == 403


async def test_parts_that_launch_while_their_parent_closes_never_outlive_it(service: Service) -> None:
    desk = service.operator(DESK)
    for _ in range(3):
        parent = await launched(desk)
        parts = [new_campaign_id(name) for name in ("a-part", "z-part")]
        for part in parts:
            await desk.post(f"/campaigns/{parent}/parts", a_part(part))
        answers = await asyncio.gather(
            *(desk.post(f"/campaigns/{part}/launch") for part in parts),
            desk.post(f"/campaigns/{parent}/close"),
        )
        assert all(answer.status_code in {200, 409} for answer in answers)
        assert await state_of(service, parent) == "closed"
        assert {await state_of(service, part) for part in parts} <= {"draft", "closed"}


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("parent_id = campaign_id", "campaigns_parent"),
        ("parent_id = 'nobody'", "campaigns_parent"),
        ("parent_id = NULL", "campaigns_part"),
        ("part_kind = NULL", "campaigns_part"),
        ("part_kind = 'village'", "campaigns_part"),
    ],
)
async def test_a_part_cannot_be_written_wrong(service: Service, change: str, constraint: str) -> None:
    part = await with_part(service, await launched(service.operator(DESK)))
    with pytest.raises(IntegrityError, match=constraint):
        async with service.engine.begin() as connection:
            await connection.execute(
                text(f"UPDATE campaigns SET {change} WHERE campaign_id = :id"),
                {"id": part},
            )


async def test_the_database_knows_one_level_of_parts(service: Service) -> None:
    desk = service.operator(DESK)
    parent, other = await launched(desk), await launched(desk)
    part = await with_part(service, parent)
    for child, above in ((other, part), (parent, other)):
        with pytest.raises(IntegrityError, match="campaigns_parent"):
            await service.rows_changed(
                "UPDATE campaigns SET parent_id = :above, part_kind = 'team' WHERE campaign_id = :child",
                above=above,
                child=child,
            )
