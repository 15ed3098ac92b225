"""Settled: closed, filed, and nothing left in the fund; and the days of what is recorded late."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.campaign.days import today_of
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    Source,
    a_campaign,
    a_disbursement,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def closed(service: Service, received_fen: int = 0, spent_fen: int = 0) -> str:
    """A closed campaign that has received and spent so much."""
    campaign_id = await launched(service.operator(DESK))
    if received_fen:
        await service.book([Source().received(campaign_id, received_fen)])
    if spent_fen:
        asked = await service.operator(FINANCE).post(
            f"/campaigns/{campaign_id}/disbursements", a_disbursement(spent_fen)
        )
        path = f"/disbursements/{asked.json()['disbursement_id']}"
        approved = await service.operator(APPROVER).post(f"{path}/approve", if_match=asked.headers["etag"])
        paid = await service.operator(FINANCE).post(f"{path}/pay", if_match=approved.headers["etag"])
        assert paid.status_code == 200, paid.text
    assert (await service.operator(DESK).post(f"/campaigns/{campaign_id}/close")).status_code == 200
    return campaign_id


async def test_a_closed_campaign_whose_fund_is_empty_is_settled_and_says_so(service: Service) -> None:
    campaign_id = await closed(service, 700, 700)
    finance = service.operator(FINANCE)
    settled = await finance.post(f"/campaigns/{campaign_id}/settle", if_match='"4"')
    assert (settled.status_code, settled.json()["state"]) == (200, "settled"), settled.text
    assert settled.json()["settled_on"] == today_of(datetime.now(UTC)).isoformat()
    assert (await service.announced(campaign_id))[-1] == "campaign.settled"
    for step in ("launch", "close", "pause"):
        refused = await service.operator(DESK).post(f"/campaigns/{campaign_id}/{step}")
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (
            409,
            "campaign-step-not-allowed",
        )
        assert "reopen" in refused.json()["detail"]


async def test_money_that_is_left_or_waits_is_named_by_its_figure(service: Service) -> None:
    campaign_id = await closed(service, 700, 300)
    finance = service.operator(FINANCE)
    asked = await finance.post(f"/campaigns/{campaign_id}/disbursements", a_disbursement(150))
    path = f"/disbursements/{asked.json()['disbursement_id']}/approve"
    await service.operator(APPROVER).post(path, if_match=asked.headers["etag"])
    refused = await finance.post(f"/campaigns/{campaign_id}/settle", if_match='"4"')
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (
        409,
        "campaign-fund-not-empty",
    )
    assert (refused.json()["reserved_fen"], refused.json()["balance_fen"]) == (150, 250)


async def test_what_was_never_filed_is_not_settled(service: Service) -> None:
    desk, appeal = service.operator(DESK), new_campaign_id("quake")
    await desk.post("/campaigns", a_campaign(appeal, kind="emergency_appeal"))
    for step in ("launch", "close"):
        await desk.post(f"/campaigns/{appeal}/{step}")
    refused = await service.operator(FINANCE).post(f"/campaigns/{appeal}/settle", if_match='"3"')
    assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (409, "campaign-not-filed")


@pytest.mark.parametrize("step", ["settle", "reopen"])
async def test_whoever_settles_says_what_they_have_read(service: Service, step: str) -> None:
    campaign_id = await closed(service)
    body = {"reason": "迟到的捐款"} if step == "reopen" else None
    path = f"/campaigns/{campaign_id}/{step}"
    assert (await service.operator(FINANCE).post(path, body)).status_code == 428
    assert (await service.operator(FINANCE).post(path, body, if_match='"3"')).status_code == 412
    assert (await service.operator(DESK).post(path, body, if_match='"4"')).status_code == 403


async def test_money_that_is_told_late_opens_it_again_with_the_reason_on_record(service: Service) -> None:
    campaign_id = await closed(service)
    finance = service.operator(FINANCE)
    assert (await finance.post(f"/campaigns/{campaign_id}/settle", if_match='"4"')).status_code == 200
    await service.book([Source().received(campaign_id, 5)])
    assert (await service.balance(campaign_id))["balance_fen"] == 5
    path = f"/campaigns/{campaign_id}/reopen"
    opened = await finance.post(path, {"reason": "银行迟报"}, if_match='"5"')
    assert (opened.json()["state"], opened.json()["settled_on"]) == ("closed", None), opened.text
    assert (await service.announced(campaign_id))[-2:] == ["campaign.settled", "campaign.closed"]
    rows = await service.rows(
        "SELECT action, person, reason FROM campaign_changes WHERE campaign_id = :id AND version = 6",
        id=campaign_id,
    )
    assert rows == [("reopen", FINANCE, "银行迟报")]
    again = await finance.post(f"/campaigns/{campaign_id}/settle", if_match='"6"')
    assert (again.status_code, again.json()["balance_fen"]) == (409, 5)


async def test_a_year_is_recorded_after_it_is_over(service: Service) -> None:
    desk, campaign_id = service.operator(DESK), new_campaign_id()
    await desk.post("/campaigns", a_campaign(campaign_id))
    number = {"filing_number": f"BA-{campaign_id}"}
    for step, body in [
        ("file", number | {"on": "2023-01-03"}),
        ("launch", {"on": "2023-01-05"}),
        ("pause", {"on": "2023-01-20"}),
        ("launch", {"on": "2023-01-21"}),
        ("close", {"on": "2023-12-31"}),
    ]:
        answer = await desk.post(f"/campaigns/{campaign_id}/{step}", body)
        assert answer.status_code == 200, answer.text
    settle = f"/campaigns/{campaign_id}/settle"
    settled = await service.operator(FINANCE).post(settle, {"on": "2024-03-31"}, if_match='"6"')
    days = [settled.json()[name] for name in ("filed_on", "launched_on", "closed_on", "settled_on")]
    assert days == ["2023-01-03", "2023-01-05", "2023-12-31", "2024-03-31"]
    told = (await service.outbox(campaign_id))[-1].data
    assert (told.launched_on, told.settled_on) == (date(2023, 1, 5), date(2024, 3, 31))
    kept = "SELECT happened_on::text FROM campaign_changes WHERE campaign_id = :id AND action = 'pause'"
    assert await service.rows(kept, id=campaign_id) == [("2023-01-20",)]


async def test_a_day_lies_neither_ahead_nor_before_what_it_follows(service: Service) -> None:
    desk, campaign_id = service.operator(DESK), await launched(service.operator(DESK))
    today = today_of(datetime.now(UTC))
    for day, problem in [
        (today + timedelta(days=1), "day-not-yet"),
        (today - timedelta(days=1), "day-too-early"),
    ]:
        refused = await desk.post(f"/campaigns/{campaign_id}/close", {"on": day.isoformat()})
        assert (refused.status_code, refused.json()["type"].rpartition(":")[2]) == (422, problem)
        assert refused.json()["errors"][0]["field"] == "on"


async def test_an_appeal_shows_the_days_left_and_how_late_it_is(service: Service) -> None:
    desk, today = service.operator(DESK), today_of(datetime.now(UTC))
    for ago, left in [(0, 10), (10, 0), (13, -3)]:
        appeal, day = new_campaign_id("quake"), today - timedelta(days=ago)
        await desk.post("/campaigns", a_campaign(appeal, kind="emergency_appeal"))
        started = await desk.post(f"/campaigns/{appeal}/launch", {"on": day.isoformat()})
        assert started.json()["filing_days_left"] == left
        told = (await service.outbox(appeal))[-1].data
        assert told.filing_due_on.isoformat() == started.json()["filing_due_on"]
