"""Placards over HTTP: entered by one person, read back by another, cancelled, corrected, released."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    FINANCE_AND_APPROVER,
    SECOND_DESK,
    VIEWER,
    a_campaign,
    a_delivery,
    a_pledge,
    a_release,
    launched,
    new_campaign_id,
    some_goods,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBLEM = "urn:shanliu:problem:"


async def read(service: Service, pledge_id: str) -> dict[str, Any]:
    answer = await service.operator(VIEWER).get(f"/pledges/{pledge_id}")
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    pledge: dict[str, Any] = answer.json()
    return pledge


# ---------------------------------------------------------------- entered, read back, confirmed


async def test_a_placard_counts_when_a_second_person_has_read_it_back(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    entered = await service.entered(campaign_id, 2435_0000_00, placard="17")
    assert (await service.balance(campaign_id))["promised_fen"] == 0
    assert "pledge.made" not in await service.announced(campaign_id)
    path = f"/pledges/{entered}/confirm"
    confirmed = await service.operator(FINANCE).post(path, {"amount_fen": 2435_0000_00}, if_match='"1"')
    assert (confirmed.status_code, confirmed.headers["etag"]) == (200, '"2"')
    assert (confirmed.json()["entered_by"], confirmed.json()["confirmed_by"]) == (DESK, FINANCE)
    balance = await service.balance(campaign_id)
    assert (balance["promised_fen"], balance["pledges"]) == (2435_0000_00, 1)
    assert (balance["received_fen"], balance["balance_fen"]) == (0, 0)
    made = (await service.outbox(campaign_id))[-1]
    assert (made.type, made.data.amount_fen) == ("org.shanliu.pledge.made.v1", 2435_0000_00)
    assert (made.data.placard, made.data.goods) == ("17", None)


@pytest.mark.parametrize("person", [DESK, ADMINISTRATOR])
async def test_nobody_confirms_what_they_wrote_whatever_their_roles(service: Service, person: str) -> None:
    campaign_id = await launched(service.operator(DESK))
    by = service.operator(person)
    pledge_id = (await by.post(f"/campaigns/{campaign_id}/pledges", a_pledge())).json()["pledge_id"]
    refused = await by.post(f"/pledges/{pledge_id}/confirm", {"amount_fen": 100}, if_match='"1"')
    assert (refused.status_code, refused.json()["type"]) == (403, f"{PROBLEM}same-person")
    assert (await service.balance(campaign_id))["pledges"] == 0


async def test_whoever_rewrote_it_has_written_it(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.entered(campaign_id, 1000)
    second, path = service.operator(SECOND_DESK), f"/pledges/{pledge_id}"
    rewritten = await second.put(path, a_pledge(100), if_match='"1"')
    assert (rewritten.status_code, rewritten.json()["written_by"]) == (200, SECOND_DESK)
    own = await second.post(f"{path}/confirm", {"amount_fen": 100}, if_match='"2"')
    assert own.json()["type"] == f"{PROBLEM}same-person"
    first = await service.operator(DESK).post(f"{path}/confirm", {"amount_fen": 100}, if_match='"2"')
    assert first.status_code == 200


async def test_an_amount_that_was_read_otherwise_is_refused(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.entered(campaign_id, 10_000_00)
    path = f"/pledges/{pledge_id}/confirm"
    refused = await service.operator(SECOND_DESK).post(path, {"amount_fen": 1_000_00}, if_match='"1"')
    assert (refused.status_code, refused.json()["type"]) == (409, f"{PROBLEM}read-back-differs")
    assert refused.json()["errors"][0]["field"] == "amount_fen"
    assert (await read(service, pledge_id))["state"] == "entered"


@pytest.mark.parametrize(("if_match", "status"), [(None, 428), ("*", 428), ('"1"', 412)])
async def test_only_what_was_read_is_confirmed(service: Service, if_match: str | None, status: int) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.entered(campaign_id, 100)
    await service.operator(DESK).put(
        f"/pledges/{pledge_id}", a_pledge(100, company="改名公司"), if_match='"1"'
    )
    path = f"/pledges/{pledge_id}/confirm"
    refused = await service.operator(SECOND_DESK).post(path, {"amount_fen": 100}, if_match=if_match)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (status, "If-Match")


async def test_three_fields_are_enough_to_enter_a_placard(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    whole = a_pledge()
    body = {name: whole[name] for name in ("company", "amount_fen", "due_on")}
    answer = await service.operator(DESK).post(f"/campaigns/{campaign_id}/pledges", body)
    assert (answer.status_code, answer.json()["shown_name"]) == (201, "某某公司")


async def test_a_promise_of_a_past_day_is_recorded_late(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.pledge(campaign_id, promised_on="2023-01-08", due_on="2023-12-31")
    assert (await read(service, pledge_id))["promised_on"] == "2023-01-08"
    correction = a_pledge(200, due_on="2024-12-31", reason="约定延期")
    asked = await service.operator(DESK).post(f"/pledges/{pledge_id}/correction", correction)
    assert asked.status_code == 201
    confirm = f"/pledges/{pledge_id}/correction/confirm"
    done = await service.operator(SECOND_DESK).post(
        confirm, {"amount_fen": 200}, if_match=asked.headers["etag"]
    )
    assert (done.json()["promised_on"], done.json()["due_on"]) == ("2023-01-08", "2024-12-31")


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
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.pledge(campaign_id, **display)
    assert (await read(service, pledge_id))["shown_name"] == shown
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
        ({"promised_on": "2099-01-01", "due_on": "2099-01-02"}, "promised_on"),
        ({"promised_on": "2023-01-08", "due_on": "2023-01-07"}, "due_on"),
        ({"due_on": "31.12.2026"}, "due_on"),
        ({"due_on": 20260101}, "due_on"),
        ({"display": "shout"}, "display"),
        ({"amount_fen": 0}, "amount_fen"),
        ({"company": ""}, "company"),
        ({"placard": "x" * 21}, "placard"),
        ({"goods": {"description": "药品", "quantity": 1, "unit": "箱"}}, "goods.basis"),
        (
            {"goods": {"description": "药品", "quantity": 0, "unit": "箱", "basis": "agreed"}},
            "goods.quantity",
        ),
    ],
)
async def test_a_pledge_that_cannot_be_right_is_refused(
    service: Service, changes: dict[str, Any], field: str
) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    refused = await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge(**changes))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert (await desk.get(f"/campaigns/{campaign_id}/pledges")).json()["items"] == []


async def test_pledges_are_taken_by_the_desk_while_the_campaign_is_launched(service: Service) -> None:
    desk = service.operator(DESK)
    draft, campaign_id = new_campaign_id(), await launched(desk)
    await desk.post("/campaigns", a_campaign(draft))
    assert (await desk.post(f"/campaigns/{draft}/pledges", a_pledge())).status_code == 409
    assert (
        await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/pledges", a_pledge())
    ).status_code == 403
    entered = await service.entered(campaign_id)
    await desk.post(f"/campaigns/{campaign_id}/close")
    refused = await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge())
    assert (refused.status_code, refused.json()["type"]) == (409, f"{PROBLEM}pledges-not-taken")
    late = await service.operator(SECOND_DESK).post(
        f"/pledges/{entered}/confirm", {"amount_fen": 100}, if_match='"1"'
    )
    assert late.status_code == 200, "it was promised while the campaign was open"


async def test_a_placard_is_entered_once_in_a_campaign(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id, other = await launched(desk), await launched(desk)
    first = await service.entered(campaign_id, placard="17")
    await service.entered(other, placard="17")
    again = await desk.post(f"/campaigns/{campaign_id}/pledges", a_pledge(placard="17"))
    assert (again.status_code, again.json()["type"]) == (409, f"{PROBLEM}placard-taken")
    second = await service.entered(campaign_id, placard="18")
    moved = await desk.put(f"/pledges/{second}", a_pledge(placard="17"), if_match='"1"')
    assert moved.json()["type"] == f"{PROBLEM}placard-taken"
    await desk.post(f"/pledges/{first}/cancel", {"reason": "写重了"})
    assert (await desk.put(f"/pledges/{second}", a_pledge(placard="17"), if_match='"1"')).status_code == 200


async def test_what_was_entered_by_mistake_is_cancelled_with_who_and_why(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    pledge_id = await service.entered(campaign_id)
    assert (await desk.post(f"/pledges/{pledge_id}/cancel", {})).status_code == 422
    cancelled = (await desk.post(f"/pledges/{pledge_id}/cancel", {"reason": "写重了"})).json()
    assert (cancelled["state"], cancelled["cancelled_by"], cancelled["cancel_reason"]) == (
        "cancelled",
        DESK,
        "写重了",
    )
    confirm = await service.operator(SECOND_DESK).post(
        f"/pledges/{pledge_id}/confirm", {"amount_fen": 100}, if_match='"2"'
    )
    assert confirm.json()["type"] == f"{PROBLEM}pledge-step-not-allowed"
    confirmed = await service.pledge(campaign_id)
    kept = await desk.post(f"/pledges/{confirmed}/cancel", {"reason": "不想了"})
    assert (kept.status_code, kept.json()["state"]) == (409, "confirmed")


# ---------------------------------------------------------------- corrected


async def test_a_correction_moves_the_total_by_the_difference_and_leaves_a_trace(service: Service) -> None:
    desk, second = service.operator(DESK), service.operator(SECOND_DESK)
    campaign_id = await launched(desk)
    pledge_id = await service.pledge(campaign_id, 10_000)
    path = f"/pledges/{pledge_id}/correction"
    asked = await desk.post(path, {**a_pledge(1_000), "reason": "多写一个零"}, if_match='"2"')
    assert (asked.status_code, asked.json()["amount_fen"], asked.json()["version"]) == (201, 10_000, 3)
    assert (await service.balance(campaign_id))["promised_fen"] == 10_000
    own = await desk.post(f"{path}/confirm", if_match='"3"')
    assert own.json()["type"] == f"{PROBLEM}same-person"
    for body, code in ((None, "read-back-missing"), ({"amount_fen": 10_000}, "read-back-differs")):
        refused = await second.post(f"{path}/confirm", body, if_match='"3"')
        assert (refused.status_code, refused.json()["type"]) == (409, PROBLEM + code)
        assert refused.json()["errors"][0]["field"] == "amount_fen"
    done = await second.post(f"{path}/confirm", {"amount_fen": 1_000}, if_match='"3"')
    assert (done.status_code, done.json()["amount_fen"]) == (200, 1_000)
    assert (await service.balance(campaign_id))["promised_fen"] == 1_000
    event = (await service.outbox(campaign_id))[-1]
    assert event.type == "org.shanliu.pledge.corrected.v1"
    assert (event.data.amount_fen, event.data.previous_amount_fen) == (1_000, 10_000)
    assert "多写一个零" not in event.to_bytes().decode(), "the reason stays here"
    versions = (await desk.get(f"/pledges/{pledge_id}/versions")).json()["items"]
    assert [(each["action"], each["amount_fen"], each["person"]) for each in versions] == [
        ("enter", 10_000, DESK),
        ("confirm", 10_000, SECOND_DESK),
        ("ask_correction", 10_000, DESK),
        ("correct", 1_000, SECOND_DESK),
    ]
    (correction,) = (await desk.get(f"/pledges/{pledge_id}/steps")).json()["corrections"]
    assert (correction["state"], correction["asked_by"], correction["decided_by"]) == (
        "done",
        DESK,
        SECOND_DESK,
    )
    assert (correction["amount_fen"], correction["from_version"], correction["reason"]) == (
        1_000,
        2,
        "多写一个零",
    )


async def test_one_correction_waits_at_a_time_and_can_be_withdrawn(service: Service) -> None:
    desk, second = service.operator(DESK), service.operator(SECOND_DESK)
    pledge_id = await service.pledge(await launched(desk), 100)
    path = f"/pledges/{pledge_id}/correction"
    same = await desk.post(path, {**a_pledge(100), "reason": "?"})
    assert same.json()["type"] == f"{PROBLEM}pledge-correction-empty"
    nothing = await second.post(f"{path}/confirm", if_match='"2"')
    assert nothing.json()["type"] == f"{PROBLEM}pledge-nothing-waits"
    assert (await desk.post(path, {**a_pledge(50), "reason": "错"})).status_code == 201
    refused = await desk.post(path, {**a_pledge(60), "reason": "错"})
    assert refused.json()["type"] == f"{PROBLEM}pledge-step-waits"
    assert (await desk.post(f"{path}/withdraw", {"reason": "看错了"})).status_code == 200
    assert (await desk.post(path, {**a_pledge(60), "reason": "错"})).status_code == 201
    done = await second.post(f"{path}/confirm", {"amount_fen": 60}, if_match='"5"')
    assert done.json()["amount_fen"] == 60


# ---------------------------------------------------------------- goods


async def test_goods_are_promised_by_value_and_kept_by_quantity(service: Service) -> None:
    desk, finance = service.operator(DESK), service.operator(FINANCE)
    campaign_id = await launched(desk)
    pledge_id = await service.pledge(campaign_id, 1_000, goods=some_goods(10))
    made = (await service.outbox(campaign_id))[-1]
    assert (made.data.goods.quantity, made.data.goods.unit, made.data.goods.basis) == (10, "箱", "invoice")
    path = f"/pledges/{pledge_id}/delivery"
    assert (await desk.post(path, a_delivery(4, 400))).status_code == 201
    assert (await read(service, pledge_id))["delivered_quantity"] == 0
    assert (await desk.post(f"{path}/confirm", if_match='"3"')).status_code == 403
    partly = (await finance.post(f"{path}/confirm", if_match='"3"')).json()
    assert (partly["fulfilled_fen"], partly["open_fen"], partly["fulfilled_at"]) == (400, 600, None)
    await desk.post(path, a_delivery(6, 590))
    whole = (await finance.post(f"{path}/confirm", if_match='"5"')).json()
    assert (whole["delivered_quantity"], whole["fulfilled_fen"], whole["open_fen"]) == (10, 990, 0)
    assert (await service.announced(campaign_id))[-2:] == ["pledge.made", "pledge.fulfilled"]
    balance = await service.balance(campaign_id)
    assert (balance["promised_fen"], balance["received_fen"]) == (1_000, 0)
    promised = (await desk.get(f"/campaigns/{campaign_id}/promised")).json()
    assert (promised["goods_fen"], promised["fulfilled"], promised["open_fen"]) == (1_000, 1, 0)


async def test_money_is_not_delivered_and_nothing_is_delivered_tomorrow(service: Service) -> None:
    desk = service.operator(DESK)
    campaign_id = await launched(desk)
    money = await service.pledge(campaign_id)
    refused = await desk.post(f"/pledges/{money}/delivery", a_delivery(1, 1))
    assert refused.json()["type"] == f"{PROBLEM}pledge-of-money"
    goods = await service.pledge(campaign_id, goods=some_goods(1))
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    refused = await desk.post(f"/pledges/{goods}/delivery", a_delivery(1, 1, delivered_on=tomorrow))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "delivered_on")


# ---------------------------------------------------------------- released


async def test_a_release_needs_report_statement_and_two_people_and_lowers_nothing(service: Service) -> None:
    desk, approver = service.operator(DESK), service.operator(APPROVER)
    campaign_id = await launched(desk)
    pledge_id = await service.pledge(campaign_id, 1_000)
    path = f"/pledges/{pledge_id}/release"
    for field in ("report_reference", "reported_to", "reported_on", "reason", "public_statement"):
        body = a_release()
        del body[field]
        refused = await desk.post(path, body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert (await desk.post(path, a_release())).status_code == 201
    assert (await desk.post(f"{path}/approve", if_match='"3"')).status_code == 403
    assert (await approver.post(f"{path}/approve", if_match='"2"')).status_code == 412
    released = (await approver.post(f"{path}/approve", if_match='"3"')).json()
    assert (released["state"], released["released_fen"], released["open_fen"]) == ("released", 1_000, 0)
    balance = await service.balance(campaign_id)
    assert (balance["promised_fen"], balance["promised_released_fen"], balance["pledges"]) == (
        1_000,
        1_000,
        1,
    )
    event = (await service.outbox(campaign_id))[-1]
    assert event.type == "org.shanliu.pledge.released.v1"
    assert (event.data.released_fen, event.data.public_statement) == (1_000, a_release()["public_statement"])
    assert a_release()["reason"] not in event.to_bytes().decode()
    again = await desk.post(path, a_release())
    assert (again.status_code, again.json()["state"]) == (409, "released")


async def test_nobody_approves_the_release_they_asked_for(service: Service) -> None:
    both = service.operator(FINANCE_AND_APPROVER)
    pledge_id = await service.pledge(await launched(service.operator(DESK)))
    assert (await both.post(f"/pledges/{pledge_id}/release", a_release())).status_code == 201
    refused = await both.post(f"/pledges/{pledge_id}/release/approve", if_match='"3"')
    assert refused.json()["type"] == f"{PROBLEM}same-person"
    approver = service.operator(APPROVER)
    refusal = await approver.post(f"/pledges/{pledge_id}/release/withdraw", {"reason": "材料不全"})
    assert (refusal.status_code, refusal.json()["state"]) == (200, "confirmed")
    (release,) = (await both.get(f"/pledges/{pledge_id}/steps")).json()["releases"]
    assert (release["state"], release["decided_by"]) == ("withdrawn", APPROVER)


# ---------------------------------------------------------------- read


async def test_each_step_needs_its_role(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    pledge_id = await service.pledge(campaign_id, goods=some_goods(1))
    path = f"/pledges/{pledge_id}"
    for person, way, body in [
        (VIEWER, f"/campaigns/{campaign_id}/pledges", a_pledge()),
        (APPROVER, f"{path}/confirm", {"amount_fen": 100}),
        (FINANCE, f"{path}/cancel", {"reason": "?"}),
        (FINANCE, f"{path}/correction", {**a_pledge(), "reason": "?"}),
        (APPROVER, f"{path}/correction/confirm", {"amount_fen": 100}),
        (VIEWER, f"{path}/delivery", a_delivery(1, 1)),
        (APPROVER, f"{path}/release", a_release()),
        (DESK, f"{path}/release/approve", None),
        (FINANCE, f"{path}/release/approve", None),
    ]:
        refused = await service.operator(person).post(way, body)
        assert (refused.status_code, refused.json()["type"]) == (403, f"{PROBLEM}role-missing"), way


async def test_pledges_are_listed_part_by_part_and_by_state(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    for amount in (1, 2):
        await service.pledge(campaign_id, amount)
    waiting = await service.entered(campaign_id, 3)
    viewer, path = service.operator(VIEWER), f"/campaigns/{campaign_id}/pledges"
    first = (await viewer.get(path, limit=2)).json()
    rest = (await viewer.get(path, limit=2, after=first["next"])).json()
    assert sorted(item["amount_fen"] for item in first["items"] + rest["items"]) == [1, 2, 3]
    assert rest["next"] is None
    assert [item["pledge_id"] for item in (await viewer.get(path, state="entered")).json()["items"]] == [
        waiting
    ]
    versions = (await viewer.get(f"/pledges/{first['items'][0]['pledge_id']}/versions", limit=1)).json()
    assert (len(versions["items"]), versions["next"]) == (1, 1)


async def test_an_unknown_pledge_is_not_found(service: Service) -> None:
    zhou = service.operator(ADMINISTRATOR)
    for path in ("", "/versions", "/steps"):
        assert (await zhou.get(f"/pledges/{uuid4()}{path}")).status_code == 404
    assert (await zhou.post(f"/pledges/{uuid4()}/cancel", {"reason": "?"})).status_code == 404


async def test_the_list_tells_what_waits_for_a_second_person_and_what_is_fulfilled(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    desk, path = service.operator(DESK), f"/campaigns/{campaign_id}/pledges"
    entered = await service.entered(campaign_id, 100)
    confirmed = await service.pledge(campaign_id, 200)
    corrected = await service.pledge(campaign_id, 300)
    delivered = await service.pledge(campaign_id, 400, goods=some_goods(2))
    correction = a_pledge(30, reason="多打了一个零")
    assert (await desk.decide(f"/pledges/{corrected}", "correction", correction)).status_code == 201
    assert (await desk.decide(f"/pledges/{delivered}", "delivery", a_delivery(2, 400))).status_code == 201

    async def listed(**asked: Any) -> list[str]:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        return [each["pledge_id"] for each in (await desk.get(f"{path}?{query}")).json()["items"]]

    assert await listed(waits="true") == [entered, corrected, delivered]
    assert await listed(waits="false") == [confirmed]
    assert await listed(fulfilled="true") == []
    await service.operator(FINANCE).decide(f"/pledges/{delivered}", "delivery/confirm")
    assert await listed(waits="true") == [entered, corrected]
    assert await listed(fulfilled="true") == [delivered]
    assert await listed(fulfilled="false", state="confirmed") == [confirmed, corrected]
