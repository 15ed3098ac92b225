"""Charity insurance: policies by two people, premiums that were paid, claims within cap and limit."""

import asyncio
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest
from httpx import Response
from sqlalchemy.exc import IntegrityError

from tests.services.campaign.builders import (
    APPROVER,
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
from tests.services.campaign.test_disclosure import an_organisation, cells, drafted

pytestmark = pytest.mark.asyncio(loop_scope="module")

CAP_FEN = 10_000_000
"""10万, as the report of 2023 has it."""


def a_policy(**changes: Any) -> dict[str, Any]:
    return {
        "title": "医惠保",
        "insurer": "示例人寿",
        "policy_number": uuid4().hex,
        "starts_on": "2023-01-01",
        "ends_on": "2023-12-31",
        "premium_fen": 100_000,
        "cap_fen": CAP_FEN,
        "groups": [{"group": "低收入群体", "people": 3206}],
        "renewed": False,
    } | changes


def a_claim(amount_fen: int = 1_000, **changes: Any) -> dict[str, Any]:
    return {
        "claim_number": uuid4().hex,
        "group": "低收入群体",
        "amount_fen": amount_fen,
        "occurred_on": "2023-05-01",
        "paid_on": "2023-06-01",
    } | changes


class Insurance:
    """A programme with money for premiums."""

    def __init__(self, service: Service, campaign_id: str) -> None:
        self.service = service
        self.campaign_id = campaign_id

    async def post(self, person: str, path: str, body: Any = None, version: int | None = None) -> Response:
        if_match = None if version is None else f'"{version}"'
        return await self.service.operator(person).post(path, body, if_match=if_match)

    async def paid(self, amount_fen: int = 100_000) -> str:
        """A paid disbursement's id."""
        body = a_disbursement(amount_fen, use="助医")
        answer = await self.post(FINANCE, f"/campaigns/{self.campaign_id}/disbursements", body)
        assert answer.status_code == 201, answer.text
        path = f"/disbursements/{answer.json()['disbursement_id']}"
        for person, step in ((APPROVER, "approve"), (FINANCE, "pay")):
            answer = await self.post(person, f"{path}/{step}", {}, answer.json()["version"])
            assert answer.status_code == 200, answer.text
        return str(answer.json()["disbursement_id"])

    async def entered(self, **changes: Any) -> str:
        answer = await self.post(
            DESK, f"/campaigns/{self.campaign_id}/insurance-policies", a_policy(**changes)
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["policy_id"])

    async def confirmed(self, **changes: Any) -> str:
        policy_id = await self.entered(**changes)
        premium_fen = changes.get("premium_fen", 100_000)
        answer = await self.confirm(policy_id, await self.paid(premium_fen))
        assert answer.status_code == 200, answer.text
        return policy_id

    async def confirm(self, policy_id: str, disbursement_id: str, person: str = FINANCE) -> Response:
        body = {"disbursement_id": disbursement_id}
        return await self.post(person, f"/insurance-policies/{policy_id}/confirm", body, 1)

    async def claim(self, policy_id: str, amount_fen: int = 1_000, **changes: Any) -> Response:
        return await self.post(
            DESK, f"/insurance-policies/{policy_id}/claims", a_claim(amount_fen, **changes)
        )

    async def claimed(self, policy_id: str, amount_fen: int = 1_000, **changes: Any) -> str:
        answer = await self.claim(policy_id, amount_fen, **changes)
        assert answer.status_code == 201, answer.text
        claim_id = str(answer.json()["claim_id"])
        answer = await self.post(FINANCE, f"/insurance-claims/{claim_id}/confirm", None, 1)
        assert answer.status_code == 200, answer.text
        return claim_id

    async def policy(self, policy_id: str) -> dict[str, Any]:
        return dict((await self.service.operator(VIEWER).get(f"/insurance-policies/{policy_id}")).json())

    async def totals(self, **asked: Any) -> dict[str, Any]:
        answer = await self.service.operator(VIEWER).get(
            "/insurance-totals", campaign_id=self.campaign_id, **asked
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


async def a_programme(service: Service) -> Insurance:
    campaign_id = await launched(service.operator(DESK), kind="programme", title="慈善保险")
    await service.book([Source().received(campaign_id, 10_000_000)])
    return Insurance(service, campaign_id)


def problem(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:shanliu:problem:")


# ---------------------------------------------------------------- the figures


async def test_the_year_2023_is_told_as_the_report_tells_it(service: Service) -> None:
    """3206 of low income and 14,000 soldiers newly covered, renewals, largest claim 10万; claims are never
    disbursed.
    """
    insurance = await a_programme(service)
    first = await insurance.confirmed()
    soldiers = [{"group": "现役军人", "people": 13_000}, {"group": "烈属", "people": 1_000}]
    await insurance.confirmed(title="意外伤害险", groups=soldiers)
    people = [{"group": "低收入群体", "people": 394_000}, {"group": "老人", "people": 1_000}]
    renewed = await insurance.confirmed(renewed=True, groups=people, starts_on="2023-03-01")
    await insurance.entered(groups=[{"group": "老人", "people": 7}])
    await insurance.confirmed(starts_on="2024-01-01", ends_on="2024-12-31")
    await insurance.claimed(first, CAP_FEN)
    await insurance.claimed(renewed, 500)
    await insurance.claimed(renewed, 700, paid_on="2024-01-01")
    assert (await insurance.claim(renewed, 900)).status_code == 201, "waits, and does not count"
    totals = await insurance.totals(first="2023-01-01", last="2023-12-31")
    assert totals == {
        "new": {
            "policies": 2,
            "people": 17_206,
            "premiums_fen": 200_000,
            "groups": [
                {"group": "现役军人", "people": 13_000},
                {"group": "低收入群体", "people": 3206},
                {"group": "烈属", "people": 1_000},
            ],
        },
        "renewed": {
            "policies": 1,
            "people": 395_000,
            "premiums_fen": 100_000,
            "groups": [{"group": "低收入群体", "people": 394_000}, {"group": "老人", "people": 1_000}],
        },
        "claims": 2,
        "claims_fen": CAP_FEN + 500,
        "largest_claim_fen": CAP_FEN,
    }
    assert (await insurance.totals())["claims"] == 3
    assert (await service.balance(insurance.campaign_id))["disbursed_fen"] == 400_000
    read = await insurance.policy(renewed)
    assert (read["people"], read["claims"], read["claims_fen"]) == (395_000, 2, 1_200)


async def test_the_annual_report_has_policies_and_claims_apart_from_what_was_spent(service: Service) -> None:
    city = new_campaign_id("city")
    await an_organisation(service, city)
    window = {"window_start": "2025-02-01T00:00:00+08:00", "window_end": "2029-12-31T20:00:00+08:00"}
    own = {"kind": "programme", "organisation": ..., "licence": ..., "organisation_id": city}
    campaign_id = await launched(service.operator(DESK), on=date(2025, 2, 1), **own, **window)
    insurance = Insurance(service, campaign_id)
    await service.book([Source().received(campaign_id, 1_000_000, datetime(2025, 3, 1, tzinfo=UTC))])
    year = {"starts_on": "2025-03-01", "ends_on": "2026-02-28"}
    policy_id = await insurance.confirmed(**year)
    await insurance.confirmed(**year, renewed=True, groups=[{"group": "老人", "people": 395}])
    await insurance.claimed(policy_id, CAP_FEN, occurred_on="2025-05-01", paid_on="2025-06-01")
    report = await drafted(service, {"kind": "annual", "organisation_id": city, "period_from": "2025-01-01"})
    assert cells(report, "insurance", "people") == {"new/低收入群体": 3206, "new": 3206, "renewed": 395}
    assert cells(report, "insurance", "policies")["renewed"] == 1
    assert cells(report, "claims", "largest_claim_fen") == {"claims": CAP_FEN}


# ---------------------------------------------------------------- policies


async def test_a_policy_counts_when_another_person_has_found_its_premium_paid(service: Service) -> None:
    insurance = await a_programme(service)
    policy_id = await insurance.entered()
    path = f"/insurance-policies/{policy_id}/confirm"
    waiting = await insurance.post(
        FINANCE, f"/campaigns/{insurance.campaign_id}/disbursements", a_disbursement(100_000, use="助医")
    )
    named = {"disbursement_id": waiting.json()["disbursement_id"]}
    assert problem(await insurance.post(FINANCE, path, named)) == (428, "if-match-missing")
    assert problem(await insurance.post(FINANCE, path, named, 7)) == (412, "version-changed")
    assert problem(await insurance.post(FINANCE, path, named, 1)) == (409, "premium-not-paid")
    assert problem(await insurance.confirm(policy_id, str(uuid4()))) == (404, "not-found")
    other = await a_programme(service)
    assert problem(await insurance.confirm(policy_id, await other.paid())) == (409, "premium-not-paid")
    assert (await insurance.totals())["new"]["policies"] == 0
    confirmed = await insurance.confirm(policy_id, await insurance.paid())
    assert (confirmed.json()["state"], confirmed.json()["decided_by"]) == ("confirmed", FINANCE)
    assert (await insurance.totals())["new"]["people"] == 3206


async def test_nobody_confirms_what_they_have_entered(service: Service) -> None:
    insurance = await a_programme(service)
    body = a_policy()
    entered = await insurance.post(
        FINANCE_AND_APPROVER, f"/campaigns/{insurance.campaign_id}/insurance-policies", body
    )
    policy_id = entered.json()["policy_id"]
    answer = await insurance.confirm(policy_id, await insurance.paid(), FINANCE_AND_APPROVER)
    assert problem(answer) == (403, "same-person")


async def test_one_payment_pays_several_premiums_and_never_more_than_it_has(service: Service) -> None:
    """Four policies at the same moment over a payment for three."""
    insurance = await a_programme(service)
    disbursement_id = await insurance.paid(300_000)
    policies = [await insurance.entered() for _ in range(4)]
    answers = await asyncio.gather(*(insurance.confirm(each, disbursement_id) for each in policies))
    assert Counter(answer.status_code for answer in answers) == {200: 3, 409: 1}
    (refused,) = [answer.json() for answer in answers if answer.status_code == 409]
    assert refused["remaining_fen"] == 0


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"ends_on": "2022-12-31"}, 422, "ends_on"),
        ({"ends_on": "2043-12-31"}, 422, "ends_on"),
        ({"groups": []}, 422, "groups"),
        ({"groups": [{"group": "老人", "people": 1}] * 2}, 422, "groups"),
        ({"groups": [{"group": "老人", "people": 0}]}, 422, "groups.0.people"),
        ({"cap_fen": 0}, 422, "cap_fen"),
        ({"limit_fen": CAP_FEN - 1}, 422, "limit_fen"),
        ({"premium_fen": "1"}, 422, "premium_fen"),
        ({"insured": "王小明"}, 422, "insured"),
    ],
)
async def test_a_wrong_field_of_a_policy_is_named(
    service: Service, changes: dict[str, Any], status: int, said: str
) -> None:
    insurance = await a_programme(service)
    path = f"/campaigns/{insurance.campaign_id}/insurance-policies"
    answer = await insurance.post(DESK, path, a_policy(**changes))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, said)


async def test_only_a_programme_has_policies_and_a_number_is_given_once(service: Service) -> None:
    gala = await launched(service.operator(DESK))
    refused = await service.operator(DESK).post(f"/campaigns/{gala}/insurance-policies", a_policy())
    assert problem(refused) == (409, "not-a-programme")
    insurance = await a_programme(service)
    number = uuid4().hex
    policy_id = await insurance.entered(policy_number=number)
    path = f"/campaigns/{insurance.campaign_id}/insurance-policies"
    again = await insurance.post(DESK, path, a_policy(policy_number=number))
    assert problem(again) == (409, "insurance-record-known")
    withdrawn = await insurance.post(DESK, f"/insurance-policies/{policy_id}/withdraw", {"reason": "写错"}, 1)
    assert withdrawn.json()["state"] == "withdrawn"
    await insurance.entered(policy_number=number)


async def test_a_policy_is_renewed_once(service: Service) -> None:
    insurance = await a_programme(service)
    before = await insurance.confirmed()
    terms = {"renews": before, "starts_on": "2024-01-01", "ends_on": "2024-12-31"}
    renewal = await insurance.policy(await insurance.entered(**terms))
    assert (renewal["renews"], renewal["renewed"]) == (before, True)
    path = f"/campaigns/{insurance.campaign_id}/insurance-policies"
    assert problem(await insurance.post(DESK, path, a_policy(**terms))) == (409, "insurance-record-known")
    early = a_policy(**terms | {"starts_on": "2023-12-31"})
    assert problem(await insurance.post(DESK, path, early)) == (409, "renewal-wrong")


# ---------------------------------------------------------------- claims


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"amount_fen": CAP_FEN + 1}, (409, "past-cap")),
        ({"group": "现役军人"}, (409, "group-not-covered")),
        ({"occurred_on": "2022-12-31"}, (409, "outside-period")),
        ({"paid_on": "2023-04-30"}, (422, "day-too-early")),
        ({"paid_on": "2199-01-01"}, (422, "day-not-yet")),
        ({"claim_number": "王小明"}, (422, "invalid-field")),
    ],
)
async def test_a_claim_that_cannot_be_is_refused(
    service: Service, changes: dict[str, Any], said: tuple[int, str]
) -> None:
    insurance = await a_programme(service)
    policy_id = await insurance.confirmed()
    assert problem(await insurance.claim(policy_id, **changes)) == said
    assert (await insurance.claim(policy_id, CAP_FEN)).status_code == 201


async def test_a_claim_needs_a_confirmed_policy_a_second_person_and_its_own_number(service: Service) -> None:
    insurance = await a_programme(service)
    assert problem(await insurance.claim(await insurance.entered())) == (409, "policy-not-in-force")
    policy_id = await insurance.confirmed()
    body = a_claim()
    path = f"/insurance-policies/{policy_id}/claims"
    entered = await insurance.post(SECOND_FINANCE, path, body)
    assert problem(await insurance.post(DESK, path, body)) == (409, "insurance-record-known")
    confirm = f"/insurance-claims/{entered.json()['claim_id']}/confirm"
    assert problem(await insurance.post(SECOND_FINANCE, confirm, None, 1)) == (403, "same-person")
    assert (await insurance.policy(policy_id))["claims"] == 0
    assert (await insurance.post(FINANCE, confirm, None, 1)).status_code == 200
    assert (await insurance.policy(policy_id))["claims"] == 1


async def test_claims_at_the_same_moment_never_pass_the_limit(service: Service) -> None:
    insurance = await a_programme(service)
    policy_id = await insurance.confirmed(cap_fen=400, limit_fen=1_000)
    answers = await asyncio.gather(*(insurance.claim(policy_id, 300) for _ in range(8)))
    assert Counter(answer.status_code for answer in answers) == {201: 3, 409: 5}
    refused = next(answer for answer in answers if answer.status_code == 409)
    assert (problem(refused)[1], refused.json()["remaining_fen"]) == ("past-limit", 100)
    assert (await insurance.claim(policy_id, 100)).status_code == 201
    withdrawn = next(answer.json()["claim_id"] for answer in answers if answer.status_code == 201)
    await insurance.post(DESK, f"/insurance-claims/{withdrawn}/withdraw", {"reason": "重复"}, 1)
    assert (await insurance.claim(policy_id, 300)).status_code == 201


async def test_what_was_a_mistake_is_void_when_two_people_say_so(service: Service) -> None:
    insurance = await a_programme(service)
    policy_id = await insurance.confirmed()
    claim_id = await insurance.claimed(policy_id, 500)
    policy, claim = f"/insurance-policies/{policy_id}", f"/insurance-claims/{claim_id}"
    why = {"reason": "录入重复"}
    for path in (policy, claim):
        assert (await insurance.post(SECOND_FINANCE, f"{path}/void", why, 2)).status_code == 200
        answer = await insurance.post(SECOND_FINANCE, f"{path}/void/confirm", None, 3)
        assert problem(answer) == (403, "same-person")
    assert problem(await insurance.post(FINANCE, f"{policy}/void/confirm", None, 3)) == (
        409,
        "policy-has-claims",
    )
    assert (await insurance.totals())["claims_fen"] == 500, "counts until another person agrees"
    kept = await insurance.post(DESK, f"{policy}/void/withdraw", None, 3)
    assert (kept.json()["state"], kept.json()["reason"]) == ("confirmed", None)
    assert (await insurance.post(FINANCE, f"{claim}/void/confirm", None, 3)).json()["state"] == "voided"
    await insurance.post(SECOND_FINANCE, f"{policy}/void", why, 4)
    voided = await insurance.post(FINANCE, f"{policy}/void/confirm", None, 5)
    assert (voided.json()["state"], voided.json()["voided_by"]) == ("voided", FINANCE)
    totals = await insurance.totals()
    assert (totals["new"]["policies"], totals["claims"], totals["largest_claim_fen"]) == (0, 0, None)


# ---------------------------------------------------------------- the tables


@pytest.mark.parametrize(
    ("table", "change", "constraint"),
    [
        ("policies", "decided_by = asked_by", "(two_people|seen_by_two)"),
        ("policies", "state = 'entered'", "insurance_policies_"),
        ("policies", "disbursement_id = NULL", "insurance_policies_paid"),
        ("policies", "ends_on = '2022-01-01'", "insurance_policies_period"),
        ("policies", "cap_fen = cap_fen - 1", "insurance_claims_terms"),
        ("policies", "limit_fen = cap_fen - 1", "insurance_policies_limit"),
        ("policies", "state = 'voided', reason = 'x'", "insurance_policies_voided"),
        ("claims", "amount_fen = cap_fen + 1", "insurance_claims_cap"),
        ("claims", "cap_fen = cap_fen + 1", "insurance_claims_terms"),
        ("claims", "occurred_on = '2022-12-31'", "insurance_claims_period"),
        ("claims", "group_name = '别人'", "insurance_claims_group"),
        ("claims", "claim_number = '王小明'", "insurance_claims_number"),
        ("claims", "state = 'withdrawn'", "insurance_claims_reason"),
        ("covered", "people = 0", "insurance_covered_people"),
    ],
)
async def test_a_record_cannot_be_written_wrong(
    service: Service, table: str, change: str, constraint: str
) -> None:
    insurance = await a_programme(service)
    policy_id = await insurance.confirmed()
    await insurance.claimed(policy_id)
    statement = f"UPDATE insurance_{table} SET {change} WHERE policy_id = :id"
    with pytest.raises(IntegrityError, match=constraint):
        await service.rows_changed(statement, id=policy_id)
