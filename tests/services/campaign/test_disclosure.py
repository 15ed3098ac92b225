"""Reports: drawn up from the ledger at a position, frozen, published by a second person, corrected."""

import asyncio
import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from services.campaign.days import today_of
from shared.events.documents import decode
from tests.services.campaign.books import take
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    FINANCE_AND_APPROVER,
    SECOND_APPROVER,
    VIEWER,
    Source,
    a_disbursement,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGAN = date(2026, 1, 5)
AT = datetime(2026, 1, 6, 12, tzinfo=UTC)


async def an_appeal(service: Service, on: date = BEGAN) -> str:
    """An emergency appeal that was launched on a day and goes on."""
    window = {"window_start": f"{on}T08:00:00+08:00", "window_end": "2030-12-31T20:00:00+08:00"}
    return await launched(service.operator(DESK), on=on, kind="emergency_appeal", **window)


def asked(campaign_id: str, number: int = 0, **changes: Any) -> dict[str, Any]:
    """The body for the five-day report with this number, from 0 on."""
    first = BEGAN + timedelta(days=5 * number)
    return {"kind": "emergency", "campaign_id": campaign_id, "period_from": str(first)} | changes


async def drafted(service: Service, body: dict[str, Any], person: str = FINANCE) -> dict[str, Any]:
    answer = await service.operator(person).post("/disclosure/reports", body)
    assert answer.status_code == 201, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def published(service: Service, body: dict[str, Any]) -> dict[str, Any]:
    report = await drafted(service, body)
    return await publish(service, report)


async def publish(service: Service, report: dict[str, Any], person: str = APPROVER) -> dict[str, Any]:
    answer = await service.operator(person).post(
        f"/disclosure/reports/{report['report_id']}/publish", {"digest": report["digest"]}, if_match='"1"'
    )
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return report | done


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:shanliu:problem:")


def cells(report: dict[str, Any], table_id: str, column_id: str) -> dict[str, Any]:
    """A table's column, by the ids of its rows."""
    table = decode(json.dumps(report["document"])).table(table_id)
    return {row.id: table.value(row.id, column_id) for row in table.rows}


async def test_every_amount_of_a_report_is_the_ledgers_at_its_position(service: Service) -> None:
    """Made again from the journals by other code: Python over each posting, none of the report's SQL."""
    campaign_id = await an_appeal(service)
    wechat, alipay = Source(), Source(1)
    await take(service, [wechat.received(campaign_id, 70_001, AT), wechat.received(campaign_id, 3, AT)])
    await take(service, [alipay.received(campaign_id, 40_000, AT), alipay.reversed(campaign_id, 5, AT)])
    later = AT + timedelta(days=5)
    await take(
        service, [wechat.received(campaign_id, 1_000, later), wechat.reversed(campaign_id, 70_001, later)]
    )
    report = await drafted(service, asked(campaign_id, 1))
    await take(service, [wechat.received(campaign_id, 9, later)])

    entries = await ledger_of(service, report["document"]["position"]["journals"])
    opening, received, reversed_ = 0, 0, 0
    for entry, posting in entries:
        if posting["campaign_id"] != campaign_id or posting["account"] != "410101":
            continue
        grows = posting["side"] == "credit"
        if entry["booked_on"] < "2026-01-10":
            opening += posting["amount_fen"] if grows else -posting["amount_fen"]
        elif entry["booked_on"] <= "2026-01-14":
            received += posting["amount_fen"] if grows else 0
            reversed_ += 0 if grows else posting["amount_fen"]
    assert (opening, received, reversed_) == (109_999, 1_000, 70_001)
    assert cells(report, "fund", "period_fen") == {
        "opening": opening,
        "received": received,
        "reversed": reversed_,
        "spent": 0,
        "closing": opening + received - reversed_,
    }
    assert cells(report, "fund", "total_fen")["received"] == 111_004
    assert cells(report, "income", "net_fen")["total"] == received - reversed_
    accounts = cells(report, "accounts", "closing_debit_fen"), cells(report, "accounts", "closing_credit_fen")
    assert accounts[0]["total"] == accounts[1]["total"] == opening + received - reversed_


async def ledger_of(
    service: Service, journals: list[dict[str, Any]]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    found = []
    for head in journals:
        answer = await service.operator(VIEWER).get("/ledger/entries", journal=head["journal"], limit=200)
        entries = answer.json()["items"]
        found += [
            (entry, posting)
            for entry in entries
            for posting in entry["postings"]
            if entry["sequence"] <= head["sequence"]
        ]
        assert next(each for each in entries if each["sequence"] == head["sequence"])["hash"] == head["hash"]
    return found


async def test_what_one_has_drawn_up_another_publishes_with_the_digest_they_read(service: Service) -> None:
    campaign_id = await an_appeal(service)
    report = await drafted(service, asked(campaign_id), FINANCE_AND_APPROVER)
    path, body = f"/disclosure/reports/{report['report_id']}/publish", {"digest": report["digest"]}
    alone = await service.operator(FINANCE_AND_APPROVER).post(path, body, if_match='"1"')
    assert code(alone) == (403, "same-person")
    approver = service.operator(APPROVER)
    assert code(await approver.post(path, body)) == (428, "if-match-missing")
    assert code(await approver.post(path, {"digest": "0" * 64}, if_match='"1"')) == (
        409,
        "report-digest-differs",
    )
    done = await approver.post(path, body, if_match='"1"')
    assert done.status_code == 200, done.text
    assert code(await approver.post(path, body, if_match='"2"')) == (409, "report-step-not-allowed")
    (event,) = [
        each for each in await service.outbox(campaign_id) if each.type.startswith("org.shanliu.report")
    ]
    assert event.type == "org.shanliu.report.published.v1"
    assert hashlib.sha256(event.data.content.encode()).hexdigest() == event.data.digest == report["digest"]
    assert json.loads(event.data.content) == without_null(report["document"])
    assert "wang" not in event.data.content
    assert "zhao" not in event.data.content


def without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_null(each) for name, each in value.items() if each is not None}
    return value if not isinstance(value, list) else [without_null(each) for each in value]


async def test_two_who_draw_up_the_same_report_at_once_get_one(service: Service) -> None:
    campaign_id = await an_appeal(service)
    answers = await asyncio.gather(
        *(
            service.operator(who).post("/disclosure/reports", asked(campaign_id))
            for who in (FINANCE, FINANCE_AND_APPROVER)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_two_who_publish_at_once_publish_once(service: Service) -> None:
    campaign_id = await an_appeal(service)
    report = await drafted(service, asked(campaign_id))
    path, body = f"/disclosure/reports/{report['report_id']}/publish", {"digest": report["digest"]}
    answers = await asyncio.gather(
        *(service.operator(who).post(path, body, if_match='"1"') for who in (APPROVER, SECOND_APPROVER))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert (await service.announced(campaign_id)).count("report.published") == 1


async def test_a_correction_says_what_it_changes_and_the_report_before_stays(service: Service) -> None:
    campaign_id = await an_appeal(service)
    source = Source()
    await take(service, [source.received(campaign_id, 1_000, AT)])
    first = await published(service, asked(campaign_id))
    path = f"/disclosure/reports/{first['report_id']}/correction"
    finance = service.operator(FINANCE)
    empty = await finance.post(path, {"reason": "无"}, if_match='"2"')
    assert code(empty) == (409, "report-correction-empty")
    await take(service, [source.received(campaign_id, 50, AT)])
    answer = await finance.post(path, {"reason": "补记一笔迟到的捐赠", "remarks": ["说明"]}, if_match='"2"')
    assert answer.status_code == 201, answer.text
    second = await publish(service, answer.json())
    corrects = second["document"]["corrects"]
    assert (corrects["report_id"], corrects["digest"]) == (first["report_id"], first["digest"])
    told = {(each["row"], each["column"]): (each["before"], each["after"]) for each in corrects["changes"]}
    assert told["加：接受捐赠（货币） Donations", "本期金额"] == (1_000, 1_050)
    assert told["加：接受捐赠（货币） Donations", "本期笔数"] == (1, 2)
    assert told["", ""] == (None, "说明")
    kept = (await finance.get(f"/disclosure/reports/{first['report_id']}")).json()
    assert kept["document"] == first["document"]
    event = (await service.outbox(campaign_id))[-1]
    assert (event.type, str(event.data.corrects)) == ("org.shanliu.report.corrected.v1", first["report_id"])
    again = await finance.post(path, {"reason": "再"}, if_match='"2"')
    assert code(again) == (409, "report-corrected")


async def test_the_calendar_says_what_is_late_due_and_published(service: Service) -> None:
    campaign_id = await an_appeal(service)
    await published(service, asked(campaign_id))
    answer = await service.operator(VIEWER).get("/disclosure/calendar", campaign_id=campaign_id, limit=3)
    page = answer.json()
    assert [(each["state"], each["due_on"]) for each in page["items"]] == [
        ("published_late", "2026-01-10"),
        ("late", "2026-01-15"),
        ("late", "2026-01-20"),
    ]
    rest = await service.operator(VIEWER).get(
        "/disclosure/calendar", campaign_id=campaign_id, after=page["next"], limit=200
    )
    assert rest.json()["items"][0]["due_on"] == "2026-01-25"
    assert page["late"] == 1 + sum(each["state"] == "late" for each in rest.json()["items"]) + 1


@pytest.mark.parametrize(
    ("changes", "status", "problem"),
    [
        pytest.param({"period_from": "2026-01-06"}, 422, "report-not-in-calendar", id="another first day"),
        pytest.param({"kind": "quarterly"}, 422, "report-not-in-calendar", id="another kind"),
        pytest.param({"kind": "annual"}, 422, "invalid-field", id="an annual report of a campaign"),
        pytest.param({"period_to": "2026-01-20"}, 422, "report-period-refused", id="another last day"),
        pytest.param({"campaign_id": "nobody"}, 404, "not-found", id="an unknown campaign"),
    ],
)
async def test_only_what_the_calendar_asks_for_is_drawn_up(
    service: Service, changes: dict[str, Any], status: int, problem: str
) -> None:
    campaign_id = await an_appeal(service)
    answer = await service.operator(FINANCE).post("/disclosure/reports", asked(campaign_id) | changes)
    assert code(answer) == (status, problem)


async def test_days_that_are_not_over_have_no_report(service: Service) -> None:
    today = today_of(datetime.now(UTC))
    campaign_id = await an_appeal(service, today)
    answer = await service.operator(FINANCE).post(
        "/disclosure/reports", asked(campaign_id, period_from=str(today))
    )
    assert code(answer) == (409, "report-period-not-over")


async def test_a_withdrawn_draft_makes_room(service: Service) -> None:
    campaign_id = await an_appeal(service)
    report = await drafted(service, asked(campaign_id))
    again = await service.operator(FINANCE).post("/disclosure/reports", asked(campaign_id))
    assert code(again) == (409, "report-exists")
    gone = await service.operator(APPROVER).post(
        f"/disclosure/reports/{report['report_id']}/withdraw", {"reason": "漏了附注"}, if_match='"1"'
    )
    assert gone.json()["state"] == "withdrawn"
    await drafted(service, asked(campaign_id))


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE reports SET title = 'x' WHERE report_id = :id", "what is frozen stays"),
        ("UPDATE reports SET version = 3 WHERE report_id = :id", "what is frozen stays"),
        ("DELETE FROM reports WHERE report_id = :id", "what is frozen stays"),
    ],
)
async def test_what_is_published_cannot_be_changed_by_hand(
    service: Service, statement: str, constraint: str
) -> None:
    report = await published(service, asked(await an_appeal(service)))
    with pytest.raises(IntegrityError, match=constraint):
        await service.rows_changed(statement, id=report["report_id"])


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("content = content || ' '", "what is frozen stays"),
        ("state = 'published', decided_by = asked_by, decided_at = now()", "reports_two_people"),
        ("state = 'published'", "reports_decided"),
        ("state = 'withdrawn', decided_by = 'zhao', decided_at = now()", "reports_withdrawn"),
    ],
)
async def test_a_draft_can_become_nothing_else(service: Service, change: str, constraint: str) -> None:
    report = await drafted(service, asked(await an_appeal(service)))
    with pytest.raises(IntegrityError, match=constraint):
        await service.rows_changed(
            f"UPDATE reports SET {change} WHERE report_id = :id", id=report["report_id"]
        )


# ---------------------------------------------------------------- a year of an organisation

FILED_IN = {"organisation": ..., "licence": ..., "kind": "programme"}


async def an_organisation(service: Service, organisation_id: str, parent_id: str | None = None) -> None:
    body = {
        "organisation_id": organisation_id,
        "name": f"{organisation_id}慈善会",
        "licence": f"L-{organisation_id}",
        "contact": "0512-1",
        "query_method": "慈善中国",
    }
    answer = await service.operator(ADMINISTRATOR).post("/organisations", body | {"parent_id": parent_id})
    assert answer.status_code == 201, answer.text


async def a_programme(service: Service, organisation_id: str) -> str:
    window = {"window_start": "2025-02-01T00:00:00+08:00", "window_end": "2029-12-31T20:00:00+08:00"}
    return await launched(
        service.operator(DESK),
        on=date(2025, 2, 1),
        organisation_id=organisation_id,
        uses=["助医", "助学", "助老"],
        cost_fen=10_000,
        **FILED_IN,
        **window,
    )


async def paid(service: Service, campaign_id: str, amount_fen: int, on: str, **changes: Any) -> str:
    """The id of a disbursement that was paid on a day."""
    body = a_disbursement(amount_fen, requested_on=on, **changes)
    asked = await service.operator(FINANCE).post(f"/campaigns/{campaign_id}/disbursements", body)
    assert asked.status_code == 201, asked.text
    disbursement_id: str = asked.json()["disbursement_id"]
    path = f"/disbursements/{disbursement_id}"
    assert (await service.operator(APPROVER).decide(path, "approve")).status_code == 200
    answer = await service.operator(FINANCE).decide(path, "pay", {"paid_on": on})
    assert answer.status_code == 200, answer.text
    return disbursement_id


async def test_a_year_is_reported_by_its_organisation_and_rolls_up(service: Service) -> None:
    city, county = new_campaign_id("city"), new_campaign_id("county")
    await an_organisation(service, city)
    await an_organisation(service, county, city)
    first, second = await a_programme(service, city), await a_programme(service, city)
    third = await a_programme(service, county)
    source = Source()
    at = datetime(2025, 6, 1, 4, tzinfo=UTC)
    before = datetime(2025, 12, 31, 15, 59, tzinfo=UTC)
    after = datetime(2025, 12, 31, 16, tzinfo=UTC)
    given = [(first, 900_001, at), (second, 100, before), (first, 5, after), (third, 70_000, at)]
    await take(service, [source.received(campaign, fen, when) for campaign, fen, when in given])
    await take(service, [source.reversed(first, 1, at)])
    helped = {"use": "助学", "title": "2025年助学", "beneficiaries": 1217}
    also = {"also_helped": [{"count": 9614, "unit": "台", "of": "烟感报警器"}]}
    came_back = await paid(service, first, 300_000, "2025-07-01", **helped)
    await paid(service, first, 200_001, "2025-08-01", use="助老", beneficiaries=76, **also)
    await paid(service, first, 10_000, "2025-09-01", category="management", beneficiaries=0)
    await paid(service, third, 60_000, "2025-09-01")
    returned = {"amount_fen": 1_000, "returned_on": "2025-10-01", "reason": "多付"}
    path = f"/disbursements/{came_back}"
    asked_back = await service.operator(FINANCE).post(f"{path}/return", returned, if_match='"3"')
    assert asked_back.status_code == 201, asked_back.text
    confirmed = await service.operator(FINANCE_AND_APPROVER).decide(path, "return/confirm")
    assert confirmed.status_code == 200, confirmed.text

    body = {"kind": "annual", "organisation_id": city, "period_from": "2025-01-01"}
    report = await published(service, body)
    assert report["title"] == f"{city}慈善会2025年度财务收支报告"
    assert cells(report, "fund", "period_fen") == {
        "opening": 0,
        "received": 900_101,
        "reversed": 1,
        "spent": 510_001,
        "returned": 1_000,
        "closing": 391_099,
    }
    closing = cells(report, "campaigns", "closing_fen")
    assert closing == {first: 390_999, second: 100, "total": 391_099}
    uses = cells(report, "spending", "amount_fen")
    assert sorted(uses.values()) == [10_000, 200_001, 300_000, 510_001]
    assert cells(report, "spending", "returned_fen")["total"] == 1_000
    assert cells(report, "beneficiaries", "number") == {
        "person_times": 1217 + 76,
        "also/烟感报警器/台": 9614,
    }
    shares = cells(report, "categories", "share")
    assert shares == {"programme": 9803, "management": 196, "fundraising": 0, "total": 10_000}
    assert cells(report, "organisations", "received_fen") == {city: 900_101, county: 70_000, "total": 970_101}
    assert cells(report, "organisations", "campaigns") == {city: 2, county: 1, "total": 3}
    trial = [cells(report, "accounts", f"closing_{side}_fen")["total"] for side in ("debit", "credit")]
    assert trial[0] == trial[1]
    (event,) = [each for each in await service.outbox(city) if "report" in each.type]
    assert (event.data.organisation_id, event.data.campaign_id) == (city, None)
    asked = await service.operator(VIEWER).get("/disclosure/calendar", organisation_id=city, limit=200)
    calendar = asked.json()["items"]
    assert {each["campaign_id"] for each in calendar} == {None, first, second, third}
    whose = {(each["campaign_id"], each["organisation_id"]) for each in calendar}
    assert whose == {(None, city), (None, county), (first, city), (second, city), (third, county)}
    own = [each for each in calendar if each["campaign_id"] is None and each["organisation_id"] == city]
    assert [(each["period_to"], each["state"]) for each in own] == [
        ("2025-12-31", "published_late"),
        ("2026-12-31", "running"),
    ]
