"""The register of organisations, and what rolls up it, on the real database."""

import asyncio
from typing import Any

import pytest
from httpx import Response
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.events import OrganisationRegistered
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    APPROVER,
    CITY,
    DESK,
    FINANCE,
    GUSU,
    ORGANISATIONS,
    TOWN,
    VIEWER,
    WUJIANG,
    Source,
    a_campaign,
    a_disbursement,
    launched,
    new_campaign_id,
)
from tests.services.campaign.conftest import Service, short_type

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def register(
    service: Service, organisation_id: str, person: str = ADMINISTRATOR, **changes: Any
) -> Response:
    parent_id, name = ORGANISATIONS.get(organisation_id, (None, f"慈善会 {organisation_id}"))
    body = {"organisation_id": organisation_id, "parent_id": parent_id, "name": name} | changes
    return await service.operator(person).post("/organisations", body)


async def the_federation(service: Service) -> None:
    """Register what is not there yet."""
    for organisation_id in ORGANISATIONS:
        answer = await register(service, organisation_id)
        assert answer.status_code in {201, 409}, answer.text


def refused(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_an_organisation_is_registered_in_its_place_and_announced(apart: Service) -> None:
    await the_federation(apart)
    read = (await apart.operator(VIEWER).get(f"/organisations/{TOWN}")).json()
    assert (read["parent_id"], read["depth"], read["version"]) == (WUJIANG, 3, 1)
    (event,) = await apart.outbox(TOWN)
    assert isinstance(event, OrganisationRegistered)
    assert (event.data.parent_id, event.data.name) == (WUJIANG, ORGANISATIONS[TOWN][1])


async def test_what_does_not_fit_the_register_is_refused(apart: Service) -> None:
    await the_federation(apart)
    assert refused(await register(apart, CITY)) == (409, "organisation-exists")
    same_name = await register(apart, "another", name=ORGANISATIONS[CITY][1])
    assert refused(same_name) == (409, "organisation-exists")
    assert refused(await register(apart, "lost", parent_id="nowhere")) == (404, "not-found")
    assert refused(await register(apart, "self", parent_id="self")) == (404, "not-found")
    assert (await register(apart, "village", parent_id=TOWN)).status_code == 201
    assert refused(await register(apart, "house", parent_id="village")) == (409, "organisation-too-deep")
    assert refused(await register(apart, "Bad Id")) == (422, "invalid-field")
    assert refused(await register(apart, "desk", DESK)) == (403, "role-missing")


async def test_whoever_administers_an_organisation_registers_below_it_alone(apart: Service) -> None:
    await the_federation(apart)
    person = f"{WUJIANG}.administrator"
    assert (await register(apart, "wujiang-songling", person, parent_id=WUJIANG)).status_code == 201
    for elsewhere in (None, CITY, GUSU):
        answer = await register(apart, "elsewhere", person, parent_id=elsewhere)
        assert refused(answer) == (403, "organisation-role-missing")


async def test_the_words_change_with_a_version_and_a_trace_and_filed_plans_stay(apart: Service) -> None:
    await the_federation(apart)
    assert (await register(apart, "taicang", parent_id=CITY, licence="A1")).status_code == 201
    own = {"organisation_id": "taicang", "organisation": ..., "licence": ...}
    campaign_id = await launched(apart.operator(DESK), **own)
    change = {"name": "太仓市慈善总会", "licence": "A2"}
    path = "/organisations/taicang"
    root = apart.operator(ADMINISTRATOR)
    assert (await root.put(path, change)).status_code == 428
    changed = await root.put(path, change, if_match='"1"')
    assert (changed.status_code, changed.json()["version"], changed.headers["etag"]) == (200, 2, '"2"')
    assert (await root.put(path, change, if_match='"1"')).status_code == 412
    taken = await root.put(path, change | {"name": ORGANISATIONS[CITY][1]}, if_match='"2"')
    assert refused(taken) == (409, "organisation-exists")
    assert [short_type(each) for each in await apart.outbox("taicang")] == [
        "organisation.registered",
        "organisation.changed",
    ]
    kept = await apart.rows(
        "SELECT version, licence, person FROM organisation_changes WHERE organisation_id = 'taicang'"
        " ORDER BY version"
    )
    assert kept == [(1, "A1", ADMINISTRATOR), (2, "A2", ADMINISTRATOR)]
    campaign = (await apart.operator(VIEWER).get(f"/campaigns/{campaign_id}")).json()
    assert (campaign["licence"], campaign["organisation_id"]) == ("A1", "taicang")
    events = await apart.outbox(campaign_id)
    assert {event.data.organisation_id for event in events} == {"taicang"}


async def test_two_registrations_at_once_cannot_both_win(apart: Service) -> None:
    answers = await asyncio.gather(
        *(register(apart, "twice", name=f"慈善会 {number}") for number in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("depth = 5, parent_depth = 4", "organisations_depth|organisations_parent"),
        ("parent_id = NULL", "organisations_one_level_below"),
        ("parent_depth = NULL", "organisations_one_level_below"),
        ("parent_id = organisation_id", "organisations_parent"),
        ("parent_id = 'wujiang-shengze', parent_depth = 3, depth = 4", "organisations_p"),
        ("version = 0", "organisations_version"),
    ],
)
async def test_no_circle_and_no_wrong_level_can_be_written(
    apart: Service, change: str, constraint: str
) -> None:
    await the_federation(apart)
    with pytest.raises(IntegrityError, match=constraint):
        async with apart.engine.begin() as connection:
            await connection.execute(
                text(f"UPDATE organisations SET {change} WHERE organisation_id = :id"), {"id": WUJIANG}
            )


async def test_figures_roll_up_each_by_itself(apart: Service) -> None:
    """City, county, town: promised, received and disbursed are each the sum of what is below."""
    await the_federation(apart)
    source, campaigns = Source(), {}
    for organisation_id in (CITY, GUSU, WUJIANG, TOWN):
        own = {"organisation_id": organisation_id, "organisation": ..., "licence": "A1"}
        campaigns[organisation_id] = await launched(apart.operator(DESK), **own)
    for number, campaign_id in enumerate(campaigns.values()):
        await apart.pledge(campaign_id, 7 * 10**number)
    given = {CITY: 1000, GUSU: 200, WUJIANG: 30, TOWN: 4}
    await apart.book(
        [source.received(campaigns[each], fen) for each, fen in given.items()]
        + [source.reversed(campaigns[GUSU], 50)]
    )
    asked = await apart.operator(FINANCE).post(
        f"/campaigns/{campaigns[WUJIANG]}/disbursements", a_disbursement(20)
    )
    path = f"/disbursements/{asked.json()['disbursement_id']}"
    approved = await apart.operator(APPROVER).post(f"{path}/approve", if_match=asked.headers["etag"])
    paid = await apart.operator(FINANCE).post(f"{path}/pay", if_match=approved.headers["etag"])
    assert paid.status_code == 200, paid.text

    async def told(organisation_id: str, person: str = VIEWER) -> dict[str, Any]:
        answer = await apart.operator(person).get(f"/organisations/{organisation_id}/balance")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def figures(part: dict[str, Any]) -> tuple[int, ...]:
        names = ("received_fen", "reversed_fen", "promised_fen", "disbursed_fen", "balance_fen", "campaigns")
        return tuple(part[name] for name in names)

    city = await told(CITY)
    county = await told(WUJIANG, f"{WUJIANG}.viewer")
    assert figures(county["own"]) == (30, 0, 700, 20, 10, 1)
    assert figures(county["total"]) == (34, 0, 7700, 20, 14, 2)
    assert figures(city["own"]) == (1000, 0, 7, 0, 1000, 1)
    assert city["total"]["received_fen"] == 1234
    assert city["total"]["balance_fen"] == 1234 - 50 - 20
    assert city["total"]["promised_fen"] == 7777
    below = {part["organisation_id"]: part["total"] for part in city["below"]}
    assert below[WUJIANG] == county["total"]
    for name in city["total"]:
        assert city["total"][name] == city["own"][name] + sum(part[name] for part in below.values()), name
    assert city["positions"][source.name] == source.position[source.name]
    answer = await apart.operator(f"{GUSU}.finance").get(f"/organisations/{WUJIANG}/balance")
    assert refused(answer) == (403, "organisation-role-missing")


async def test_a_campaign_from_before_is_given_to_its_organisation_once(apart: Service) -> None:
    await the_federation(apart)
    campaign_id = await launched(apart.operator(DESK))
    draft_id = new_campaign_id("draft")
    await apart.operator(DESK).post("/campaigns", a_campaign(draft_id))
    root = apart.operator(ADMINISTRATOR)
    path, body = f"/campaigns/{campaign_id}/organisation", {"organisation_id": GUSU}
    for person in (f"{CITY}.administrator", f"{GUSU}.administrator"):
        assert refused(await apart.operator(person).post(path, body)) == (403, "organisation-role-missing")
    assert refused(await root.post(path, {"organisation_id": "nowhere"})) == (404, "not-found")
    assigned = await root.post(path, body)
    assert (assigned.status_code, assigned.json()["organisation"]) == (200, "苏州市慈善总会"), (
        "as it was filed"
    )
    assert refused(await root.post(path, {"organisation_id": CITY})) == (409, "organisation-chosen")
    events = await apart.outbox(campaign_id)
    assert [(short_type(each), each.data.organisation_id) for each in events][-2:] == [
        ("campaign.launched", None),
        ("campaign.launched", GUSU),
    ]
    assert (await apart.operator(f"{GUSU}.viewer").get(f"/campaigns/{campaign_id}")).status_code == 200
    assert (await root.post(f"/campaigns/{draft_id}/organisation", body)).status_code == 200
    assert await apart.outbox(draft_id) == []
