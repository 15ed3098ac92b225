"""Money in hand, entered in the hall: it counts, can be taken back in time, and the drawer must hold it."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from prometheus_client import REGISTRY
from sqlalchemy import text

from services.donation.accepting import Acceptance
from shared.problems import Problem
from tests.services.donation.builders import a_donor, bearer, new_id
from tests.services.donation.places import Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")


def a_hall() -> str:
    return new_id("hall")[:20]


async def post(
    service: Service, path: str, body: dict[str, Any], person: str = "desk", key: str | None = None
) -> Response:
    headers = bearer(person) | {"idempotency-key": key or uuid4().hex}
    return await service.http.post(f"/v1/desk/{path}", json=body, headers=headers)


async def an_entry(service: Service, hall: str, **changes: Any) -> dict[str, Any]:
    """The body of 100 yuan in cash for a campaign that is running."""
    campaign_id = changes.pop("campaign_id", None) or await service.place.campaign()
    return {"hall": hall, "method": "cash", "amount_fen": 10_000, "campaign_id": campaign_id} | changes


async def entered(service: Service, hall: str, **changes: Any) -> dict[str, Any]:
    answer = await post(service, "entries", await an_entry(service, hall, **changes))
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_cash_counts_and_says_until_when_it_can_be_undone(service: Service) -> None:
    hall = a_hall()
    entry = await entered(service, hall, donor=a_donor(name="李芳"), note="纸币")
    view = await service.status(entry["entry_id"], "received")
    assert view["position"]["source"].startswith("intake.desk/")
    at, to = (datetime.fromisoformat(entry[field]) for field in ("entered_at", "undo_until"))
    assert to - at == timedelta(minutes=10)
    assert (entry["number"], entry["entered_by"]) == ("1", "desk")
    (row,) = await service.place.rows(
        "SELECT donor_name, amount_fen, channel FROM donations WHERE donation_id = :d", d=entry["entry_id"]
    )
    assert row == ("李芳", 10_000, "desk")
    assert (await entered(service, hall))["number"] == "2"


async def test_what_the_donor_said_stays_in_the_donation_alone(service: Service) -> None:
    entry = await entered(service, a_hall(), donor=a_donor(name="某位捐款人"))
    await service.status(entry["entry_id"], "received")
    bodies = await service.place.rows(
        "SELECT body FROM desk_messages WHERE entry_id = :e", e=entry["entry_id"]
    )
    assert bodies == [(None,)]


async def test_a_placard_typed_twice_is_the_entry_that_is_there(service: Service) -> None:
    hall = a_hall()
    body = await an_entry(service, hall, method="placard", placard="17", amount_fen=5_000_000)
    first = await post(service, "entries", body)
    again = await post(service, "entries", body | {"note": "又一次"}, person="admin")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = await post(service, "entries", body | {"amount_fen": 500_000})
    assert other.status_code == 409
    problem = other.json()
    assert problem["type"] == "urn:shanliu:problem:number-taken"
    assert problem["entry"]["amount_fen"] == 5_000_000
    assert problem["errors"][0]["field"] == "placard"
    elsewhere = await post(service, "entries", body | {"hall": a_hall()})
    assert elsewhere.status_code == 201, "another hall has placards of its own"
    total = await service.place.value(
        "SELECT sum(amount_fen) FROM desk_entries WHERE hall = :h AND undone_at IS NULL", h=hall
    )
    assert total == 5_000_000


async def test_a_placard_typed_wrong_can_be_undone_and_typed_right(service: Service) -> None:
    hall, campaign_id = a_hall(), await service.place.campaign()
    placard = {"method": "placard", "placard": "8", "campaign_id": campaign_id}
    wrong = await entered(service, hall, amount_fen=50_000_000, **placard)
    undone = await post(service, f"entries/{wrong['entry_id']}/undo", {"reason": "多一个零"})
    assert undone.status_code == 200, undone.text
    right = await entered(service, hall, amount_fen=5_000_000, **placard)
    assert right["transaction_id"] != wrong["transaction_id"]
    assert (await service.status(wrong["entry_id"], "reversed"))["reversed_fen"] == 50_000_000
    await service.status(right["entry_id"], "received")
    (row,) = await service.place.rows(
        "SELECT kind, amount_fen, reason FROM reversals WHERE donation_id = :d", d=wrong["entry_id"]
    )
    assert row == ("void", 50_000_000, "多一个零")
    twice = await post(service, f"entries/{wrong['entry_id']}/undo", {"reason": "x"})
    assert (twice.status_code, twice.json()["type"]) == (409, "urn:shanliu:problem:entry-undone")


async def test_a_cheque_needs_its_number_and_is_taken_once(service: Service) -> None:
    body = await an_entry(service, a_hall(), method="cheque", cheque_number="0012345")
    assert (await post(service, "entries", body)).status_code == 201
    assert (await post(service, "entries", body)).status_code == 200
    assert (await post(service, "entries", body | {"amount_fen": 1})).status_code == 409
    without = await post(service, "entries", body | {"cheque_number": None})
    assert without.json()["errors"] == [{"field": "cheque_number", "message": "is missing"}]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"method": "cheque", "cheque_number": None}, "cheque_number"),
        ({"method": "placard"}, "placard"),
        ({"placard": "1"}, "placard"),
        ({"amount_fen": 0}, "amount_fen"),
        ({"amount_fen": 1.5}, "amount_fen"),
        ({"hall": "A hall"}, "hall"),
        ({"campaign_id": "mistyped"}, "campaign_id"),
        ({"donor": {"kind": "person", "display": "name"}}, "donor"),
        ({"transaction_id": "mine"}, "transaction_id"),
    ],
    ids=str,
)
async def test_an_entry_typed_wrong_is_told_its_field(
    service: Service, change: dict[str, Any], field: str
) -> None:
    answer = await post(service, "entries", await an_entry(service, a_hall()) | change)
    assert answer.status_code == 422, answer.text
    assert field in {error["field"].partition(".")[0] for error in answer.json()["errors"]}


async def test_the_same_command_twice_is_one_entry(service: Service) -> None:
    hall = a_hall()
    body, key = await an_entry(service, hall), uuid4().hex
    answers = await asyncio.gather(*(post(service, "entries", body, key=key) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["entry_id"] for answer in answers}) == 1
    assert (await post(service, "entries", body | {"amount_fen": 1}, key=key)).status_code == 422
    assert await service.place.value("SELECT count(*) FROM desk_entries WHERE hall = :h", h=hall) == 1


async def test_who_entered_it_can_undo_it_in_time_and_finance_later(service: Service) -> None:
    hall = a_hall()
    entry = await entered(service, hall)
    path = f"entries/{entry['entry_id']}/undo"
    await over(service, entry)
    late = await post(service, path, {"reason": "x"})
    assert (late.status_code, late.json()["type"]) == (409, "urn:shanliu:problem:undo-over")
    assert (await post(service, path, {"reason": "x"}, person="viewer")).status_code == 403
    voided = await post(service, path, {"reason": "假币"}, person="finance")
    assert voided.status_code == 200, voided.text
    assert (voided.json()["undone_by"], voided.json()["undo_reason"]) == ("finance", "假币")
    await service.status(entry["entry_id"], "reversed")


async def over(service: Service, entry: dict[str, Any]) -> None:
    """Have the time to undo an entry be over."""
    async with service.place.engine.begin() as connection:
        await connection.execute(
            text("UPDATE desk_entries SET undo_until = now() - interval '1 second' WHERE entry_id = :e"),
            {"e": entry["entry_id"]},
        )


async def test_an_entry_is_undone_by_nobody_else(service: Service) -> None:
    answer = await post(service, "entries", await an_entry(service, a_hall()), person="admin")
    path = f"entries/{answer.json()['entry_id']}/undo"
    assert (await post(service, path, {"reason": "x"})).json()["type"].endswith("entry-of-another")
    assert (await post(service, f"entries/{uuid4()}/undo", {"reason": "x"})).status_code == 404


async def test_a_drawer_is_closed_with_what_was_counted_and_its_difference(service: Service) -> None:
    hall, campaign_id = a_hall(), await service.place.campaign()
    for fen in (10_000, 2_500):
        await entered(service, hall, amount_fen=fen, campaign_id=campaign_id)
    mistake = await entered(service, hall, amount_fen=99, campaign_id=campaign_id)
    await post(service, f"entries/{mistake['entry_id']}/undo", {"reason": "x"})
    cheque = {"method": "cheque", "cheque_number": "77", "campaign_id": campaign_id}
    kept = await entered(service, hall, amount_fen=300_000, **cheque)

    drawer = await service.http.get(f"/v1/desk/drawers/{hall}", headers=bearer("viewer"))
    assert [(each["method"], each["entries"], each["entered_fen"]) for each in drawer.json()["sums"]] == [
        ("cash", 2, 12_500),
        ("cheque", 1, 300_000),
    ]
    counted = {"counted_fen": {"cash": 12_400, "cheque": 300_000}, "note": "少一元"}
    closed = await post(service, f"drawers/{hall}/close", counted)
    assert closed.status_code == 201, closed.text
    assert closed.json()["difference_fen"] == -100
    assert (await service.http.get(f"/v1/desk/drawers/{hall}", headers=bearer("viewer"))).json()["sums"] == []
    (listed,) = (await service.http.get(f"/v1/desk/drawers/{hall}/closings", headers=bearer("desk"))).json()
    assert listed == closed.json()

    late = await post(service, f"entries/{kept['entry_id']}/undo", {"reason": "x"})
    assert (late.status_code, late.json()["type"]) == (409, "urn:shanliu:problem:undo-over")
    empty = await post(service, f"drawers/{hall}/close", {"counted_fen": {"cash": 0}})
    assert empty.status_code == 404


async def test_a_hall_that_nobody_has_entered_anything_in_has_no_drawer_to_close(service: Service) -> None:
    """A mistyped name: it would be written down where nobody looks, and the real drawer left open."""
    answer = await post(service, f"drawers/{a_hall()}/close", {"counted_fen": {"cash": 12_400}})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:shanliu:problem:hall-unknown")


async def test_money_without_an_entry_is_a_difference_in_a_hall_that_is_known(service: Service) -> None:
    hall = a_hall()
    entry = await entered(service, hall)
    await post(service, f"entries/{entry['entry_id']}/undo", {"reason": "x"})
    closed = await post(service, f"drawers/{hall}/close", {"counted_fen": {"cash": 100}})
    assert (closed.status_code, closed.json()["difference_fen"]) == (201, 100)


async def test_the_metrics_say_which_drawers_are_open_and_what_can_be_undone(service: Service) -> None:
    hall = a_hall()

    async def measured(name: str) -> float:
        await service.place.rows("SELECT 1")
        return REGISTRY.get_sample_value(f"shanliu_desk_{name}") or 0

    async def stand() -> tuple[int, int]:
        (row,) = await service.place.rows(
            "SELECT count(DISTINCT hall), count(*) FILTER (WHERE undo_until > now()) FROM desk_entries"
            " WHERE closing_id IS NULL AND undone_at IS NULL"
        )
        return row[0], row[1]

    await entered(service, hall)
    drawers, undoable = await stand()

    async def shown() -> bool:
        return (await measured("open_drawers"), await measured("undoable_entries")) == (drawers, undoable)

    assert drawers >= 1
    await until(shown)


async def test_the_list_of_tonight_is_newest_first_and_has_parts(service: Service) -> None:
    hall, campaign_id = a_hall(), await service.place.campaign()
    for fen in (1, 2, 3):
        await entered(service, hall, amount_fen=fen, campaign_id=campaign_id)
    first = await service.http.get(
        "/v1/desk/entries", params={"hall": hall, "limit": 2}, headers=bearer("viewer")
    )
    assert [each["amount_fen"] for each in first.json()["items"]] == [3, 2]
    rest = await service.http.get(
        "/v1/desk/entries",
        params={"hall": hall, "limit": 2, "before": first.json()["next"]},
        headers=bearer("viewer"),
    )
    assert ([each["amount_fen"] for each in rest.json()["items"]], rest.json()["next"]) == ([1], None)


async def test_what_the_broker_does_not_take_is_sent_when_it_does(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is given all the same: the entry is written down with what has to be sent."""

    async def away(*_: Any, **__: Any) -> None:
        raise Problem(503, "not-confirmed", "away")

    with monkeypatch.context() as broken:
        broken.setattr(Acceptance, "take", away)
        entry = await entered(service, a_hall())
        undo = await post(service, f"entries/{entry['entry_id']}/undo", {"reason": "x"})
        assert undo.status_code == 200
        assert (await service.http.get(f"/v1/donations/{entry['entry_id']}")).status_code == 404
    assert (await service.status(entry["entry_id"], "reversed"))["reversed_fen"] == 10_000

    async def emptied() -> bool:
        waiting = "SELECT count(*) FROM desk_messages WHERE entry_id = :e AND body IS NOT NULL"
        return not await service.place.value(waiting, e=entry["entry_id"])

    await until(emptied)


@pytest.mark.parametrize("person", ["viewer", "finance"])
async def test_only_the_desk_enters(service: Service, person: str) -> None:
    body = await an_entry(service, a_hall())
    assert (await post(service, "entries", body, person=person)).status_code == 403
    assert (await service.http.get("/v1/desk/entries")).status_code == 401
    assert (await service.http.get("/v1/desk/entries", headers=bearer(person))).status_code == 200
    headers = bearer("desk")
    assert (await service.http.post("/v1/desk/entries", json=body, headers=headers)).status_code == 400
