"""What comes back of a payment, and what is not paid after all: two people, to the fen, also at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx import Response

from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import DONOR_TIME
from services.campaign.guardrail import PastBalance
from services.campaign.handlers import book
from services.campaign.spending import commands
from shared.positions import admit
from tests.services.campaign.books import an_approved, balances, require_exact
from tests.services.campaign.builders import (
    APPROVER,
    AT,
    DESK,
    FINANCE,
    FINANCE_AND_APPROVER,
    SECOND_FINANCE,
    VIEWER,
    Source,
    a_disbursement,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNOUNCER = Announcer(partitions=4)


async def a_fund_of(service: Service, amount_fen: int, **changes: Any) -> str:
    campaign_id = await launched(service.operator(DESK), **changes)
    await service.book([Source().received(campaign_id, amount_fen)])
    return campaign_id


async def a_payment(service: Service, campaign_id: str, amount_fen: int, **changes: Any) -> str:
    """The path of a disbursement that was paid."""
    path = f"/disbursements/{await an_approved(service, campaign_id, amount_fen, **changes)}"
    paid = await service.operator(FINANCE).decide(path, "pay")
    assert paid.status_code == 200, paid.text
    return path


async def came_back(service: Service, path: str, amount_fen: int, **changes: Any) -> Response:
    """What was recorded by one and confirmed by another; the first refusal otherwise."""
    body = {"amount_fen": amount_fen, "reason": "未用完"} | changes
    asked = await service.operator(FINANCE).decide(path, "return", body)
    if asked.status_code != 201:
        return asked
    return await service.operator(APPROVER).decide(path, "return/confirm")


def problem(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:shanliu:problem:")


async def test_what_comes_back_is_the_funds_again_and_stays_disbursed(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    path = await a_payment(service, campaign_id, 600)
    first = await came_back(service, path, 200)
    assert (first.json()["state"], first.json()["returned_fen"], first.json()["came_back"]) == (
        "paid",
        200,
        "partly",
    )
    balance = await service.balance(campaign_id)
    assert (balance["disbursed_fen"], balance["returned_fen"], balance["balance_fen"]) == (600, 200, 600)
    assert (await came_back(service, path, 400)).json()["came_back"] == "all"
    assert await balances(service, campaign_id) == {"1002": 0, "112201": 1000, "410101": 1000, "5101": 0}
    await require_exact(service)
    told = [event.data for event in await service.outbox(campaign_id) if "returned" in event.type]
    assert [(each.amount_fen, each.returned_fen, each.disbursed_fen) for each in told] == [
        (200, 200, 600),
        (400, 600, 600),
    ]
    assert "未用完" not in (await service.outbox(campaign_id))[-1].to_bytes().decode()
    listed = (await service.operator(VIEWER).get(f"{path}/returns")).json()["items"]
    assert [(each["amount_fen"], each["asked_by"], each["decided_by"]) for each in listed] == [
        (400, FINANCE, APPROVER),
        (200, FINANCE, APPROVER),
    ]


async def test_more_than_was_paid_cannot_come_back(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    path = await a_payment(service, campaign_id, 600)
    await came_back(service, path, 500)
    refused = await came_back(service, path, 101)
    assert problem(refused) == (409, "past-paid")
    assert refused.json()["remaining_fen"] == 100
    unpaid = f"/disbursements/{await an_approved(service, campaign_id, 1)}"
    assert problem(await came_back(service, unpaid, 1)) == (409, "disbursement-step-not-allowed")


async def test_nobody_confirms_their_own_return_and_one_waits_at_a_time(service: Service) -> None:
    path = await a_payment(service, await a_fund_of(service, 1000), 600)
    both = service.operator(FINANCE_AND_APPROVER)
    body = {"amount_fen": 5, "reason": "退汇"}
    assert (await both.decide(path, "return", body)).status_code == 201
    assert problem(await both.decide(path, "return/confirm")) == (403, "same-person")
    assert problem(await both.decide(path, "return", body)) == (409, "return-waits")
    assert problem(await both.post(f"{path}/return/confirm")) == (428, "if-match-missing")
    assert (await both.decide(path, "return/withdraw")).status_code == 200
    finance = service.operator(SECOND_FINANCE)
    assert problem(await finance.decide(path, "return/confirm")) == (409, "return-nothing-waits")
    assert (await both.get(path)).json()["returned_fen"] == 0


async def test_a_return_has_its_own_day_not_before_the_payments(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    path = f"/disbursements/{await an_approved(service, campaign_id, 600)}"
    finance = service.operator(FINANCE)
    ahead = str((AT.astimezone(DONOR_TIME) + timedelta(days=900)).date())
    assert problem(await finance.decide(path, "pay", {"paid_on": ahead})) == (422, "day-not-yet")
    paid = await finance.decide(path, "pay", {"paid_on": "2026-03-31"})
    assert paid.json()["paid_on"] == "2026-03-31"
    assert problem(await came_back(service, path, 1, returned_on="2026-03-30")) == (422, "day-too-early")
    assert (await came_back(service, path, 1, returned_on="2026-04-01")).status_code == 200
    days = await service.rows(
        "SELECT kind, event_on::text FROM ledger_entries JOIN ledger_postings USING (journal, sequence)"
        " WHERE campaign_id = :id AND side = 'debit' AND journal = 'books' ORDER BY sequence",
        id=campaign_id,
    )
    assert days == [("disbursement", "2026-03-31"), ("return", "2026-04-01")]


@pytest.mark.parametrize(("category", "account"), [("management", "5201"), ("fundraising", "5301")])
async def test_what_the_work_costs_is_booked_apart(service: Service, category: str, account: str) -> None:
    campaign_id = await a_fund_of(service, 1000, cost_fen=100)
    path = await a_payment(service, campaign_id, 100, category=category, beneficiaries=0)
    assert (await balances(service, campaign_id))[account] == 100
    await came_back(service, path, 30)
    assert (await balances(service, campaign_id))[account] == 70
    await require_exact(service)


async def test_the_shares_of_a_year_are_those_of_the_ledger(service: Service) -> None:
    """Art. 61, of an organisation of its own: last year 1000 in, this year 750 spent, 50 came back."""
    organisation_id = new_campaign_id("town")
    body = {"organisation_id": organisation_id, "name": organisation_id, "licence": f"慈-{organisation_id}"}
    assert (await service.operator("zhou").post("/organisations", body)).status_code == 201
    own = {"organisation_id": organisation_id, "organisation": ..., "licence": ..., "cost_fen": 100}
    campaign_id = await launched(service.operator(DESK), **own)
    await service.book([Source().received(campaign_id, 1000, datetime(2025, 6, 1, tzinfo=UTC))])
    path = await a_payment(service, campaign_id, 750)
    await a_payment(service, campaign_id, 78, category="management", use="办公", beneficiaries=0)
    await came_back(service, path, 50)
    year = datetime.now(DONOR_TIME).year
    found = (await service.operator(VIEWER).get(f"/organisations/{organisation_id}/ratios", year=year)).json()
    assert (found["last_income_fen"], found["programme_fen"], found["management_fen"]) == (1000, 700, 78)
    assert (found["spent_of_last_bp"], found["spends_enough"]) == (7000, True)
    assert (found["management_bp"], found["management_within"]) == (1003, False)


async def test_what_is_rejected_or_withdrawn_reserves_nothing(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    approver, finance = service.operator(APPROVER), service.operator(FINANCE)
    asked = (await finance.post(f"/campaigns/{campaign_id}/disbursements", a_disbursement(5))).json()
    wanted = f"/disbursements/{asked['disbursement_id']}"
    rejected = await approver.decide(wanted, "reject", {"reason": "预算外"})
    assert (rejected.json()["state"], rejected.json()["end_reason"]) == ("rejected", "预算外")
    assert problem(await approver.decide(wanted, "approve")) == (409, "disbursement-step-not-allowed")
    approved = f"/disbursements/{await an_approved(service, campaign_id, 900)}"
    assert (await service.balance(campaign_id))["balance_fen"] == 100
    gone = await finance.decide(approved, "withdraw", {"reason": "不再需要"})
    assert (gone.json()["state"], gone.json()["approved_by"]) == ("withdrawn", APPROVER)
    balance = await service.balance(campaign_id)
    assert (balance["reserved_fen"], balance["balance_fen"]) == (0, 1000)
    assert (await service.announced(campaign_id))[-2:] == ["disbursement.approved", "disbursement.withdrawn"]
    assert problem(await finance.decide(approved, "pay")) == (409, "disbursement-step-not-allowed")


@pytest.mark.parametrize("step", ["approve", "pay", "reject", "withdraw", "return"])
async def test_nobody_decides_unseen(service: Service, step: str) -> None:
    path = f"/disbursements/{await an_approved(service, await a_fund_of(service, 1000), 5)}"
    body = {"reason": "-"} | ({"amount_fen": 1} if step == "return" else {})
    sent = None if step in {"approve", "pay"} else body
    administrator = service.operator("zhou")
    assert problem(await administrator.post(f"{path}/{step}", sent)) == (428, "if-match-missing")
    assert problem(await administrator.post(f"{path}/{step}", sent, if_match='"1"')) == (
        412,
        "version-changed",
    )


async def test_of_two_confirmations_at_once_one_counts(service: Service) -> None:
    campaign_id = await a_fund_of(service, 1000)
    path = await a_payment(service, campaign_id, 600)
    asked = await service.operator(FINANCE).decide(path, "return", {"amount_fen": 600, "reason": "退汇"})
    seen = asked.headers["ETag"]
    answers = await asyncio.gather(
        *(
            service.operator(person).post(f"{path}/return/confirm", if_match=seen)
            for person in (APPROVER, SECOND_FINANCE, FINANCE_AND_APPROVER)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412]
    assert (await service.balance(campaign_id))["balance_fen"] == 1000


async def test_an_approval_waits_for_a_return_and_counts_what_came_back(service: Service) -> None:
    """The fund is spent to the last fen; what comes back is approved again in the same moment, once."""
    campaign_id = await a_fund_of(service, 600)
    path = await a_payment(service, campaign_id, 600)
    asked = await service.operator(FINANCE).decide(path, "return", {"amount_fen": 400, "reason": "退汇"})
    wanted = [await request(service, campaign_id, fen) for fen in (400, 1)]
    disbursement_id = UUID(path.rpartition("/")[2])
    async with service.engine.connect() as one, service.engine.connect() as two:
        actor = Actor(APPROVER, asked.json()["version"])
        await commands.confirm_return(one, ANNOUNCER, actor, disbursement_id)
        approving = asyncio.create_task(
            commands.approve_disbursement(two, ANNOUNCER, Actor(APPROVER, 1), wanted[0])
        )
        await until(service.somebody_waits_for_a_lock)
        await one.commit()
        assert (await approving).state == "approved"
        with pytest.raises(PastBalance):
            await commands.approve_disbursement(two, ANNOUNCER, Actor(APPROVER, 1), wanted[1])
        await two.commit()
    assert (await service.balance(campaign_id))["balance_fen"] == 0


async def test_approvals_returns_and_refunds_at_once_never_lose_a_fen(service: Service) -> None:
    """Refunds may overdraw, for they can't be refused; whatever the order, the figures are the ledger's."""
    campaign_id = await launched(service.operator(DESK))
    source = Source()
    await service.book([source.received(campaign_id, 1000)])
    paths = [await a_payment(service, campaign_id, 100) for _ in range(5)]
    for path in paths:
        await service.operator(FINANCE).decide(path, "return", {"amount_fen": 60, "reason": "未用完"})
    waiting = [await request(service, campaign_id, 150) for _ in range(6)]
    refunds = [source.reversed(campaign_id, 40) for _ in range(5)]

    async def refund() -> None:
        for event in refunds:
            async with service.engine.begin() as connection:
                await book(connection, ANNOUNCER, await admit(connection, [event]))

    refunding = asyncio.create_task(refund())
    answers = await asyncio.gather(
        *(service.operator(APPROVER).decide(f"/disbursements/{each}", "approve") for each in waiting),
        *(service.operator(SECOND_FINANCE).decide(path, "return/confirm") for path in paths),
    )
    await refunding
    approved = [answer.status_code for answer in answers[:6]].count(200)
    assert {answer.status_code for answer in answers[:6]} <= {200, 409}
    assert [answer.status_code for answer in answers[6:]] == [200] * 5
    balance = await service.balance(campaign_id)
    assert (balance["disbursed_fen"], balance["returned_fen"], balance["reversed_fen"]) == (500, 300, 200)
    assert balance["balance_fen"] == 1000 - 200 - 500 + 300 - 150 * approved
    assert approved <= 5, "never more than there was at the best moment"
    await require_exact(service)


async def request(service: Service, campaign_id: str, amount_fen: int) -> UUID:
    answer = await service.operator(FINANCE).post(
        f"/campaigns/{campaign_id}/disbursements", a_disbursement(amount_fen)
    )
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["disbursement_id"])
