"""Goods in kind over HTTP: counted by a second person, handed out, returned, written off, taken back."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from httpx import Response
from sqlalchemy.exc import IntegrityError

from tests.services.campaign.books import balances, require_exact
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    FINANCE_AND_APPROVER,
    SECOND_APPROVER,
    SECOND_DESK,
    VIEWER,
    a_campaign,
    a_delivery,
    a_disbursement,
    launched,
    new_campaign_id,
    some_goods,
)
from tests.services.campaign.conftest import Service
from tests.services.campaign.store import (
    TODAY,
    a_distribution,
    a_gift,
    a_return,
    a_reversal,
    a_write_off,
    an_item,
    approved,
    asked,
    done,
    entered,
    figures,
    given,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROBLEM = "urn:shanliu:problem:"


def type_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix(PROBLEM)


# ---------------------------------------------------------------- a gift


async def test_a_gift_counts_when_a_second_person_has_counted_it(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    gift = await entered(service, campaign_id, an_item(3, 1_210_000_001), an_item(1, 7, unit="台"))
    assert (gift["state"], gift["value_fen"]) == ("entered", 1_210_000_008)
    assert [item["left_quantity"] for item in gift["items"]] == [0, 0]
    assert (await figures(service, campaign_id))["received_fen"] == 0
    path, counted = f"/goods-gifts/{gift['gift_id']}/confirm", {"value_fen": 1_210_000_008}
    confirmed = await service.operator(FINANCE).post(path, counted, if_match='"1"')
    assert (confirmed.status_code, confirmed.headers["etag"]) == (200, '"2"')
    assert [item["left_fen"] for item in confirmed.json()["items"]] == [1_210_000_001, 7]
    found = await figures(service, campaign_id)
    assert (found["received_fen"], found["in_store_fen"], found["gifts"]) == (1_210_000_008, 1_210_000_008, 1)
    told = (await service.outbox(campaign_id))[-1]
    assert (told.type, told.data.value_fen) == ("org.shanliu.goods.received.v1", 1_210_000_008)
    assert [(item.quantity, item.unit, item.basis) for item in told.data.items] == [
        (3, "箱", "invoice"),
        (1, "台", "invoice"),
    ]


async def test_goods_are_never_money(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    gift = await given(service, campaign_id, an_item(10, 1_000_000))
    balance = await service.balance(campaign_id)
    assert (balance["received_fen"], balance["balance_fen"], balance["disbursed_fen"]) == (0, 0, 0)
    wanted = await service.operator(FINANCE).post(
        f"/campaigns/{campaign_id}/disbursements", a_disbursement(1)
    )
    path = f"/disbursements/{wanted.json()['disbursement_id']}/approve"
    refused = await service.operator(APPROVER).post(path, if_match='"1"')
    assert type_of(refused) == (409, "past-fund-balance")
    await done(
        service,
        f"/campaigns/{campaign_id}/goods-distributions",
        a_distribution(gift["items"][0]["item_id"], 4),
    )
    assert await service.balance(campaign_id) == balance
    assert await balances(service, campaign_id) == {"1201": 600_000, "410103": 1_000_000, "510101": 400_000}


@pytest.mark.parametrize(
    ("display", "shown"),
    [
        ({"display": "name"}, "某某药业有限公司"),
        ({"display": "alias", "alias": "老朋友"}, "老朋友"),
        ({"display": "anonymous"}, None),
        ({"display": "anonymous", "alias": "老朋友"}, None),
    ],
)
async def test_a_donor_is_shown_as_agreed(service: Service, display: dict[str, Any], shown: str) -> None:
    campaign_id = await launched(service.operator(DESK))
    gift = await given(service, campaign_id, **display, note="送货单 1")
    assert (gift["donor"], gift["shown_name"]) == ("某某药业有限公司", shown)
    told = (await service.outbox(campaign_id))[-1]
    assert told.data.shown_name == shown
    written = told.to_bytes().decode()
    for kept in ("送货单", "发票", "一号库", *(["某某药业"] if shown != "某某药业有限公司" else [])):
        assert kept not in written


@pytest.mark.parametrize("person", [DESK, ADMINISTRATOR])
async def test_nobody_counts_what_they_entered(service: Service, person: str) -> None:
    campaign_id = await launched(service.operator(DESK))
    by = service.operator(person)
    gift = (await by.post(f"/campaigns/{campaign_id}/goods-gifts", a_gift())).json()
    path = f"/goods-gifts/{gift['gift_id']}/confirm"
    assert type_of(await by.post(path, {"value_fen": 1_000}, if_match='"1"')) == (403, "same-person")
    assert (await figures(service, campaign_id))["entered"] == 1


async def test_a_gift_is_rewritten_until_it_is_confirmed_and_each_version_is_kept(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    gift = await entered(service, campaign_id)
    path, second = f"/goods-gifts/{gift['gift_id']}", service.operator(SECOND_DESK)
    differs = await second.post(f"{path}/confirm", {"value_fen": 999}, if_match='"1"')
    assert type_of(differs) == (409, "goods-count-differs")
    rewritten = await second.put(path, a_gift(an_item(9, 999)), if_match='"1"')
    assert (rewritten.status_code, rewritten.json()["value_fen"]) == (200, 999)
    assert [item["quantity"] for item in rewritten.json()["items"]] == [9]
    own = await second.post(f"{path}/confirm", {"value_fen": 999}, if_match='"2"')
    assert type_of(own) == (403, "same-person")
    first = service.operator(DESK)
    stale = await first.post(f"{path}/confirm", {"value_fen": 999}, if_match='"1"')
    assert type_of(stale) == (412, "version-changed")
    assert (await first.post(f"{path}/confirm", {"value_fen": 999}, if_match='"2"')).status_code == 200
    late = await second.put(path, a_gift(), if_match='"3"')
    assert type_of(late) == (409, "goods-gift-step-not-allowed")
    versions = (await service.operator(VIEWER).get(f"{path}/versions")).json()["items"]
    assert [(each["action"], each["value_fen"], each["person"]) for each in versions] == [
        ("confirm", 999, DESK),
        ("rewrite", 999, SECOND_DESK),
        ("enter", 1_000, DESK),
    ]


async def test_what_was_entered_by_mistake_is_cancelled_before_it_counts(service: Service) -> None:
    campaign_id, desk = await launched(service.operator(DESK)), service.operator(DESK)
    gift = await entered(service, campaign_id)
    path, reason = f"/goods-gifts/{gift['gift_id']}/cancel", {"reason": "写重了"}
    assert type_of(await desk.post(path, reason)) == (428, "if-match-missing")
    cancelled = (await desk.post(path, reason, if_match='"1"')).json()
    assert (cancelled["state"], cancelled["cancel_reason"]) == ("cancelled", "写重了")
    confirmed = await given(service, campaign_id)
    kept = await desk.post(f"/goods-gifts/{confirmed['gift_id']}/cancel", reason, if_match='"2"')
    assert type_of(kept) == (409, "goods-gift-step-not-allowed")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"received_on": "2199-01-01"}, "received_on"),
        ({"display": "alias"}, "alias"),
        ({"items": []}, "items"),
        ({"items": [an_item(category="medicine", batch=None)]}, "items.0.batch"),
        ({"items": [an_item(), an_item(expires_on=None)]}, "items.1.expires_on"),
        ({"items": [an_item(11, 10)]}, "items.0.quantity"),
        ({"items": [an_item(0)]}, "items.0.quantity"),
        ({"items": [an_item(1, 10**13), an_item(1, 1)]}, "items"),
        ({"items": [an_item(basis="guess")]}, "items.0.basis"),
        ({"donor": ""}, "donor"),
    ],
)
async def test_a_gift_that_cannot_be_right_is_refused(
    service: Service, changes: dict[str, Any], field: str
) -> None:
    campaign_id, desk = await launched(service.operator(DESK)), service.operator(DESK)
    refused = await desk.post(f"/campaigns/{campaign_id}/goods-gifts", a_gift(**changes))
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_goods_are_taken_once_the_campaign_was_launched(service: Service) -> None:
    desk, draft = service.operator(DESK), new_campaign_id()
    await desk.post("/campaigns", a_campaign(draft))
    refused = await desk.post(f"/campaigns/{draft}/goods-gifts", a_gift())
    assert type_of(refused) == (409, "goods-not-taken")
    campaign_id = await launched(desk)
    await desk.post(f"/campaigns/{campaign_id}/close")
    late = await given(service, campaign_id, received_on="2024-03-01")
    assert (late["state"], late["received_on"]) == ("confirmed", "2024-03-01")
    booked = await service.rows(
        "SELECT event_on::text FROM ledger_entries WHERE subject = CAST(:id AS uuid)", id=late["gift_id"]
    )
    assert booked == [("2024-03-01",)]


async def test_a_campaign_is_settled_when_its_store_is_empty(service: Service) -> None:
    desk, finance = service.operator(DESK), service.operator(FINANCE)
    campaign_id = await launched(desk)
    item = (await given(service, campaign_id))["items"][0]["item_id"]
    version = (await desk.post(f"/campaigns/{campaign_id}/close")).json()["version"]
    settle = f"/campaigns/{campaign_id}/settle"
    refused = await finance.post(settle, if_match=f'"{version}"')
    assert (type_of(refused), refused.json()["in_store_fen"]) == ((409, "goods-in-store"), 1_000)
    await done(service, f"/campaigns/{campaign_id}/goods-distributions", a_distribution(item, 10))
    assert (await finance.post(settle, if_match=f'"{version}"')).status_code == 200
    late = await desk.post(f"/campaigns/{campaign_id}/goods-gifts", a_gift())
    assert type_of(late) == (409, "goods-not-taken")


async def test_promised_goods_name_the_gift_that_they_are_and_no_gift_keeps_two_promises(
    service: Service,
) -> None:
    desk, finance = service.operator(DESK), service.operator(FINANCE)
    campaign_id, other = await launched(desk), await launched(desk)
    first, second = [await service.pledge(campaign_id, 1_000, goods=some_goods(10)) for _ in range(2)]
    gift, waiting = await given(service, campaign_id), await entered(service, campaign_id)
    foreign = await given(service, other)

    async def delivers(pledge_id: str, gift_id: str) -> Response:
        body = a_delivery(10, 1_000, gift_id=gift_id)
        return await desk.post(f"/pledges/{pledge_id}/delivery", body)

    assert type_of(await delivers(first, foreign["gift_id"])) == (404, "not-found")
    assert type_of(await delivers(first, waiting["gift_id"])) == (409, "goods-gift-step-not-allowed")
    asked_for = await delivers(first, gift["gift_id"])
    assert asked_for.status_code == 201, asked_for.text
    assert type_of(await delivers(second, gift["gift_id"])) == (409, "pledge-gift-named")
    path = f"/pledges/{first}/delivery/confirm"
    kept = await finance.post(path, if_match=asked_for.headers["etag"])
    assert (kept.status_code, kept.json()["open_fen"]) == (200, 0)
    steps = (await desk.get(f"/pledges/{first}/steps")).json()
    assert steps["deliveries"][0]["gift_id"] == gift["gift_id"]
    found = await figures(service, campaign_id)
    assert found["received_fen"] == 1_000, "kept, and received once"


# ---------------------------------------------------------------- out of the store


async def test_goods_go_out_in_parts_and_the_last_part_takes_the_rest(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    item = (await given(service, campaign_id, an_item(3, 100)))["items"][0]["item_id"]
    path = f"/campaigns/{campaign_id}/goods-distributions"
    values = [(await done(service, path, a_distribution(item, 1)))["value_fen"] for _ in range(3)]
    assert values == [33, 33, 34]
    found = await figures(service, campaign_id)
    assert (found["distributed_fen"], found["in_store_fen"]) == (100, 0)
    past = await service.operator(FINANCE).post(path, a_distribution(item, 1))
    assert type_of(past) == (409, "goods-past-store")
    assert (past.json()["remaining_quantity"], past.json()["remaining_fen"]) == (0, 0)
    told = [event for event in await service.outbox(campaign_id) if "distributed" in event.type]
    assert [event.data.value_fen for event in told] == values
    assert (told[0].data.use, told[0].data.beneficiaries) == ("助医", 12)
    assert "某某医院" not in told[0].to_bytes().decode()
    store = await service.operator(VIEWER).get(f"/campaigns/{campaign_id}/goods-in-store")
    assert store.json()["items"] == []


async def test_two_people_decide_and_the_second_has_read_it(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    item = (await given(service, campaign_id))["items"][0]["item_id"]
    path = f"/campaigns/{campaign_id}/goods-distributions"
    both = service.operator(FINANCE_AND_APPROVER)
    own = (await both.post(path, a_distribution(item, 1))).json()["movement_id"]
    assert type_of(await approved(service, own, FINANCE_AND_APPROVER)) == (403, "same-person")
    blind = await service.operator(APPROVER).post(f"/goods-movements/{own}/approve")
    assert type_of(blind) == (428, "if-match-missing")
    assert (await service.operator(DESK).post(f"/goods-movements/{own}/approve")).status_code == 403
    refused = await service.operator(APPROVER).post(
        f"/goods-movements/{own}/withdraw", {"reason": "名单不全"}, if_match='"1"'
    )
    assert (refused.json()["state"], refused.json()["decision"]) == ("withdrawn", "名单不全")
    late = await service.operator(APPROVER).post(f"/goods-movements/{own}/approve", if_match='"2"')
    assert type_of(late) == (409, "goods-movement-decided")
    assert (await figures(service, campaign_id))["distributed_fen"] == 0


async def test_what_comes_back_has_the_value_it_went_out_with(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    item = (await given(service, campaign_id, an_item(3, 100)))["items"][0]["item_id"]
    path = f"/campaigns/{campaign_id}/goods-distributions"
    out = await done(service, path, a_distribution(item, 2))
    assert out["value_fen"] == 66
    last = await done(service, path, a_distribution(item, 1))
    back = f"/goods-movements/{out['movement_id']}/returns"
    returned = await done(service, back, a_return(item, 2))
    assert (returned["value_fen"], returned["distribution_id"]) == (66, out["movement_id"])
    again = await service.operator(FINANCE).post(back, a_return(item, 1))
    assert (type_of(again), again.json()["remaining_quantity"]) == ((409, "goods-past-store"), 0)
    found = await figures(service, campaign_id)
    assert (found["distributed_fen"], found["returned_fen"], found["in_store_fen"]) == (100, 66, 66)
    nothing = f"/goods-movements/{returned['movement_id']}/returns"
    refused = await service.operator(FINANCE).post(nothing, a_return(item, 1))
    assert type_of(refused) == (409, "goods-not-distributed")
    early = await service.operator(FINANCE).post(
        f"/goods-movements/{last['movement_id']}/returns", a_return(item, 1, returned_on="2020-01-01")
    )
    assert type_of(early) == (422, "day-too-early")
    assert (await service.announced(campaign_id))[-1] == "goods.returned"


async def test_losses_and_what_goes_back_to_the_donor_leave_the_store(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    gift = await given(service, campaign_id, an_item(10, 1_000))
    item, path = gift["items"][0]["item_id"], f"/campaigns/{campaign_id}"
    lost = await done(service, f"{path}/goods-write-offs", a_write_off(item, 2))
    back = await done(service, f"/goods-gifts/{gift['gift_id']}/reversals", a_reversal(item, 3))
    assert (lost["value_fen"], back["value_fen"]) == (200, 300)
    found = await figures(service, campaign_id)
    assert (found["received_fen"], found["reversed_fen"], found["written_off_fen"]) == (1_000, 300, 200)
    assert await balances(service, campaign_id) == {"1201": 500, "410103": 700, "520101": 200}
    assert (await service.announced(campaign_id))[-2:] == ["goods.written-off", "goods.reversed"]
    other = await given(service, campaign_id)
    foreign = a_reversal(other["items"][0]["item_id"], 1)
    refused = await service.operator(FINANCE).post(f"/goods-gifts/{gift['gift_id']}/reversals", foreign)
    assert type_of(refused) == (409, "goods-item-elsewhere")


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"use": "修路"}, (409, "use-not-planned")),
        ({"distributed_on": "2199-01-01"}, (422, "day-not-yet")),
        ({"distributed_on": "2020-01-01"}, (422, "day-too-early")),
        ({"items": [{"item_id": str(uuid4()), "quantity": 1}]}, (404, "not-found")),
        ({"beneficiaries": 0}, (422, "invalid-field")),
    ],
)
async def test_a_distribution_that_cannot_be_right_is_refused(
    service: Service, changes: dict[str, Any], refusal: tuple[int, str]
) -> None:
    campaign_id = await launched(service.operator(DESK))
    item = (await given(service, campaign_id))["items"][0]["item_id"]
    path = f"/campaigns/{campaign_id}/goods-distributions"
    refused = await service.operator(FINANCE).post(path, a_distribution(item, 1, **changes))
    assert type_of(refused) == refusal
    twice = a_distribution(item, 1)
    twice["items"] *= 2
    assert type_of(await service.operator(FINANCE).post(path, twice)) == (422, "goods-item-twice")


async def test_expired_goods_are_written_off_and_given_to_nobody(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    old = an_item(category="food", expires_on="2024-06-30")
    item = (await given(service, campaign_id, old, received_on="2024-03-01"))["items"][0]["item_id"]
    path = f"/campaigns/{campaign_id}"
    refused = await service.operator(FINANCE).post(
        f"{path}/goods-distributions", a_distribution(item, 1, distributed_on="2024-07-01")
    )
    assert type_of(refused) == (409, "goods-expired")
    in_time = a_distribution(item, 1, distributed_on="2024-06-30")
    assert (await done(service, f"{path}/goods-distributions", in_time))["value_fen"] == 100
    expiring = await service.operator(VIEWER).get("/goods-expiring", within_days=-1, limit=200)
    assert item in [each["item_id"] for each in expiring.json()["items"]]
    gone = await done(service, f"{path}/goods-write-offs", a_write_off(item, 9, cause="expired"))
    assert gone["value_fen"] == 900


async def test_goods_are_carried_to_another_store_with_a_trace(service: Service) -> None:
    campaign_id, desk = await launched(service.operator(DESK)), service.operator(DESK)
    item = (await given(service, campaign_id))["items"][0]["item_id"]
    await done(service, f"/campaigns/{campaign_id}/goods-distributions", a_distribution(item, 4))
    path, before = f"/goods-items/{item}/carry", await figures(service, campaign_id)
    body = {"from_store": "一号库", "to_store": "冷库", "carried_on": TODAY, "reason": "需冷藏"}
    carried = await desk.post(path, body)
    assert (carried.status_code, carried.json()["store"]) == (200, "冷库")
    assert type_of(await desk.post(path, body)) == (409, "goods-store-differs")
    same = body | {"from_store": "冷库", "to_store": "冷库"}
    assert type_of(await desk.post(path, same)) == (409, "goods-same-store")
    early = body | {"from_store": "冷库", "to_store": "一号库", "carried_on": "2020-01-01"}
    assert type_of(await desk.post(path, early)) == (422, "day-too-early")
    (trace,) = (await service.operator(VIEWER).get(f"/goods-items/{item}/carries")).json()["items"]
    assert (trace["from_store"], trace["to_store"], trace["quantity"], trace["person"]) == (
        "一号库",
        "冷库",
        6,
        DESK,
    )
    assert await figures(service, campaign_id) == before, "no value moves"
    await done(service, f"/campaigns/{campaign_id}/goods-distributions", a_distribution(item, 6))
    gone = body | {"from_store": "冷库", "to_store": "一号库"}
    assert type_of(await desk.post(path, gone)) == (409, "goods-none-left")


async def test_lists_come_in_parts(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    path, viewer = f"/campaigns/{campaign_id}", service.operator(VIEWER)
    items = [an_item(store=f"{at} 号库") for at in range(3)]
    gift = await given(service, campaign_id, *items)
    await entered(service, campaign_id)
    one = (await viewer.get(f"{path}/goods-gifts", limit=1)).json()
    assert [each["gift_id"] for each in one["items"]] == [gift["gift_id"]]
    rest = (await viewer.get(f"{path}/goods-gifts", after=one["next"])).json()
    assert (len(rest["items"]), rest["next"]) == (1, None)
    assert len((await viewer.get(f"{path}/goods-gifts", state="confirmed")).json()["items"]) == 1
    store = (await viewer.get(f"{path}/goods-in-store", limit=2)).json()
    last = (await viewer.get(f"{path}/goods-in-store", after=store["next"])).json()
    found = store["items"] + last["items"]
    assert sorted(each["store"] for each in found) == ["0 号库", "1 号库", "2 号库"]
    assert len((await viewer.get(f"{path}/goods-in-store", store="1 号库")).json()["items"]) == 1
    movement_id = await asked(
        service, f"{path}/goods-distributions", a_distribution(store["items"][0]["item_id"], 1)
    )
    found = (await viewer.get(f"{path}/goods-movements", kind="distribution", state="asked")).json()["items"]
    assert [each["movement_id"] for each in found] == [movement_id]
    assert (await viewer.get(f"{path}/goods-movements", kind="return")).json()["items"] == []


# ---------------------------------------------------------------- at the same moment


async def test_two_distributions_at_once_cannot_both_take_the_last_pieces(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    item = (await given(service, campaign_id, an_item(10, 1_000)))["items"][0]["item_id"]
    path = f"/campaigns/{campaign_id}/goods-distributions"
    waiting = [await asked(service, path, a_distribution(item, 6)) for _ in range(6)]
    people = (APPROVER, SECOND_APPROVER) * 3
    answers = await asyncio.gather(
        *(approved(service, each, by) for each, by in zip(waiting, people, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert {each["remaining_quantity"] for each in refused} == {4}
    found = await figures(service, campaign_id)
    assert (found["distributed_fen"], found["in_store_fen"]) == (600, 400)


async def test_a_movement_is_approved_once_whoever_comes_at_the_same_moment(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    gift = await entered(service, campaign_id, an_item(10, 1_000))
    path, counted = f"/goods-gifts/{gift['gift_id']}/confirm", {"value_fen": 1_000}
    answers = await asyncio.gather(
        *(service.operator(by).post(path, counted, if_match='"1"') for by in (FINANCE, SECOND_DESK))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    item = (await service.operator(VIEWER).get(f"/goods-gifts/{gift['gift_id']}")).json()["items"][0]
    assert item["left_quantity"] == 10
    movement_id = await asked(
        service, f"/campaigns/{campaign_id}/goods-distributions", a_distribution(item["item_id"], 2)
    )
    answers = await asyncio.gather(
        *(approved(service, movement_id, by) for by in (APPROVER, SECOND_APPROVER))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await figures(service, campaign_id))["distributed_fen"] == 200


async def test_a_command_that_comes_twice_counts_once(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    path, key = f"/campaigns/{campaign_id}/goods-gifts", str(uuid4())
    answers = [await service.operator(DESK).post(path, a_gift(), key=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (await figures(service, campaign_id))["entered"] == 1


# ---------------------------------------------------------------- what can't be written


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("UPDATE goods_items SET left_quantity = -1 WHERE campaign_id = :id", "left_quantity"),
        ("UPDATE goods_items SET left_quantity = quantity + 1 WHERE campaign_id = :id", "left_quantity"),
        ("UPDATE goods_items SET left_quantity = 0 WHERE campaign_id = :id", "left_fen"),
        ("UPDATE goods_items SET left_fen = value_fen + 1 WHERE campaign_id = :id", "left_fen"),
        ("UPDATE goods_items SET left_fen = 0 WHERE campaign_id = :id", "left_fen"),
        ("UPDATE goods_items SET batch = NULL WHERE campaign_id = :id", "goods_items_batch"),
        ("UPDATE goods_items SET value_fen = 1 WHERE campaign_id = :id", "goods_items_"),
        ("UPDATE goods_gifts SET confirmed_by = written_by WHERE campaign_id = :id", "two_people"),
        ("UPDATE goods_gifts SET confirmed_by = NULL WHERE campaign_id = :id", "goods_gifts_confirmed"),
        ("UPDATE goods_gifts SET shown_name = NULL WHERE campaign_id = :id", "goods_gifts_consent"),
        ("UPDATE goods_movements SET decided_by = asked_by WHERE campaign_id = :id", "two_people"),
        ("UPDATE goods_movements SET value_fen = NULL WHERE campaign_id = :id", "goods_movements_value"),
        ("UPDATE goods_movements SET cause = 'lost' WHERE campaign_id = :id", "goods_movements_cause"),
        ("UPDATE goods_movements SET kind = 'write_off' WHERE campaign_id = :id", "goods_movements_"),
        ("UPDATE goods_movements SET recipient = NULL WHERE campaign_id = :id", "goods_movements_use"),
        ("UPDATE goods_movement_items SET left_quantity = -1 WHERE campaign_id = :id", "_left"),
        ("UPDATE goods_movement_items SET left_fen = 0 WHERE campaign_id = :id", "_left"),
        ("UPDATE goods_movement_items SET campaign_id = 'other' WHERE campaign_id = :id", "_movement"),
    ],
)
async def test_the_store_cannot_be_written_wrong(
    store: tuple[Service, str], change: str, constraint: str
) -> None:
    service, campaign_id = store
    with pytest.raises(IntegrityError, match=constraint):
        await service.rows_changed(change, id=campaign_id)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(service: Service) -> tuple[Service, str]:
    """A campaign with a gift and a distribution."""
    campaign_id = await launched(service.operator(DESK))
    item = (await given(service, campaign_id))["items"][0]["item_id"]
    await done(service, f"/campaigns/{campaign_id}/goods-distributions", a_distribution(item, 4))
    return service, campaign_id


async def test_nobody_changes_a_store_in_the_ledger_by_hand(service: Service) -> None:
    campaign_id = await launched(service.operator(DESK))
    voucher = {
        "day": TODAY,
        "note": "手工入库",
        "postings": [
            {"account": "1201", "side": "debit", "amount_fen": 5, "campaign_id": campaign_id},
            {"account": "1002", "side": "credit", "amount_fen": 5, "campaign_id": campaign_id},
        ],
    }
    refused = await service.operator(FINANCE).post("/ledger/vouchers", voucher)
    assert type_of(refused) == (422, "ledger-fund-by-hand")
    gift = await given(service, campaign_id)
    (sequence,) = (
        await service.rows(
            "SELECT sequence FROM ledger_entries WHERE subject = CAST(:id AS uuid)", id=gift["gift_id"]
        )
    )[0]
    reversal = {"journal": "books", "sequence": sequence, "note": "记错"}
    refused = await service.operator(FINANCE).post("/ledger/reversals", reversal)
    assert type_of(refused) == (409, "ledger-not-reversible")


async def test_the_ledgers_check_finds_a_store_that_was_changed(apart: Service) -> None:
    campaign_id = await launched(apart.operator(DESK))
    await given(apart, campaign_id, an_item(10, 1_000))
    await require_exact(apart)
    await apart.rows_changed("UPDATE goods_items SET left_fen = 999 WHERE campaign_id = :id", id=campaign_id)
    found = (await apart.operator(VIEWER).get("/ledger/check")).json()
    assert (found["exact"], found["unequal_stores"], found["unequal_funds"]) == (False, [campaign_id], [])
