"""Spending is held to the plan and to a budget of two people, also when two approvals come at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response

from services.campaign.days import today_of
from tests.services.campaign.books import an_approved
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    FINANCE_AND_APPROVER,
    SECOND_APPROVER,
    Source,
    a_disbursement,
    launched,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


def problem(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:shanliu:problem:")


async def a_fund_of(service: Service, amount_fen: int, **changes: Any) -> str:
    campaign_id = await launched(service.operator(DESK), **changes)
    await service.book([Source().received(campaign_id, amount_fen)])
    return campaign_id


def a_budget(**lines: int) -> dict[str, Any]:
    return {
        "lines": [{"use": use, "amount_fen": fen} for use, fen in lines.items()],
        "reason": "理事会决议",
    }


async def budgeted(service: Service, campaign_id: str, body: dict[str, Any]) -> Response:
    """Put forward by one, confirmed by another; the first refusal otherwise."""
    asked = await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/budget", body)
    if asked.status_code != 201:
        return asked
    return await service.operator(APPROVER).decide(f"/campaigns/{campaign_id}/budget", "confirm")


async def ask(service: Service, campaign_id: str, amount_fen: int, **changes: Any) -> Response:
    body = a_disbursement(amount_fen, **changes)
    return await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/disbursements", body)


async def test_money_goes_only_to_a_use_of_the_plan(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    refused = await ask(service, campaign_id, 1, use="修路")
    assert problem(refused) == (409, "use-not-planned")
    assert refused.json()["uses"] == ["助医", "助学"]


async def test_what_the_work_costs_is_held_to_the_plans_cost(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000, cost_fen=100)
    office = {"category": "management", "use": "办公", "beneficiaries": 0}
    await an_approved(service, campaign_id, 60, **office)
    refused = await ask(service, campaign_id, 41, **office)
    assert problem(refused) == (409, "past-planned-cost")
    assert refused.json()["remaining_fen"] == 40
    assert (await ask(service, campaign_id, 40, **office)).status_code == 201
    nobody = await ask(service, campaign_id, 1, beneficiaries=0)
    assert problem(nobody) == (422, "beneficiaries-missing")


async def test_a_budget_of_two_people_holds_for_what_is_approved_after_it(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    before = (await ask(service, campaign_id, 500)).json()["disbursement_id"]
    in_force = await budgeted(service, campaign_id, a_budget(助学=300))
    assert (in_force.json()["in_force"], in_force.headers["ETag"]) == (True, '"2"')
    refused = await service.operator(APPROVER).decide(f"/disbursements/{before}", "approve")
    assert problem(refused) == (409, "past-budget")
    assert refused.json()["remaining_fen"] == 300
    assert problem(await ask(service, campaign_id, 1, use="助医")) == (409, "past-budget")
    paid = f"/disbursements/{await an_approved(service, campaign_id, 300)}"
    await service.operator(FINANCE).decide(paid, "pay")
    assert problem(await ask(service, campaign_id, 1)) == (409, "past-budget")
    await service.operator(FINANCE).decide(paid, "return", {"amount_fen": 100, "reason": "未用完"})
    await service.operator(APPROVER).decide(paid, "return/confirm")
    budget = (await service.operator(DESK).get(f"/campaigns/{campaign_id}/budget")).json()
    (line,) = budget["lines"]
    assert (line["amount_fen"], line["spent_fen"], line["remaining_fen"]) == (300, 200, 100)
    assert [(each["asked_by"], each["decided_by"]) for each in budget["changes"]] == [(FINANCE, APPROVER)]
    below = await budgeted(service, campaign_id, a_budget(助学=199, 助医=800))
    assert problem(below) == (409, "budget-below-spent")
    assert below.json()["spent_fen"] == 200


async def test_a_budget_is_changed_by_two_people_who_have_read_it(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    path, both = f"/campaigns/{campaign_id}/budget", service.operator(FINANCE_AND_APPROVER)
    assert problem(await both.post(path, a_budget(修路=1))) == (409, "use-not-planned")
    twice = {"lines": [{"use": "助学", "amount_fen": 1}] * 2, "reason": "-"}
    assert problem(await both.post(path, twice)) == (422, "budget-use-twice")
    assert (await both.post(path, a_budget(助学=1))).status_code == 201
    assert problem(await both.post(path, a_budget(助学=2))) == (409, "budget-change-waits")
    assert problem(await both.decide(path, "confirm")) == (403, "same-person")
    approver = service.operator(APPROVER)
    assert problem(await approver.post(f"{path}/confirm")) == (428, "if-match-missing")
    assert problem(await approver.post(f"{path}/confirm", if_match='"9"')) == (412, "version-changed")
    assert (await both.decide(path, "withdraw")).json()["in_force"] is False
    assert problem(await approver.decide(path, "confirm")) == (409, "budget-nothing-waits")
    assert (await ask(service, campaign_id, 900)).status_code == 201, "no budget came into force"


async def test_nothing_is_paid_before_the_window_or_after_the_last_day_of_spending(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    path = f"/disbursements/{await an_approved(service, campaign_id, 100)}"
    await budgeted(service, campaign_id, a_budget(助学=1000) | {"spend_until": "2026-06-30"})
    finance = service.operator(FINANCE)
    late = await ask(service, campaign_id, 1)
    assert problem(late) == (409, "outside-window"), "asked for today, after the last day"
    assert late.json()["spend_until"] == "2026-06-30"
    assert (await ask(service, campaign_id, 1, requested_on="2026-06-30")).status_code == 201
    for day in ("2025-12-31", "2026-07-01"):
        assert problem(await finance.decide(path, "pay", {"paid_on": day})) == (409, "outside-window")
    assert (await finance.decide(path, "pay", {"paid_on": "2026-06-30"})).status_code == 200


async def test_nothing_is_approved_that_could_not_be_paid_because_the_window_has_not_begun(
    service: Service,
) -> None:
    soon = datetime.now(UTC) + timedelta(days=2)
    window = {"window_start": soon.isoformat(), "window_end": (soon + timedelta(days=9)).isoformat()}
    campaign_id = await a_fund_of(service, 1000, **window)
    asked = await ask(service, campaign_id, 100)
    assert asked.status_code == 201, "it is asked for ahead"
    path = f"/disbursements/{asked.json()['disbursement_id']}"
    refused = await service.operator(APPROVER).decide(path, "approve")
    assert problem(refused) == (409, "outside-window")
    assert refused.json()["opens_on"] == today_of(soon).isoformat()
    assert (await service.balance(campaign_id))["reserved_fen"] == 0


async def test_of_two_approvals_at_once_a_line_covers_one(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    await budgeted(service, campaign_id, a_budget(助学=500))
    wanted = [(await ask(service, campaign_id, 200)).json()["disbursement_id"] for _ in range(6)]
    people = [service.operator(APPROVER), service.operator(SECOND_APPROVER)]
    answers = await asyncio.gather(
        *(people[at % 2].decide(f"/disbursements/{each}", "approve") for at, each in enumerate(wanted))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [409] * 4
    assert (await service.balance(campaign_id))["reserved_fen"] == 400


async def test_an_approval_and_a_smaller_budget_at_once_never_both_win(service: Service) -> None:
    for _ in range(3):
        campaign_id = await a_fund_of(service, 1000)
        await budgeted(service, campaign_id, a_budget(助学=500))
        wanted = (await ask(service, campaign_id, 400)).json()["disbursement_id"]
        await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/budget", a_budget(助学=300))
        approved, smaller = await asyncio.gather(
            service.operator(APPROVER).decide(f"/disbursements/{wanted}", "approve"),
            service.operator(SECOND_APPROVER).decide(f"/campaigns/{campaign_id}/budget", "confirm"),
        )
        assert sorted((approved.status_code, smaller.status_code)) == [200, 409]


async def test_line_items_and_further_counts_are_kept_and_the_counts_published(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    items = [
        {"description": "烟感报警器", "quantity": 9614, "unit": "台", "amount_fen": 60},
        {"description": "安装", "amount_fen": 40},
    ]
    differ = await ask(service, campaign_id, 101, items=items)
    assert problem(differ) == (422, "items-differ")
    assert differ.json()["difference_fen"] == -1
    also = [{"count": 9614, "unit": "台", "of": "烟感报警器"}]
    more = {"items": items, "also_helped": also, "title": "居家养老适老化"}
    path = f"/disbursements/{await an_approved(service, campaign_id, 100, **more)}"
    paid = await service.operator(FINANCE).decide(path, "pay", {"paid_on": "2026-05-01"})
    assert [each["amount_fen"] for each in paid.json()["items"]] == [60, 40]
    told = (await service.outbox(campaign_id))[-1]
    assert (told.data.title, told.data.category, str(told.data.paid_on)) == (
        "居家养老适老化",
        "programme",
        "2026-05-01",
    )
    assert [(each.count, each.unit) for each in told.data.also_helped] == [(9614, "台")]
    assert "安装" not in told.to_bytes().decode(), "line items are not published"
