"""A campaign's life over HTTP, on the real database."""

from typing import Any

import pytest

from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    VIEWER,
    a_campaign,
    a_plan,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_campaign_goes_from_draft_to_closed_and_says_so_each_time(service: Service) -> None:
    campaign_id = new_campaign_id()
    desk = service.operator(DESK)
    states = [(await desk.post("/campaigns", a_campaign(campaign_id))).json()["state"]]
    filing = {"filing_number": f"BA-{campaign_id}"}
    for step, body in [
        ("file", filing),
        ("launch", None),
        ("pause", None),
        ("launch", None),
        ("close", None),
    ]:
        answer = await desk.post(f"/campaigns/{campaign_id}/{step}", body)
        assert answer.status_code == 200, answer.text
        states.append(answer.json()["state"])
    assert states == ["draft", "filed", "launched", "paused", "launched", "closed"]
    assert await service.announced(campaign_id) == [
        "campaign.filed",
        "campaign.launched",
        "campaign.paused",
        "campaign.launched",
        "campaign.closed",
    ]
    campaign = (await desk.get(f"/campaigns/{campaign_id}")).json()
    assert campaign["version"] == 6
    assert campaign["first_launched_at"] < campaign["closed_at"]


async def test_what_is_announced_is_the_plan_with_its_filing_number(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    filed, started = await service.outbox(campaign_id)
    assert filed.data.filing_number == started.data.filing_number == f"BA-{campaign_id}"
    assert started.data.title == "第五届慈善晚会"
    assert started.data.goal_fen == 1_000_000
    assert started.data.milestones_fen == (250_000, 500_000, 750_000, 1_000_000)
    assert started.data.window_start.isoformat() == "2026-01-01T12:00:00+00:00"
    assert started.subject == campaign_id


async def test_a_step_outside_the_state_machine_changes_and_announces_nothing(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    before = await service.announced(campaign_id)
    refused = await service.operator(DESK).post(f"/campaigns/{campaign_id}/launch")
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:shanliu:problem:campaign-step-not-allowed"
    assert "close, pause" in refused.json()["detail"]
    assert await service.announced(campaign_id) == before


async def test_nothing_launches_without_a_filing_number_except_an_emergency_appeal(service: Service) -> None:
    desk = service.operator(DESK)
    gala, appeal = new_campaign_id(), new_campaign_id("quake")
    await desk.post("/campaigns", a_campaign(gala))
    await desk.post("/campaigns", a_campaign(appeal, kind="emergency_appeal"))
    refused = await desk.post(f"/campaigns/{gala}/launch")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:shanliu:problem:campaign-not-filed")
    started = await desk.post(f"/campaigns/{appeal}/launch")
    assert started.json()["state"] == "launched"
    assert started.json()["filing_days_left"] == 10


@pytest.mark.parametrize(
    ("steps", "state"),
    [(["launch"], "launched"), (["launch", "pause"], "paused"), (["launch", "close"], "closed")],
)
async def test_an_emergency_appeal_that_files_late_stays_where_it_is_for_every_reader(
    service: Service, steps: list[str], state: str
) -> None:
    desk = service.operator(DESK)
    appeal = new_campaign_id("quake")
    await desk.post("/campaigns", a_campaign(appeal, kind="emergency_appeal"))
    for step in steps:
        await desk.post(f"/campaigns/{appeal}/{step}")
    before = (await service.outbox(appeal))[-1]
    filed = await desk.post(f"/campaigns/{appeal}/file", {"filing_number": f"BA-{appeal}"})
    assert (filed.json()["state"], filed.json()["filing_due_on"]) == (state, None)
    after = (await service.outbox(appeal))[-1]
    assert after.type == before.type == f"org.shanliu.campaign.{state}.v1"
    assert after.data.filing_number == f"BA-{appeal}"
    if state == "closed":
        assert after.data.changed_at == before.data.changed_at, "it is closed since it was closed"


async def test_an_incomplete_plan_is_neither_filed_nor_launched(service: Service) -> None:
    desk = service.operator(DESK)
    appeal = new_campaign_id("quake")
    lacking = a_campaign(appeal, kind="emergency_appeal", account=..., uses=...)
    assert (await desk.post("/campaigns", lacking)).status_code == 201
    for step, body in [("file", {"filing_number": f"BA-{appeal}"}), ("launch", None)]:
        refused = await desk.post(f"/campaigns/{appeal}/{step}", body)
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:shanliu:problem:plan-incomplete")
        assert [error["field"] for error in refused.json()["errors"]] == ["account", "uses"]
    assert await service.announced(appeal) == []


async def test_a_drafts_plan_is_completed_by_whoever_has_seen_its_last_version(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = new_campaign_id()
    draft = await desk.post("/campaigns", a_campaign(campaign_id, account=...))
    path = f"/campaigns/{campaign_id}/plan"
    assert (await desk.put(path, a_plan())).status_code == 428
    first = await desk.put(path, a_plan(), if_match=draft.headers["etag"])
    assert (first.status_code, first.json()["account"]) == (200, a_plan()["account"])
    late = await desk.put(path, a_plan(title="另一个"), if_match=draft.headers["etag"])
    assert (late.status_code, late.json()["type"]) == (412, "urn:shanliu:problem:version-changed")
    assert (await desk.get(f"/campaigns/{campaign_id}")).json() == first.json()
    assert first.headers["etag"] == '"2"'


async def test_a_filed_plan_is_not_rewritten(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    refused = await desk.put(f"/campaigns/{campaign_id}/plan", a_plan(), if_match="*")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:shanliu:problem:plan-fixed")


async def test_a_command_on_an_older_version_is_refused(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    paused = await desk.post(f"/campaigns/{campaign_id}/pause", if_match='"3"')
    assert (paused.status_code, paused.headers["etag"]) == (200, '"4"')
    late = await desk.post(f"/campaigns/{campaign_id}/close", if_match='"3"')
    assert (late.status_code, late.json()["version"]) == (412, 4)


async def test_a_campaign_id_and_a_filing_number_are_given_once(service: Service) -> None:
    desk = service.operator(DESK)
    first = await launched(desk)
    again = await desk.post("/campaigns", a_campaign(first))
    assert (again.status_code, again.json()["errors"][0]["field"]) == (409, "campaign_id")
    second = new_campaign_id()
    await desk.post("/campaigns", a_campaign(second))
    taken = await desk.post(f"/campaigns/{second}/file", {"filing_number": f"BA-{first}"})
    assert (taken.status_code, taken.json()["type"]) == (409, "urn:shanliu:problem:filing-number-taken")
    assert (await desk.get(f"/campaigns/{second}")).json()["state"] == "draft"


async def test_it_is_recorded_who_brought_a_campaign_to_each_version(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    await service.operator(ADMINISTRATOR).post(f"/campaigns/{campaign_id}/pause")
    rows = await service.rows(
        "SELECT version, action, state, person FROM campaign_changes"
        " WHERE campaign_id = :id ORDER BY version",
        id=campaign_id,
    )
    assert rows == [
        (1, "create", "draft", DESK),
        (2, "file", "filed", DESK),
        (3, "launch", "launched", DESK),
        (4, "pause", "paused", ADMINISTRATOR),
    ]


@pytest.mark.parametrize("person", [FINANCE, APPROVER, VIEWER])
async def test_only_the_desk_leads_campaigns(service: Service, person: str) -> None:
    other = service.operator(person)
    campaign_id = await launched(service.operator(DESK))
    for path, body in [
        ("/campaigns", a_campaign(new_campaign_id())),
        (f"/campaigns/{campaign_id}/file", {"filing_number": "BA-1"}),
        (f"/campaigns/{campaign_id}/launch", None),
        (f"/campaigns/{campaign_id}/pause", None),
        (f"/campaigns/{campaign_id}/close", None),
    ]:
        refused = await other.post(path, body)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:shanliu:problem:role-missing"), (
            path
        )
    assert (await other.put(f"/campaigns/{campaign_id}/plan", a_plan(), if_match="*")).status_code == 403
    assert (await other.get(f"/campaigns/{campaign_id}")).json()["state"] == "launched"


async def test_nobody_is_let_in_without_a_known_token(service: Service) -> None:
    stranger = service.operator("nobody-knows")
    for answer in [
        await stranger.post("/campaigns", a_campaign(new_campaign_id())),
        await stranger.get("/campaigns"),
        await stranger.get("/campaigns/gala/balance"),
    ]:
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


async def test_the_list_is_read_part_by_part_in_the_order_of_the_ids(service: Service) -> None:
    desk = service.operator(DESK)
    ids = sorted([new_campaign_id("list") for _ in range(5)])
    for campaign_id in reversed(ids):
        await desk.post("/campaigns", a_campaign(campaign_id))
    found: list[str] = []
    query: dict[str, Any] = {"limit": 2, "state": "draft"}
    while True:
        page = (await desk.get("/campaigns", **query)).json()
        assert len(page["items"]) <= 2
        found += [item["campaign_id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == sorted(found)
    assert [campaign_id for campaign_id in found if campaign_id in ids] == ids


@pytest.mark.parametrize("limit", [0, 201, -1, "many"])
async def test_a_list_is_bounded(service: Service, limit: object) -> None:
    refused = await service.operator(VIEWER).get("/campaigns", limit=limit)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "limit")


async def test_what_is_not_there_is_not_found(service: Service) -> None:
    desk = service.operator(DESK)
    for answer in [
        await desk.get("/campaigns/not-there"),
        await desk.get("/campaigns/not-there/balance"),
        await desk.get("/campaigns/not-there/pledges"),
        await desk.get("/campaigns/not-there/disbursements"),
        await desk.get("/disbursements/01a20732-6df7-7dc7-a020-9629367a27f3"),
        await desk.post("/campaigns/not-there/launch"),
    ]:
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:shanliu:problem:not-found")


async def test_a_draft_says_what_its_plan_lacks(service: Service) -> None:
    desk = service.operator(DESK)
    gaps: dict[str, Any] = {"remainder": ..., "contact": ..., "uses": []}
    campaign_id = new_campaign_id()
    draft = (await desk.post("/campaigns", a_campaign(campaign_id, **gaps))).json()
    assert draft["plan_missing"] == ["uses", "remainder", "contact"]
    whole = await desk.put(f"/campaigns/{campaign_id}/plan", a_plan(), if_match='"1"')
    assert whole.json()["plan_missing"] == []
