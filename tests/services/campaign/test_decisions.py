"""Other uses and remainders, by two people, on the real database."""

import asyncio
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

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

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_change(**changes: Any) -> dict[str, Any]:
    return {
        "uses": ["助医", "救灾"],
        "resolution": "理事会〔2026〕3号",
        "reason": "学校已获其他资助",
        "bureau_reference": "苏民慈备〔2026〕7号",
        "public_statement": "https://charity.example/statements/2",
    } | changes


def a_remainder(to_campaign_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "to_campaign_id": to_campaign_id,
        "resolution": "理事会〔2026〕4号",
        "reason": "目的相近",
        "public_statement": "https://charity.example/statements/3",
    } | changes


def problem(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def asked(service: Service, path: str, body: dict[str, Any], person: str = FINANCE) -> str:
    """The address of a decision that waits for its second person."""
    answer = await service.operator(person).post(path, body)
    assert answer.status_code == 201, answer.text
    return f"/decisions/{answer.json()['decision_id']}"


async def with_money(service: Service, received_fen: int) -> str:
    """A closed campaign with so much in its fund."""
    campaign_id = await launched(service.operator(DESK))
    await service.book([Source().received(campaign_id, received_fen)])
    await service.operator(DESK).post(f"/campaigns/{campaign_id}/close")
    return campaign_id


async def test_other_uses_take_effect_when_another_person_decides_and_leave_a_trace(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    path = await asked(service, f"/campaigns/{campaign_id}/changes-of-use", a_change())
    before = (await service.operator(VIEWER).get(f"/campaigns/{campaign_id}")).json()
    assert before["uses"] == ["助医", "助学"]
    decided = await service.operator(APPROVER).post(f"{path}/approve", if_match='"1"')
    assert (decided.status_code, decided.json()["decided_by"]) == (200, APPROVER), decided.text
    after = (await service.operator(VIEWER).get(f"/campaigns/{campaign_id}")).json()
    assert (after["uses"], after["version"]) == (["助医", "救灾"], before["version"] + 1)
    assert (decided.json()["uses_before"], decided.json()["uses_after"]) == (before["uses"], after["uses"])
    told = (await service.outbox(campaign_id))[-1]
    assert told.type == "org.shanliu.campaign.use-changed.v1"
    assert told.data.uses_after == ("助医", "救灾")
    assert "学校" not in told.to_bytes().decode(), "the reason stays here"
    listed = (await service.operator(VIEWER).get(f"/campaigns/{campaign_id}/decisions")).json()["items"]
    assert listed == [decided.json()]


async def test_what_is_left_moves_to_a_similar_purpose_and_the_campaign_is_settled(service: Service) -> None:
    campaign_id, taker = await with_money(service, 1_234), await launched(service.operator(DESK))
    path = await asked(service, f"/campaigns/{campaign_id}/remainders", a_remainder(taker))
    decided = await service.operator(APPROVER).post(f"{path}/approve", if_match='"1"')
    assert (decided.status_code, decided.json()["moved_fen"]) == (200, 1_234), decided.text
    balances = [(await service.balance(each))["balance_fen"] for each in (campaign_id, taker)]
    assert balances == [0, 1_234]
    assert (await service.announced(campaign_id))[-1] == "campaign.remainder-decided"
    settled = await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/settle", if_match='"4"')
    assert settled.json()["state"] == "settled", settled.text


async def test_a_remainder_waits_until_what_is_approved_is_paid(service: Service) -> None:
    campaign_id, taker = await with_money(service, 1_000), await launched(service.operator(DESK))
    spent = await service.operator(FINANCE).post(
        f"/campaigns/{campaign_id}/disbursements", a_disbursement(400)
    )
    spending = f"/disbursements/{spent.json()['disbursement_id']}"
    await service.operator(APPROVER).post(f"{spending}/approve", if_match='"1"')
    path = await asked(service, f"/campaigns/{campaign_id}/remainders", a_remainder(taker))
    refused = await service.operator(APPROVER).post(f"{path}/approve", if_match='"1"')
    assert (*problem(refused), refused.json()["reserved_fen"]) == (409, "decision-money-reserved", 400)
    await service.operator(FINANCE).post(f"{spending}/pay", if_match='"2"')
    decided = await service.operator(APPROVER).post(f"{path}/approve", if_match='"1"')
    assert decided.json()["moved_fen"] == 600, decided.text


async def test_nobody_decides_on_what_they_have_put_forward(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    place = f"/campaigns/{campaign_id}/changes-of-use"
    path = await asked(service, place, a_change(), FINANCE_AND_APPROVER)
    own = await service.operator(FINANCE_AND_APPROVER).post(f"{path}/approve", if_match='"1"')
    assert problem(own) == (403, "same-person")
    for person in (DESK, FINANCE, VIEWER):
        assert (await service.operator(person).post(f"{path}/approve", if_match='"1"')).status_code == 403
    assert (await service.operator(APPROVER).post(f"{path}/approve")).status_code == 428
    assert (await service.operator(APPROVER).post(f"{path}/approve", if_match='"2"')).status_code == 412


async def test_one_of_a_kind_waits_and_can_be_withdrawn_with_a_reason(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    place = f"/campaigns/{campaign_id}/changes-of-use"
    path = await asked(service, place, a_change())
    again = await service.operator(DESK).post(place, a_change(uses=["救灾"]))
    assert problem(again) == (409, "decision-waits")
    dropped = await service.operator(DESK).post(f"{path}/withdraw", {"reason": "写错"}, if_match='"1"')
    assert (dropped.json()["state"], dropped.json()["withdraw_reason"]) == ("withdrawn", "写错")
    late = await service.operator(APPROVER).post(f"{path}/approve", if_match='"2"')
    assert problem(late) == (409, "decision-made")
    assert (await service.operator(DESK).post(place, a_change(uses=["救灾"]))).status_code == 201


async def test_what_the_rules_refuse_is_refused_by_http(service: Service) -> None:
    desk = service.operator(DESK)
    draft, running = new_campaign_id(), await launched(desk)
    await desk.post("/campaigns", a_campaign(draft))
    closed = await with_money(service, 1)
    for path, body, expected in [
        (f"/campaigns/{draft}/changes-of-use", a_change(), (409, "decision-not-needed")),
        (
            f"/campaigns/{running}/changes-of-use",
            a_change(uses=["助学", "助医"]),
            (409, "decision-uses-unchanged"),
        ),
        (f"/campaigns/{running}/changes-of-use", a_change(uses=[]), (422, "invalid-field")),
        (f"/campaigns/{running}/changes-of-use", a_change(decided_on="2000-01-01"), (422, "day-too-early")),
        (f"/campaigns/{running}/changes-of-use", a_change(decided_on="2199-01-01"), (422, "day-not-yet")),
        (f"/campaigns/{running}/remainders", a_remainder(closed), (409, "decision-remainder-too-early")),
        (f"/campaigns/{closed}/remainders", a_remainder(closed), (422, "decision-same-campaign")),
        (f"/campaigns/{closed}/remainders", a_remainder(draft), (409, "fund-not-active")),
        (f"/campaigns/{closed}/remainders", a_remainder("not-there"), (404, "not-found")),
    ]:
        assert problem(await desk.post(path, body)) == expected, (path, body)


async def test_two_who_decide_at_once_move_the_remainder_once(service: Service) -> None:
    campaign_id, taker = await with_money(service, 900), await launched(service.operator(DESK))
    path = await asked(service, f"/campaigns/{campaign_id}/remainders", a_remainder(taker))
    people = (APPROVER, SECOND_APPROVER, FINANCE_AND_APPROVER, ADMINISTRATOR)
    answers = await asyncio.gather(
        *(service.operator(person).post(f"{path}/approve", if_match='"1"') for person in people)
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412]
    assert (await service.balance(taker))["balance_fen"] == 900


async def test_a_remainder_and_an_approval_at_once_never_spend_the_same_money(service: Service) -> None:
    for _ in range(4):
        campaign_id, taker = await with_money(service, 500), await launched(service.operator(DESK))
        spent = await service.operator(FINANCE).post(
            f"/campaigns/{campaign_id}/disbursements", a_disbursement(500)
        )
        path = await asked(service, f"/campaigns/{campaign_id}/remainders", a_remainder(taker))
        answers = await asyncio.gather(
            service.operator(APPROVER).post(f"{path}/approve", if_match='"1"'),
            service.operator(SECOND_APPROVER).post(
                f"/disbursements/{spent.json()['disbursement_id']}/approve", if_match='"1"'
            ),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert (await service.balance(campaign_id))["balance_fen"] == 0


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'decided', decided_by = asked_by, decided_at = now()", "campaign_decisions_two_people"),
        ("state = 'decided'", "campaign_decisions_(decided|moved)"),
        ("uses_after = NULL", "campaign_decisions_uses"),
        ("uses_after = '{}'", "campaign_decisions_uses"),
        ("bureau_reference = NULL", "campaign_decisions_uses"),
        ("moved_fen = 5", "campaign_decisions_moved"),
        ("to_campaign_id = campaign_id", "campaign_decisions_to"),
        ("state = 'withdrawn', decided_by = 'a', decided_at = now()", "campaign_decisions_withdrawn"),
        ("kind = 'remainder'", "campaign_decisions_(to|uses)"),
        ("version = 0", "campaign_decisions_version"),
    ],
)
async def test_a_decision_cannot_be_written_wrong(service: Service, change: str, constraint: str) -> None:
    campaign_id = await launched(service.operator(DESK))
    await asked(service, f"/campaigns/{campaign_id}/changes-of-use", a_change())
    with pytest.raises(IntegrityError, match=constraint):
        async with service.engine.begin() as connection:
            await connection.execute(
                text(f"UPDATE campaign_decisions SET {change} WHERE campaign_id = :id"),
                {"id": campaign_id},
            )
