"""Money changes its fund by two people, once, to the fen, and never past what the fund has."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.exc import IntegrityError

from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.funds import commands
from services.campaign.guardrail import PastBalance
from shared.events import FundsTransferred
from shared.two_people import SamePerson
from tests.services.campaign.books import balances, read, require_exact
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
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNOUNCER = Announcer(partitions=4)


async def two_funds(service: Service, *amounts_fen: int) -> list[str]:
    """Launched campaigns that have received these amounts."""
    source = Source()
    campaigns = [await launched(service.operator(DESK)) for _ in amounts_fen]
    given = [each for each in zip(campaigns, amounts_fen, strict=True) if each[1]]
    if given:
        await service.book([source.received(campaign_id, fen) for campaign_id, fen in given])
    return campaigns


def a_correction(to_campaign_id: str, amount_fen: int, **changes: Any) -> dict[str, Any]:
    return {"to_campaign_id": to_campaign_id, "amount_fen": amount_fen, "reason": "捐赠人指定错误"} | changes


async def asked(
    service: Service, campaigns: list[str], amount_fen: int, person: str = FINANCE, **changes: Any
) -> str:
    body = a_correction(campaigns[1], amount_fen, **changes)
    answer = await service.operator(person).post(f"/campaigns/{campaigns[0]}/transfers", body)
    assert answer.status_code == 201, answer.text
    transfer_id: str = answer.json()["transfer_id"]
    return transfer_id


async def approve(service: Service, transfer_id: str, person: str = APPROVER) -> Any:
    return await service.operator(person).post(f"/transfers/{transfer_id}/approve", if_match='"1"')


async def figures(service: Service, campaign_id: str) -> tuple[int, int, int, int]:
    """Received, transferred in and out, and what can still be approved."""
    found = await service.balance(campaign_id)
    names = ("received_fen", "transferred_in_fen", "transferred_out_fen", "balance_fen")
    return tuple(found[name] for name in names)


async def test_an_approved_transfer_moves_the_money_in_the_guardrail_the_ledger_and_the_events(
    service: Service,
) -> None:
    campaigns = await two_funds(service, 1000, 0)
    transfer_id = await asked(service, campaigns, 600, decided_on="2023-06-30", reference="会议纪要 7")
    assert await figures(service, campaigns[0]) == (1000, 0, 0, 1000)
    answer = await approve(service, transfer_id)
    assert (answer.status_code, answer.json()["state"], answer.json()["version"]) == (200, "approved", 2)
    assert await figures(service, campaigns[0]) == (1000, 0, 600, 400)
    assert await figures(service, campaigns[1]) == (0, 600, 0, 600)
    assert await balances(service, campaigns[0]) == {
        "1002": -600,
        "112201": 1000,
        "3102": -600,
        "410101": 1000,
    }
    assert await balances(service, campaigns[1]) == {"1002": 600, "3102": 600}
    booked = await service.rows(
        "SELECT kind, event_on, recorded_by, confirmed_by FROM ledger_entries WHERE subject = :id",
        id=UUID(transfer_id),
    )
    assert booked == [("transfer", date(2023, 6, 30), FINANCE, APPROVER)]
    event = (await service.outbox(campaigns[0]))[-1]
    assert isinstance(event, FundsTransferred)
    assert (event.data.kind, event.data.amount_fen) == ("correction", 600)
    assert event.data.to_campaign_id == campaigns[1]
    listed = (await read_json(service, f"/campaigns/{campaigns[1]}/transfers"))["items"]
    assert [each["transfer_id"] for each in listed] == [transfer_id]
    funds = (await read(service, "/funds", after=min(campaigns)[:-1], limit=200))["items"]
    mine = {each["campaign_id"]: each for each in funds if each["campaign_id"] in campaigns}
    assert [mine[each]["ledger_fen"] for each in campaigns] == [400, 600]
    await require_exact(service)


async def read_json(service: Service, path: str) -> Any:
    answer = await service.operator(VIEWER).get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_what_was_transferred_in_can_be_spent_and_given_on(service: Service) -> None:
    first, second, third = await two_funds(service, 1000, 0, 0)
    assert (await approve(service, await asked(service, [first, second], 1000))).status_code == 200
    assert (await approve(service, await asked(service, [second, third], 999))).status_code == 200
    assert [await figures(service, each) for each in (first, second, third)] == [
        (1000, 0, 1000, 0),
        (0, 1000, 999, 1),
        (0, 999, 0, 999),
    ]


async def test_past_the_balance_nothing_moves_and_the_remaining_figure_is_told(service: Service) -> None:
    campaigns = await two_funds(service, 1000, 0)
    answer = await approve(service, await asked(service, campaigns, 1001))
    assert (answer.status_code, answer.json()["type"], answer.json()["remaining_fen"]) == (
        409,
        "urn:shanliu:problem:past-fund-balance",
        1000,
    )
    assert await figures(service, campaigns[1]) == (0, 0, 0, 0)


@pytest.mark.parametrize("person", [FINANCE_AND_APPROVER, ADMINISTRATOR])
async def test_nobody_approves_what_they_have_asked_for(service: Service, person: str) -> None:
    campaigns = await two_funds(service, 1000, 0)
    transfer_id = await asked(service, campaigns, 600, person)
    refused = await approve(service, transfer_id, person)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:shanliu:problem:same-person")
    with pytest.raises(IntegrityError, match="fund_transfers_two_people"):
        await service.rows_changed(
            "UPDATE fund_transfers SET state = 'approved', decided_by = asked_by, decided_at = now()"
            " WHERE transfer_id = :id",
            id=UUID(transfer_id),
        )


async def test_whoever_decides_says_what_they_have_read(service: Service) -> None:
    campaigns = await two_funds(service, 1000, 0)
    transfer_id = await asked(service, campaigns, 600)
    approver = service.operator(APPROVER)
    assert (await approver.post(f"/transfers/{transfer_id}/approve")).status_code == 428
    assert (await approver.post(f"/transfers/{transfer_id}/approve", if_match='"2"')).status_code == 412
    finance = service.operator(FINANCE)
    withdrawn = await finance.post(f"/transfers/{transfer_id}/withdraw", {"reason": "重复"}, if_match='"1"')
    assert (withdrawn.status_code, withdrawn.json()["state"]) == (200, "withdrawn")
    late = await approver.post(f"/transfers/{transfer_id}/approve", if_match='"2"')
    assert (late.status_code, late.json()["type"]) == (409, "urn:shanliu:problem:transfer-decided")
    assert await figures(service, campaigns[0]) == (1000, 0, 0, 1000)


async def test_each_step_needs_its_role(service: Service) -> None:
    campaigns = await two_funds(service, 1000, 0)
    transfer_id = await asked(service, campaigns, 600)
    for person, path, body in [
        (DESK, f"/campaigns/{campaigns[0]}/transfers", a_correction(campaigns[1], 1)),
        (APPROVER, f"/campaigns/{campaigns[0]}/transfers", a_correction(campaigns[1], 1)),
        (FINANCE, f"/transfers/{transfer_id}/approve", None),
        (DESK, f"/transfers/{transfer_id}/withdraw", {"reason": "x"}),
    ]:
        refused = await service.operator(person).post(path, body, if_match='"1"')
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:shanliu:problem:role-missing")


async def test_what_cannot_be_asked_for(service: Service) -> None:
    campaigns = await two_funds(service, 0, 0)
    draft = new_campaign_id()
    await service.operator(DESK).post("/campaigns", a_campaign(draft))
    ahead = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
    finance = service.operator(FINANCE)
    for body, status, problem in [
        (a_correction(campaigns[0], 1), 422, "transfer-same-fund"),
        (a_correction(draft, 1), 409, "fund-not-active"),
        (a_correction(new_campaign_id(), 1), 404, "not-found"),
        (a_correction(campaigns[1], 1, decided_on=ahead), 422, "day-not-yet"),
    ]:
        refused = await finance.post(f"/campaigns/{campaigns[0]}/transfers", body)
        assert (refused.status_code, refused.json()["type"]) == (status, f"urn:shanliu:problem:{problem}")


async def test_of_two_approvals_of_one_transfer_one_moves_it(service: Service) -> None:
    campaigns = await two_funds(service, 1000, 0)
    transfer_id = await asked(service, campaigns, 400)
    answers = await asyncio.gather(
        *(approve(service, transfer_id, person) for person in (APPROVER, SECOND_APPROVER))
    )
    assert sorted(answer.status_code for answer in answers) in ([200, 409], [200, 412])
    assert await figures(service, campaigns[1]) == (0, 400, 0, 400)


async def test_transfers_to_and_fro_at_once_neither_deadlock_nor_overdraw(service: Service) -> None:
    campaigns = await two_funds(service, 1000, 1000)
    there = [await asked(service, campaigns, 300) for _ in range(6)]
    back = [await asked(service, campaigns[::-1], 700) for _ in range(3)]
    answers = await asyncio.gather(
        *(
            approve(service, each, (APPROVER, SECOND_APPROVER)[place % 2])
            for place, each in enumerate([*there, *back])
        )
    )
    assert {answer.status_code for answer in answers} <= {200, 409}
    funds = [await figures(service, each) for each in campaigns]
    assert sum(each[3] for each in funds) == 2000
    assert all(each[3] >= 0 for each in funds)


async def test_an_approval_waits_for_the_transfer_before_it_and_sees_what_has_gone(service: Service) -> None:
    campaigns = await two_funds(service, 1000, 0)
    first, second = [UUID(await asked(service, campaigns, 600)) for _ in range(2)]
    async with service.engine.connect() as one, service.engine.connect() as two:
        await commands.approve_transfer(one, ANNOUNCER, Actor(APPROVER, 1), first)
        waiting = asyncio.create_task(
            commands.approve_transfer(two, ANNOUNCER, Actor(SECOND_APPROVER, 1), second)
        )
        await until(service.somebody_waits_for_a_lock)
        await one.commit()
        with pytest.raises(PastBalance) as refused:
            await waiting
        await two.rollback()
    assert refused.value.facts["remaining_fen"] == 400


def a_decision(campaigns: list[str], amount_fen: int, approved_by: str = APPROVER) -> commands.Decided:
    return commands.Decided(
        decision_id=uuid4(),
        from_campaign_id=campaigns[0],
        to_campaign_id=campaigns[1],
        amount_fen=amount_fen,
        decided_on=date(2023, 12, 31),
        reason="剩余财产用于相近目的",
        reference="理事会决议 12",
        asked_by=FINANCE,
        asked_at=datetime.now(UTC),
        approved_by=approved_by,
    )


async def test_a_remainder_moves_with_its_decision_and_once(service: Service) -> None:
    campaigns = await two_funds(service, 1000, 0)
    await service.operator(DESK).post(f"/campaigns/{campaigns[0]}/close")
    decided = a_decision(campaigns, 1000)
    async with service.engine.begin() as connection:
        moved = await commands.transfer_remainder(connection, ANNOUNCER, decided)
    assert (moved.kind, moved.state) == ("remainder", "approved")
    assert await figures(service, campaigns[0]) == (1000, 0, 1000, 0)
    await service.book([Source().received(campaigns[0], 1000)])
    with pytest.raises(IntegrityError, match="fund_transfers_decision"):
        async with service.engine.begin() as connection:
            await commands.transfer_remainder(connection, ANNOUNCER, decided)
    with pytest.raises(SamePerson):
        async with service.engine.begin() as connection:
            await commands.transfer_remainder(
                connection, ANNOUNCER, a_decision(campaigns, 1, approved_by=FINANCE)
            )
    await require_exact(service)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("to_campaign_id = from_campaign_id", "fund_transfers_two_funds"),
        ("to_campaign_id = NULL", "fund_transfers_trust"),
        ("kind = 'trust'", "fund_transfers_trust"),
        ("kind = 'remainder'", "fund_transfers_remainder"),
        ("kind = 'split'", "fund_transfers_split"),
        ("kind = 'gift'", "fund_transfers_kind"),
        ("amount_fen = 0", "fund_transfers_amount"),
        ("state = 'approved'", "fund_transfers_decided"),
        ("state = 'withdrawn', decided_by = 'zhao', decided_at = now()", "fund_transfers_withdrawn"),
        ("version = 0", "fund_transfers_version"),
        ("to_campaign_id = 'nobody'", "fund_transfers_to_campaign_id"),
    ],
)
async def test_a_transfer_cannot_be_written_wrong(service: Service, change: str, constraint: str) -> None:
    campaigns = await two_funds(service, 0, 0)
    transfer_id = await asked(service, campaigns, 1)
    with pytest.raises(IntegrityError, match=constraint):
        await service.rows_changed(
            f"UPDATE fund_transfers SET {change} WHERE transfer_id = :id", id=UUID(transfer_id)
        )


async def test_a_transfer_in_the_ledger_is_not_reversed_by_hand(service: Service) -> None:
    campaigns = await two_funds(service, 10, 0)
    transfer_id = await asked(service, campaigns, 10)
    await approve(service, transfer_id)
    ((sequence,),) = await service.rows(
        "SELECT sequence FROM ledger_entries WHERE subject = :id", id=UUID(transfer_id)
    )
    body = {"journal": "books", "sequence": sequence, "note": "记错"}
    refused = await service.operator(FINANCE).post("/ledger/reversals", body)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:shanliu:problem:ledger-not-reversible")
