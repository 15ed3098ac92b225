"""Years from before the ledger: stated by one, confirmed by another, used where the ledger has nothing."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from httpx import Response
from sqlalchemy.exc import IntegrityError

from services.campaign.days import DONOR_TIME
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    DESK,
    FINANCE,
    FINANCE_AND_APPROVER,
    GUSU,
    ORGANISATIONS,
    SECOND_APPROVER,
    SECOND_FINANCE,
    VIEWER,
    WUJIANG,
    Source,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")


def a_year(year: int = 2022, **changes: Any) -> dict[str, Any]:
    """A year of 1000 fen that spent 900, 40 of them on itself."""
    figures = {"income_fen": 1000, "programme_fen": 800, "management_fen": 40, "spending_fen": 900}
    return {"year": year, **figures, "reference": "苏审字〔2023〕7号"} | changes


async def an_organisation(service: Service, organisation_id: str = "", **changes: Any) -> str:
    organisation_id = organisation_id or new_campaign_id("town")
    body = {"organisation_id": organisation_id, "name": organisation_id, "licence": f"慈-{organisation_id}"}
    answer = await service.operator(ADMINISTRATOR).post("/organisations", body | changes)
    assert answer.status_code == 201, answer.text
    return organisation_id


async def state(service: Service, organisation_id: str, person: str = FINANCE, **changes: Any) -> Response:
    path = f"/organisations/{organisation_id}/stated-years"
    return await service.operator(person).post(path, a_year(**changes))


async def stated(service: Service, organisation_id: str, person: str = FINANCE, **changes: Any) -> str:
    """The path of a statement that waits."""
    answer = await state(service, organisation_id, person, **changes)
    assert answer.status_code == 201, answer.text
    return f"/stated-years/{answer.json()['statement_id']}"


async def ratios(service: Service, organisation_id: str, year: int) -> dict[str, Any]:
    answer = await service.operator(VIEWER).get(f"/organisations/{organisation_id}/ratios", year=year)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bases(found: dict[str, Any]) -> list[str]:
    return [each["basis"] for each in found["basis"]]


def problem(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:shanliu:problem:")


async def test_a_stated_year_counts_from_its_confirmation_until_the_ledger_has_the_year(
    service: Service,
) -> None:
    organisation_id = await an_organisation(service)
    last = datetime.now(DONOR_TIME).year - 1
    path = await stated(service, organisation_id, year=last)
    before = await ratios(service, organisation_id, last + 1)
    assert (before["last_income_fen"], bases(before)) == (0, ["none"] * 4)

    confirmed = await service.operator(APPROVER).decide(path, "confirm")
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "done")
    found = await ratios(service, organisation_id, last + 1)
    assert (found["last_income_fen"], found["mean_income_fen"]) == (1000, 333)
    assert bases(found) == ["none", "stated", "none", "none"]
    own_year = await ratios(service, organisation_id, last)
    assert (own_year["programme_fen"], own_year["management_bp"]) == (800, 445)
    assert bases(own_year) == ["stated", "none", "none", "none"]

    own = {"organisation_id": organisation_id, "organisation": ..., "licence": ...}
    campaign_id = await launched(service.operator(DESK), **own)
    await service.book([Source().received(campaign_id, 70, datetime(last, 6, 1, tzinfo=UTC))])
    later = await ratios(service, organisation_id, last + 1)
    assert (later["last_income_fen"], bases(later)) == (70, ["none", "ledger", "none", "none"])


async def test_what_the_ledger_has_is_neither_stated_nor_confirmed(service: Service) -> None:
    organisation_id = await an_organisation(service)
    own = {"organisation_id": organisation_id, "organisation": ..., "licence": ...}
    campaign_id = await launched(service.operator(DESK), **own)
    path = await stated(service, organisation_id, year=2024)
    await service.book([Source().received(campaign_id, 70, datetime(2024, 6, 1, tzinfo=UTC))])
    refused = await service.operator(APPROVER).decide(path, "confirm")
    assert problem(refused) == (409, "stated-year-in-ledger")
    assert (await service.operator(FINANCE).decide(path, "withdraw")).json()["state"] == "withdrawn"
    refused = await state(service, organisation_id, year=2024)
    assert problem(refused) == (409, "stated-year-in-ledger")
    assert refused.json()["income_fen"] == 70
    other = await an_organisation(service)
    assert (await state(service, other, year=2024)).status_code == 201, "the ledger has it of another"


async def test_a_year_that_is_not_over_or_does_not_add_up_is_refused(service: Service) -> None:
    organisation_id = await an_organisation(service)
    this_year = datetime.now(DONOR_TIME).year
    for year in (this_year, this_year + 1):
        refused = await state(service, organisation_id, year=year)
        assert problem(refused) == (422, "stated-year-not-over")
    refused = await state(service, organisation_id, spending_fen=839)
    assert problem(refused) == (422, "stated-year-parts-exceed-spending")
    for wrong in ({"year": 1999}, {"income_fen": -1}, {"spending_fen": 10**13 + 1}, {"reference": ""}):
        refused = await state(service, organisation_id, **wrong)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, next(iter(wrong)))
    assert problem(await state(service, "never-heard-of")) == (404, "not-found")
    listed = await service.operator(VIEWER).get(f"/organisations/{organisation_id}/stated-years")
    assert listed.json() == {"items": [], "next": None}


async def test_two_people_and_one_statement_of_a_year(service: Service) -> None:
    organisation_id = await an_organisation(service)
    path = await stated(service, organisation_id, FINANCE_AND_APPROVER)
    both, approver = service.operator(FINANCE_AND_APPROVER), service.operator(APPROVER)
    assert problem(await both.decide(path, "confirm")) == (403, "same-person")
    assert problem(await service.operator(SECOND_FINANCE).decide(path, "confirm")) == (403, "role-missing")
    assert problem(await approver.post(f"{path}/confirm")) == (428, "if-match-missing")
    assert problem(await approver.post(f"{path}/confirm", if_match='"2"')) == (412, "version-changed")
    assert problem(await state(service, organisation_id)) == (409, "stated-year-exists")
    assert (await both.decide(path, "withdraw")).status_code == 200
    assert problem(await approver.decide(path, "confirm")) == (409, "stated-year-decided")

    again = await stated(service, organisation_id, income_fen=1100)
    assert (await approver.decide(again, "confirm")).status_code == 200
    assert problem(await both.decide(again, "withdraw")) == (409, "stated-year-decided")
    assert problem(await state(service, organisation_id)) == (409, "stated-year-exists")
    address = f"/organisations/{organisation_id}/stated-years"
    first = (await service.operator(VIEWER).get(address, limit=1)).json()
    rest = (await service.operator(VIEWER).get(address, after=first["next"])).json()
    assert [
        (each["state"], each["asked_by"], each["decided_by"]) for each in first["items"] + rest["items"]
    ] == [
        ("withdrawn", FINANCE_AND_APPROVER, FINANCE_AND_APPROVER),
        ("done", FINANCE, APPROVER),
    ]


async def test_of_two_at_once_one_counts(service: Service) -> None:
    organisation_id = await an_organisation(service)
    recorded = await asyncio.gather(
        *(state(service, organisation_id, person) for person in (FINANCE, SECOND_FINANCE))
    )
    assert sorted(answer.status_code for answer in recorded) == [201, 409]
    one = next(answer for answer in recorded if answer.status_code == 201)
    path = f"/stated-years/{one.json()['statement_id']}"
    decided = await asyncio.gather(
        *(
            service.operator(person).post(f"{path}/{step}", if_match=one.headers["ETag"])
            for person, step in ((APPROVER, "confirm"), (SECOND_APPROVER, "confirm"), (FINANCE, "withdraw"))
        )
    )
    assert sorted(answer.status_code for answer in decided) == [200, 412, 412]


async def test_a_county_states_and_confirms_its_own_years_alone(apart: Service) -> None:
    for organisation_id, (parent_id, _) in ORGANISATIONS.items():
        await an_organisation(apart, organisation_id, parent_id=parent_id)
    other, own = await stated(apart, WUJIANG), await stated(apart, GUSU, f"{GUSU}.finance")
    missing = (403, "organisation-role-missing")
    assert problem(await state(apart, WUJIANG, f"{GUSU}.finance", year=2021)) == missing
    approver = apart.operator(f"{GUSU}.approver")
    for step in ("confirm", "withdraw"):
        assert problem(await approver.post(f"{other}/{step}", if_match='"1"')) == missing
    assert problem(await approver.get(other)) == missing
    assert problem(await approver.get(f"/organisations/{WUJIANG}/stated-years")) == missing
    assert (await approver.decide(own, "confirm")).status_code == 200


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("state = 'done', decided_by = asked_by, decided_at = now()", "stated_years_two_people"),
        ("state = 'done'", "stated_years_decided"),
        ("state = 'over'", "stated_years_(state|decided)"),
        ("year = 1999", "stated_years_year"),
        ("year = 2198", "stated_years_over"),
        ("income_fen = -1", "stated_years_income"),
        ("spending_fen = 839", "stated_years_parts"),
        ("version = 0", "stated_years_version"),
    ],
)
async def test_what_must_not_exist_cannot_be_written(service: Service, change: str, constraint: str) -> None:
    organisation_id = await an_organisation(service)
    await stated(service, organisation_id)
    with pytest.raises(IntegrityError, match=constraint):
        await service.rows_changed(
            f"UPDATE stated_years SET {change} WHERE organisation_id = :id",
            id=organisation_id,
        )


async def test_an_organisation_that_is_not_registered_has_no_ratios(service: Service) -> None:
    answer = await service.operator(VIEWER).get("/organisations/nobody-knows-it/ratios", year=2024)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:shanliu:problem:not-found")
