"""Disbursements: two people, never past the balance, also at the same moment."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.guardrail import PastBalance
from services.campaign.spending import commands
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    FINANCE_AND_APPROVER,
    SECOND_APPROVER,
    VIEWER,
    Source,
    a_campaign,
    a_disbursement,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def asked(service: Service, campaign_id: str, amount_fen: int, person: str = FINANCE) -> str:
    answer = await service.operator(person).post(
        f"/campaigns/{campaign_id}/disbursements", a_disbursement(amount_fen)
    )
    assert answer.status_code == 201, answer.text
    disbursement_id: str = answer.json()["disbursement_id"]
    return disbursement_id


async def a_fund_of(service: Service, amount_fen: int) -> str:
    campaign_id = await launched(service.operator(DESK))
    await service.book([Source().received(campaign_id, amount_fen)])
    return campaign_id


async def figures(service: Service, campaign_id: str) -> tuple[int, int, int, int, int]:
    balance = await service.balance(campaign_id)
    return (
        balance["received_fen"],
        balance["reversed_fen"],
        balance["reserved_fen"],
        balance["disbursed_fen"],
        balance["balance_fen"],
    )


async def test_money_goes_from_requested_over_reserved_to_disbursed(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    disbursement = await asked(service, campaign_id, 600)
    assert await figures(service, campaign_id) == (1000, 0, 0, 0, 1000)
    approved = await service.operator(APPROVER).decide(f"/disbursements/{disbursement}", "approve")
    assert (approved.json()["state"], approved.headers["etag"]) == ("approved", '"2"')
    assert await figures(service, campaign_id) == (1000, 0, 600, 0, 400)
    paid = await service.operator(FINANCE).decide(f"/disbursements/{disbursement}", "pay")
    assert (paid.json()["state"], paid.json()["paid_by"]) == ("paid", FINANCE)
    assert await figures(service, campaign_id) == (1000, 0, 0, 600, 400)
    assert (await service.announced(campaign_id))[-2:] == ["disbursement.approved", "disbursement.paid"]
    gone = (await service.outbox(campaign_id))[-1]
    assert (gone.data.amount_fen, gone.data.beneficiaries, gone.data.beneficiary_unit) == (
        600,
        12,
        "person_times",
    )
    assert "某某中学" not in gone.to_bytes().decode(), "the payee is not published"


async def test_what_is_past_the_balance_is_refused_with_the_remaining_figure(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    approver = service.operator(APPROVER)
    first, second = await asked(service, campaign_id, 600), await asked(service, campaign_id, 401)
    assert (await approver.decide(f"/disbursements/{first}", "approve")).status_code == 200
    refused = await approver.decide(f"/disbursements/{second}", "approve")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:shanliu:problem:past-fund-balance")
    assert (refused.json()["remaining_fen"], refused.json()["amount_fen"]) == (400, 401)
    exactly = await asked(service, campaign_id, 400)
    assert (await approver.decide(f"/disbursements/{exactly}", "approve")).status_code == 200
    assert (await service.balance(campaign_id))["balance_fen"] == 0


@pytest.mark.parametrize("person", [FINANCE_AND_APPROVER, ADMINISTRATOR])
async def test_nobody_approves_their_own_request_whatever_their_roles(service: Service, person: str) -> None:
    campaign_id = await a_fund_of(service, 1000)
    disbursement = await asked(service, campaign_id, 600, person)
    refused = await service.operator(person).decide(f"/disbursements/{disbursement}", "approve")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:shanliu:problem:same-person")
    assert (await service.balance(campaign_id))["reserved_fen"] == 0
    with pytest.raises(IntegrityError, match="disbursements_two_people"):
        async with service.engine.begin() as connection:
            await connection.execute(
                text(
                    "UPDATE disbursements"
                    " SET state = 'approved', approved_by = requested_by, approved_at = now()"
                    " WHERE disbursement_id = :id"
                ),
                {"id": UUID(disbursement)},
            )


async def test_each_step_needs_its_role(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    disbursement = await asked(service, campaign_id, 600)
    for person, path, body in [
        (APPROVER, f"/campaigns/{campaign_id}/disbursements", a_disbursement()),
        (VIEWER, f"/campaigns/{campaign_id}/disbursements", a_disbursement()),
        (DESK, f"/disbursements/{disbursement}/approve", None),
        (FINANCE, f"/disbursements/{disbursement}/approve", None),
        (DESK, f"/disbursements/{disbursement}/pay", None),
        (APPROVER, f"/disbursements/{disbursement}/pay", None),
    ]:
        refused = await service.operator(person).post(path, body)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:shanliu:problem:role-missing"), (
            person
        )


async def test_a_step_is_taken_once_and_in_order(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    disbursement = await asked(service, campaign_id, 600)
    finance, approver = service.operator(FINANCE), service.operator(APPROVER)
    assert (await finance.decide(f"/disbursements/{disbursement}", "pay")).status_code == 409
    assert (await approver.post(f"/disbursements/{disbursement}/approve", if_match='"1"')).status_code == 200
    assert (await approver.decide(f"/disbursements/{disbursement}", "approve")).status_code == 409
    assert (await finance.post(f"/disbursements/{disbursement}/pay", if_match='"1"')).status_code == 412
    assert (await finance.post(f"/disbursements/{disbursement}/pay", if_match='"2"')).status_code == 200
    assert (await finance.decide(f"/disbursements/{disbursement}", "pay")).status_code == 409
    assert await figures(service, campaign_id) == (1000, 0, 0, 600, 400)


async def test_money_is_asked_only_of_a_campaign_that_was_launched(service: Service) -> None:
    campaign_id = new_campaign_id()
    await service.operator(DESK).post("/campaigns", a_campaign(campaign_id))
    refused = await service.operator(FINANCE).post(
        f"/campaigns/{campaign_id}/disbursements", a_disbursement()
    )
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:shanliu:problem:campaign-never-launched",
    )


async def test_a_closed_campaign_goes_on_spending_what_is_left(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    await service.operator(DESK).post(f"/campaigns/{campaign_id}/close")
    disbursement = await asked(service, campaign_id, 1000)
    assert (
        await service.operator(APPROVER).decide(f"/disbursements/{disbursement}", "approve")
    ).status_code == 200


async def test_a_late_refund_overdraws_the_fund_and_stops_it_until_money_comes_in(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    source = Source()
    await service.book([source.received(campaign_id, 1000)])
    first, second = await asked(service, campaign_id, 900), await asked(service, campaign_id, 1)
    approver, finance = service.operator(APPROVER), service.operator(FINANCE)
    assert (await approver.decide(f"/disbursements/{first}", "approve")).status_code == 200
    await service.book([source.reversed(campaign_id, 300)])
    balance = await service.balance(campaign_id)
    assert (balance["balance_fen"], balance["overdrawn"]) == (-200, True)
    refused = await approver.decide(f"/disbursements/{second}", "approve")
    assert (refused.status_code, refused.json()["remaining_fen"]) == (409, 0)
    unpaid = await finance.decide(f"/disbursements/{first}", "pay")
    assert (unpaid.status_code, unpaid.json()["type"]) == (409, "urn:shanliu:problem:past-fund-held")
    assert unpaid.json()["held_fen"] == 700
    await service.book([source.received(campaign_id, 201)])
    assert (await approver.decide(f"/disbursements/{second}", "approve")).status_code == 200
    assert (await finance.decide(f"/disbursements/{first}", "pay")).status_code == 200
    assert (await service.balance(campaign_id))["balance_fen"] == 0


async def test_pledges_cannot_be_spent(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    await service.pledge(campaign_id, 5475_0000_00)
    balance = await service.balance(campaign_id)
    assert (balance["promised_fen"], balance["received_fen"], balance["balance_fen"]) == (5475_0000_00, 0, 0)
    disbursement = await asked(service, campaign_id, 1)
    refused = await service.operator(APPROVER).decide(f"/disbursements/{disbursement}", "approve")
    assert (refused.status_code, refused.json()["remaining_fen"]) == (409, 0)


async def test_of_many_approvals_at_once_only_as_many_win_as_the_balance_covers(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    wanted = [await asked(service, campaign_id, 300) for _ in range(8)]
    people = [service.operator(APPROVER), service.operator(SECOND_APPROVER)]
    answers = await asyncio.gather(
        *(people[place % 2].decide(f"/disbursements/{each}", "approve") for place, each in enumerate(wanted))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 5
    assert await figures(service, campaign_id) == (1000, 0, 900, 0, 100)


async def test_the_second_of_two_approvals_waits_for_the_first_and_sees_what_it_reserved(
    service: Service,
) -> None:
    """Two transactions on two connections, each of which alone would be covered."""
    campaign_id = await a_fund_of(service, 1000)
    first, second = [UUID(await asked(service, campaign_id, 600)) for _ in range(2)]
    announcer = Announcer(partitions=4)
    async with service.engine.connect() as one, service.engine.connect() as two:
        await commands.approve_disbursement(one, announcer, Actor(APPROVER, 1), first)
        waiting = asyncio.create_task(
            commands.approve_disbursement(two, announcer, Actor(SECOND_APPROVER, 1), second)
        )
        await until(service.somebody_waits_for_a_lock)
        assert not waiting.done()
        await one.commit()
        with pytest.raises(PastBalance) as refused:
            await waiting
        await two.rollback()
    assert refused.value.facts["remaining_fen"] == 400
    assert await figures(service, campaign_id) == (1000, 0, 600, 0, 400)


async def test_the_list_of_disbursements_is_in_the_order_of_the_requests(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    wanted = [await asked(service, campaign_id, 100 + number) for number in range(3)]
    viewer = service.operator(VIEWER)
    first = (await viewer.get(f"/campaigns/{campaign_id}/disbursements", limit=2)).json()
    rest = (await viewer.get(f"/campaigns/{campaign_id}/disbursements", limit=2, after=first["next"])).json()
    assert sorted(item["disbursement_id"] for item in first["items"] + rest["items"]) == sorted(wanted)
    assert rest["next"] is None


async def test_all_campaigns_are_listed_newest_first_by_what_waits(service: Service) -> None:
    finance, viewer = service.operator(FINANCE), service.operator(VIEWER)
    here, there = await a_fund_of(service, 1000), await a_fund_of(service, 1000)
    first, second, third = [await asked(service, place, 100) for place in (here, there, here)]
    for path in (first, second):
        await service.operator(APPROVER).decide(f"/disbursements/{path}", "approve")
    await finance.decide(f"/disbursements/{first}", "pay")
    back = await finance.decide(
        f"/disbursements/{first}", "return", {"amount_fen": 40, "reason": "账号有误，退回"}
    )
    assert back.status_code == 201, back.text

    async def listed(**query: Any) -> list[str]:
        items = (await viewer.get("/disbursements", **query)).json()["items"]
        return [item["disbursement_id"] for item in items if item["campaign_id"] in {here, there}]

    assert (await listed())[:3] == [third, second, first]
    assert await listed(after=third) == [second, first]
    assert await listed(campaign_id=here) == [third, first]
    assert await listed(state="requested") == [third]
    assert await listed(state="paid", return_waits="true") == [first]
    assert await listed(campaign_id=here, return_waits="false") == [third]
