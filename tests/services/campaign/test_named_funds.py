"""Named funds: terms by two people with a trace, how long the money lies, the way to a charitable trust."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from tests.services.campaign.books import balances, require_exact, take
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    SECOND_DESK,
    VIEWER,
    Source,
    launched,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

MARCH = datetime(2023, 3, 1, 4, tzinfo=UTC)


def terms(**changes: Any) -> dict[str, Any]:
    return {
        "name": "某某爱心基金",
        "donor": "某某公司",
        "wish": "资助困难学生",
        "agreement": "冠字〔2023〕1号",
        "signed_on": "2023-02-20",
        "idle_after_days": 180,
        "reason": "捐赠协议",
    } | changes


async def a_named_fund(service: Service, **changes: Any) -> str:
    campaign_id = await launched(service.operator(DESK), kind="programme")
    written = await service.operator(DESK).post(f"/campaigns/{campaign_id}/named-fund", terms(**changes))
    assert written.status_code == 201, written.text
    confirmed = await confirm(service, campaign_id, 1)
    assert confirmed.status_code == 200, confirmed.text
    return campaign_id


async def confirm(service: Service, campaign_id: str, version: int, person: str = SECOND_DESK) -> Any:
    path = f"/campaigns/{campaign_id}/named-fund/confirm"
    return await service.operator(person).post(path, if_match=f'"{version}"')


async def turnover(service: Service, campaign_id: str, on: str) -> dict[str, Any]:
    answer = await service.operator(VIEWER).get(f"/campaigns/{campaign_id}/turnover", on=on)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_terms_stand_when_another_person_has_confirmed_them_and_all_versions_are_kept(
    service: Service,
) -> None:
    campaign_id = await a_named_fund(service)
    desk = service.operator(DESK)
    path = f"/campaigns/{campaign_id}/named-fund"
    unseen = await desk.post(path, terms(wish="资助困难老人"))
    assert unseen.status_code == 428
    changed = await desk.post(path, terms(wish="资助困难老人", reason="补充协议"), if_match='"1"')
    assert (changed.status_code, changed.headers["etag"]) == (201, '"2"')
    assert changed.json()["standing"]["wish"] == "资助困难学生"
    assert (await desk.post(path, terms(), if_match='"2"')).json()["type"].endswith("named-fund-terms-wait")
    assert (await confirm(service, campaign_id, 1)).status_code == 412
    assert (await confirm(service, campaign_id, 2, DESK)).status_code == 403
    confirmed = (await confirm(service, campaign_id, 2)).json()
    assert (confirmed["standing"]["wish"], confirmed["waiting"]) == ("资助困难老人", None)
    assert [each["wish"] for each in confirmed["versions"]] == ["资助困难老人", "资助困难学生"]
    with pytest.raises(IntegrityError, match="named_funds_two_people"):
        await service.rows_changed(
            "UPDATE named_funds SET decided_by = asked_by WHERE campaign_id = :id", id=campaign_id
        )


async def test_terms_that_are_withdrawn_leave_those_before_them_standing(service: Service) -> None:
    campaign_id = await a_named_fund(service)
    path = f"/campaigns/{campaign_id}/named-fund"
    await service.operator(DESK).post(path, terms(idle_after_days=10), if_match='"1"')
    withdrawn = await service.operator(FINANCE).post(f"{path}/withdraw", if_match='"2"')
    assert withdrawn.json()["standing"]["idle_after_days"] == 180
    late = await confirm(service, campaign_id, 2)
    assert (late.status_code, late.json()["type"]) == (409, "urn:shanliu:problem:named-fund-nothing-waits")


async def test_of_two_people_who_write_terms_at_once_one_has_to_read_the_others(service: Service) -> None:
    campaign_id = await a_named_fund(service)
    answers = await asyncio.gather(
        *(
            service.operator(person).post(f"/campaigns/{campaign_id}/named-fund", terms(), if_match='"1"')
            for person in (DESK, SECOND_DESK)
        )
    )
    assert sorted(answer.status_code for answer in answers) in ([201, 409], [201, 412])


async def test_only_a_programme_becomes_a_named_fund(service: Service) -> None:
    gala = await launched(service.operator(DESK))
    refused = await service.operator(DESK).post(f"/campaigns/{gala}/named-fund", terms())
    assert refused.json()["type"] == "urn:shanliu:problem:named-fund-not-a-programme"
    assert (await service.operator(VIEWER).get(f"/campaigns/{gala}/named-fund")).status_code == 404


async def test_the_oldest_money_is_spent_first_and_what_lies_too_long_is_idle(service: Service) -> None:
    campaign_id = await a_named_fund(service)
    source = Source()
    await take(
        service,
        [
            source.received(campaign_id, 600, MARCH),
            source.received(campaign_id, 300, MARCH + timedelta(days=60)),
            source.received(campaign_id, 100, MARCH + timedelta(days=90)),
            source.reversed(campaign_id, 50, MARCH + timedelta(days=91)),
        ],
    )
    figures = await turnover(service, campaign_id, "2023-12-31")
    assert (figures["held_fen"], figures["oldest_on"], figures["idle_days"], figures["idle"]) == (
        950,
        "2023-03-01",
        305,
        True,
    )
    assert (figures["spent_fen"], figures["days_of_balance"], figures["window_days"]) == (0, None, 306)
    other = await launched(service.operator(DESK))
    await move(service, campaign_id, other, 551, "2023-12-01")
    figures = await turnover(service, campaign_id, "2023-12-31")
    assert (figures["held_fen"], figures["oldest_on"]) == (399, "2023-04-30")
    await move(service, campaign_id, other, 399, "2023-12-02")
    figures = await turnover(service, campaign_id, "2023-12-31")
    assert (figures["held_fen"], figures["oldest_on"], figures["idle"]) == (0, None, False)
    before = await turnover(service, campaign_id, "2023-04-29")
    assert (before["held_fen"], before["idle_days"], before["idle"]) == (600, 59, False)


async def move(service: Service, from_: str, to: str, amount_fen: int, on: str) -> None:
    body = {"to_campaign_id": to, "amount_fen": amount_fen, "reason": "x", "decided_on": on}
    asked = await service.operator(FINANCE).post(f"/campaigns/{from_}/transfers", body)
    path = f"/transfers/{asked.json()['transfer_id']}/approve"
    approved = await service.operator(APPROVER).post(path, if_match='"1"')
    assert approved.status_code == 200, approved.text


async def test_the_list_has_each_named_fund_once_with_its_figures(service: Service) -> None:
    campaigns = [await a_named_fund(service) for _ in range(3)]
    await service.operator(DESK).post(
        f"/campaigns/{campaigns[0]}/named-fund", terms(name="新名"), if_match='"1"'
    )
    await confirm(service, campaigns[0], 2)
    viewer, found, after = service.operator(VIEWER), [], None
    while True:
        query = {"limit": 2} if after is None else {"limit": 2, "after": after}
        page = (await viewer.get("/named-funds", **query)).json()
        found += page["items"]
        if (after := page["next"]) is None:
            break
    names = {each["terms"]["campaign_id"]: each["terms"]["name"] for each in found}
    assert len(names) == len(found)
    assert [names[each] for each in campaigns] == ["新名", "某某爱心基金", "某某爱心基金"]


async def test_a_named_fund_becomes_a_trust_by_a_recorded_transfer_that_leaves_the_books(
    service: Service,
) -> None:
    campaign_id = await a_named_fund(service)
    await take(service, [Source().received(campaign_id, 1000, MARCH)])
    body = {
        "amount_fen": 1000,
        "trustee": "某某信托有限责任公司",
        "trust": "某某慈善信托（备案号 1）",
        "reason": "结余闲置",
        "reference": "捐赠人同意书",
    }
    asked = await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/trust-conversions", body)
    assert asked.status_code == 201, asked.text
    path = f"/transfers/{asked.json()['transfer_id']}/approve"
    assert (await service.operator(APPROVER).post(path, if_match='"1"')).status_code == 200
    balance = await service.balance(campaign_id)
    assert (balance["balance_fen"], balance["disbursed_fen"], balance["transferred_out_fen"]) == (0, 0, 1000)
    assert await balances(service, campaign_id) == {
        "1002": -1000,
        "112201": 1000,
        "410101": 1000,
        "510109": 1000,
    }
    event = (await service.outbox(campaign_id))[-1]
    assert (event.data.kind, event.data.to_campaign_id) == ("trust", None)
    assert event.data.trustee == "某某信托有限责任公司"
    await require_exact(service)


async def test_only_a_named_fund_becomes_a_trust(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK), kind="programme")
    body = {"amount_fen": 1, "trustee": "x", "trust": "x", "reason": "x", "reference": "x"}
    refused = await service.operator(ADMINISTRATOR).post(f"/campaigns/{campaign_id}/trust-conversions", body)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:shanliu:problem:not-a-named-fund")
