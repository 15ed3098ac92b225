"""Pledges over HTTP: promised stands apart, and no company is named without its consent."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.services.campaign.builders import (
    DESK,
    FINANCE,
    VIEWER,
    a_campaign,
    a_pledge,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_pledge_is_announced_and_counted_apart_from_everything_else(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    await service.pledge(campaign_id, 2435_0000_00)
    await service.pledge(campaign_id, 1)
    balance = await service.balance(campaign_id)
    assert (balance["promised_fen"], balance["pledges"]) == (2435_0000_01, 2)
    assert (balance["received_fen"], balance["balance_fen"]) == (0, 0)
    made = (await service.outbox(campaign_id))[-1]
    assert (made.type, made.data.amount_fen) == ("org.shanliu.pledge.made.v1", 1)


@pytest.mark.parametrize(
    ("display", "shown"),
    [
        ({"display": "name"}, "某某公司"),
        ({"display": "alias", "alias": "老朋友"}, "老朋友"),
        ({"display": "anonymous"}, "爱心企业"),
        ({"display": "anonymous", "alias": "老朋友"}, "爱心企业"),
    ],
)
async def test_a_company_is_shown_as_it_agreed(service: Service, display: dict[str, Any], shown: str) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    answer = await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge(**display))
    assert (answer.status_code, answer.json()["shown_name"]) == (201, shown)
    event = (await service.outbox(campaign_id))[-1]
    assert event.data.company == shown
    if shown != "某某公司":
        assert "某某公司" not in event.to_bytes().decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"display": "alias"}, "alias"),
        ({"due_on": (datetime.now(UTC) - timedelta(days=2)).date().isoformat()}, "due_on"),
        ({"due_on": "2099-01-01"}, "due_on"),
        ({"due_on": "31.12.2026"}, "due_on"),
        ({"due_on": 20260101}, "due_on"),
        ({"display": "shout"}, "display"),
        ({"amount_fen": 0}, "amount_fen"),
        ({"company": ""}, "company"),
    ],
)
async def test_a_pledge_that_cannot_be_right_is_refused(
    service: Service, changes: dict[str, Any], field: str
) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    refused = await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge(**changes))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert (await service.balance(campaign_id))["pledges"] == 0


async def test_pledges_are_taken_by_the_desk_while_the_campaign_is_launched(service: Service) -> None:
    desk = service.operator(DESK)
    draft, campaign_id = new_campaign_id(), await launched(desk)
    await desk.post("/campaigns", a_campaign(draft))
    assert (await desk.post(f"/campaigns/{draft}/pledges", a_pledge())).status_code == 409
    assert (
        await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/pledges", a_pledge())
    ).status_code == 403
    await desk.post(f"/campaigns/{campaign_id}/close")
    refused = await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge())
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:shanliu:problem:pledges-not-taken")


async def test_pledges_are_listed_part_by_part(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    for amount in (1, 2, 3):
        await service.pledge(campaign_id, amount)
    viewer = service.operator(VIEWER)
    first = (await viewer.get(f"/campaigns/{campaign_id}/pledges", limit=2)).json()
    rest = (await viewer.get(f"/campaigns/{campaign_id}/pledges", limit=2, after=first["next"])).json()
    assert sorted(item["amount_fen"] for item in first["items"] + rest["items"]) == [1, 2, 3]
    assert rest["next"] is None
