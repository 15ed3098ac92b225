"""A right at an organisation holds there and below, and nowhere else: every route is tried from outside."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from httpx import Response

from services.campaign.organisations.rights import OWNERS
from tests.services.campaign.books import a_voucher
from tests.services.campaign.builders import (
    ADMINISTRATOR,
    CITY,
    DESK,
    FINANCE,
    GUSU,
    ORGANISATIONS,
    SECOND_DESK,
    TOWN,
    VIEWER,
    WINDOW_END,
    WUJIANG,
    Source,
    a_campaign,
    a_delivery,
    a_disbursement,
    a_plan,
    a_pledge,
    a_release,
    launched,
    new_campaign_id,
    some_goods,
)
from tests.services.campaign.conftest import Service
from tests.services.campaign.store import a_distribution, an_item, given
from tests.services.campaign.store import asked as goods_asked
from tests.services.campaign.test_insurance import Insurance

NO_SUCH_ID = "0198c1d2-3e4f-7a5b-8c6d-7e8f9a0b1c2d"

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMED: dict[str, Any] = {"organisation": ..., "licence": ...}
"""Changes to a plan that leave its organisation's name to the register."""


@dataclass(frozen=True, slots=True)
class Federation:
    """A launched campaign of each organisation, one of none, and what there is of each."""

    service: Service
    campaigns: dict[str, str]
    pledges: dict[str, str]
    disbursements: dict[str, str]
    drafts: dict[str, str]
    gifts: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    movements: dict[str, str] = field(default_factory=dict)

    async def get(self, person: str, path: str, **query: Any) -> Response:
        return await self.service.operator(person).get(path, **query)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def federation(apart: Service) -> AsyncIterator[Federation]:
    await registered(apart)
    built = Federation(apart, {}, {}, {}, {})
    desk = apart.operator(DESK)
    source = Source()
    for organisation_id in (*ORGANISATIONS, "none"):
        own: dict[str, Any] = {"organisation_id": organisation_id, **NAMED}
        if organisation_id == "none":
            own = {}
        own |= {"kind": "programme"}
        campaign_id = built.campaigns[organisation_id] = await launched(desk, **own)
        gift = await given(apart, campaign_id, an_item(1, 1_000, expires_on=f"{WINDOW_END:%Y-%m-%d}"))
        built.gifts[organisation_id] = gift["gift_id"]
        built.items[organisation_id] = gift["items"][0]["item_id"]
        handed_out = a_distribution(gift["items"][0]["item_id"], 1)
        path = f"/campaigns/{campaign_id}/goods-distributions"
        built.movements[organisation_id] = await goods_asked(apart, path, handed_out)
        await a_named_fund(apart, campaign_id)
        built.pledges[organisation_id] = await apart.pledge(campaign_id, 700, goods=some_goods(3))
        asked = await apart.operator(FINANCE).post(
            f"/campaigns/{campaign_id}/disbursements", a_disbursement(300)
        )
        built.disbursements[organisation_id] = asked.json()["disbursement_id"]
        draft = await apart.operator(FINANCE).post("/ledger/vouchers", a_transfer_voucher(campaign_id))
        assert draft.status_code == 201, draft.text
        built.drafts[organisation_id] = draft.json()["draft_id"]
    await apart.book([source.received(each, 1000) for each in built.campaigns.values()])
    yield built


async def registered(service: Service) -> None:
    """The federation in the register."""
    root = service.operator(ADMINISTRATOR)
    for organisation_id, (parent_id, name) in ORGANISATIONS.items():
        body = {"organisation_id": organisation_id, "name": name, "licence": f"慈证字-{organisation_id}"}
        answer = await root.post("/organisations", body | {"parent_id": parent_id})
        assert answer.status_code == 201, answer.text


async def a_named_fund(service: Service, campaign_id: str) -> None:
    """The campaign's fund in a donor's name, by two people."""
    terms = {
        "name": "某某爱心基金",
        "donor": "某某公司",
        "wish": "资助困难学生",
        "agreement": "冠字〔2023〕1号",
        "signed_on": "2023-02-20",
        "idle_after_days": 180,
        "reason": "捐赠协议",
    }
    path = f"/campaigns/{campaign_id}/named-fund"
    assert (await service.operator(DESK).post(path, terms)).status_code == 201
    confirmed = await service.operator(SECOND_DESK).post(f"{path}/confirm", if_match='"1"')
    assert confirmed.status_code == 200, confirmed.text


def a_transfer_voucher(campaign_id: str | None) -> dict[str, Any]:
    """A channel's settlement into the bank; no fund is changed."""
    lines = (("1002", "debit"), ("112201", "credit"))
    return a_voucher(
        postings=[
            {"account": account, "side": side, "amount_fen": 5, "campaign_id": campaign_id}
            for account, side in lines
        ]
    )


def a_correction(to_campaign_id: str) -> dict[str, Any]:
    """Money that belongs to another fund."""
    return {"to_campaign_id": to_campaign_id, "amount_fen": 1, "reason": "捐赠人指定错误"}


def refused(answer: Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("type", "").rpartition(":")[2]


OUT_OF_REACH = (403, "organisation-role-missing")
ROLE_MISSING = (403, "role-missing")

# Whoever may at an organisation: (organisation whose thing it is, whose person) → in reach?
REACH = [
    (CITY, CITY, True),
    (CITY, GUSU, False),
    (GUSU, GUSU, True),
    (GUSU, CITY, True),
    (GUSU, WUJIANG, False),
    (TOWN, WUJIANG, True),
    (TOWN, CITY, True),
    (TOWN, GUSU, False),
    (WUJIANG, TOWN, False),
    ("none", CITY, False),
]
READS = [
    "/campaigns/{campaign}",
    "/campaigns/{campaign}/balance",
    "/campaigns/{campaign}/disbursements",
    "/campaigns/{campaign}/pledges",
    "/campaigns/{campaign}/promised",
    "/campaigns/{campaign}/pledge-payments-to-look-at",
    "/campaigns/{campaign}/transfers",
    "/pledges/due?campaign_id={campaign}",
    "/pledges/{pledge}",
    "/pledges/{pledge}/steps",
    "/pledges/{pledge}/versions",
    "/disbursements/{disbursement}",
    "/campaigns/{campaign}/goods",
    "/goods-gifts/{gift}",
    "/goods-movements/{movement}",
    "/ledger/drafts/{draft}",
    "/ledger/trial-balance?campaign_id={campaign}",
    "/ledger/accounts/1002/statement?campaign_id={campaign}",
]


@pytest.mark.parametrize("path", READS)
async def test_what_belongs_to_an_organisation_is_read_there_and_above(
    federation: Federation, path: str
) -> None:
    for whose, by, in_reach in REACH:
        answer = await federation.get(f"{by}.viewer", at(federation, whose, path))
        if in_reach:
            assert answer.status_code == 200, (whose, by, answer.text)
        else:
            assert refused(answer) == OUT_OF_REACH, (whose, by, answer.text)


def at(federation: Federation, whose: str, path: str) -> str:
    return path.format(
        campaign=federation.campaigns[whose],
        pledge=federation.pledges[whose],
        disbursement=federation.disbursements[whose],
        draft=federation.drafts[whose],
        gift=federation.gifts[whose],
        movement=federation.movements[whose],
    )


PLAIN: dict[str, Any] = {}
WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("desk", "/campaigns/{campaign}/pause", PLAIN),
    ("desk", "/campaigns/{campaign}/launch", PLAIN),
    ("desk", "/campaigns/{campaign}/close", PLAIN),
    ("desk", "/campaigns/{campaign}/file", {"filing_number": "BA-1"}),
    ("finance", "/campaigns/{campaign}/disbursements", a_disbursement(100)),
    ("approver", "/disbursements/{disbursement}/approve", PLAIN),
    ("finance", "/disbursements/{disbursement}/pay", PLAIN),
    ("desk", "/campaigns/{campaign}/pledges", a_pledge(100)),
    ("finance", "/pledges/{pledge}/confirm", {"amount_fen": 700}),
    ("desk", "/pledges/{pledge}/cancel", {"reason": "x"}),
    ("desk", "/pledges/{pledge}/correction", a_pledge(800) | {"reason": "x"}),
    ("finance", "/pledges/{pledge}/correction/confirm", {"amount_fen": 800}),
    ("finance", "/pledges/{pledge}/correction/withdraw", {"reason": "x"}),
    ("desk", "/pledges/{pledge}/delivery", a_delivery(1, 100)),
    ("finance", "/pledges/{pledge}/delivery/confirm", PLAIN),
    ("finance", "/pledges/{pledge}/delivery/withdraw", {"reason": "x"}),
    ("finance", "/pledges/{pledge}/release", a_release()),
    ("approver", "/pledges/{pledge}/release/approve", PLAIN),
    ("approver", "/pledges/{pledge}/release/withdraw", {"reason": "x"}),
    ("finance", "/campaigns/{campaign}/transfers", a_correction("gala")),
    ("finance", "/ledger/drafts/{draft}/book", PLAIN),
    ("finance", "/ledger/drafts/{draft}/discard", PLAIN),
]


@pytest.mark.parametrize(("role", "path", "body"), WRITES, ids=[path for _, path, _ in WRITES])
async def test_nothing_is_done_to_what_belongs_to_another(
    federation: Federation, role: str, path: str, body: dict[str, Any]
) -> None:
    """A county's person on the city's, another county's, nobody's; and the reverse of a wrong role."""
    before = await everything(federation)
    for whose, by in ((CITY, GUSU), (WUJIANG, GUSU), (WUJIANG, TOWN), ("none", CITY)):
        answer = await federation.service.operator(f"{by}.{role}").post(
            at(federation, whose, path), body or None, if_match="*"
        )
        assert refused(answer) == OUT_OF_REACH, (whose, by, answer.text)
    answer = await federation.service.operator(f"{CITY}.viewer").post(
        at(federation, CITY, path), body or None, if_match="*"
    )
    assert refused(answer) == ROLE_MISSING, answer.text
    assert await everything(federation) == before


async def everything(federation: Federation) -> list[tuple[Any, ...]]:
    """The versions of all that a command could have changed."""
    return await federation.service.rows(
        "SELECT 'campaign', campaign_id, version FROM campaigns"
        " UNION ALL SELECT 'pledge', CAST(pledge_id AS text), version FROM pledges"
        " UNION ALL SELECT 'disbursement', CAST(disbursement_id AS text), version FROM disbursements"
        " UNION ALL SELECT 'draft', CAST(draft_id AS text), version FROM ledger_drafts ORDER BY 1, 2"
    )


async def test_every_route_that_names_something_is_closed_to_others(federation: Federation) -> None:
    """Whatever is added: a county's administrator, who may everything in the county, is refused at the
    city's before anything else is looked at; and what nobody has is not found.
    """
    known = {
        "campaign_id": federation.campaigns[CITY],
        "organisation_id": CITY,
        "pledge_id": federation.pledges[CITY],
        "disbursement_id": federation.disbursements[CITY],
        "draft_id": federation.drafts[CITY],
        "gift_id": federation.gifts[CITY],
        "item_id": federation.items[CITY],
        "movement_id": federation.movements[CITY],
    }
    tried = 0
    before = await everything(federation)
    document = (await federation.service.client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        names = re.findall(r"{(\w+)}", path)
        for name in OWNERS.keys() & set(names):
            filled = path.format_map(dict.fromkeys(names, str(uuid4())) | known)
            for method in operations:
                answer = await federation.service.operator(f"{GUSU}.administrator").any(method, filled)
                wanted = OUT_OF_REACH if name in known else (404, "not-found")
                assert refused(answer) == wanted, (method, path, answer.text)
                tried += 1
    assert tried > 50
    assert await everything(federation) == before


async def test_plans_and_pledges_of_others_are_not_rewritten(federation: Federation) -> None:
    desk = federation.service.operator(f"{GUSU}.desk")
    plan, pledge = a_plan(), a_pledge(9)
    for whose in (CITY, WUJIANG, "none"):
        answer = await desk.put(f"/campaigns/{federation.campaigns[whose]}/plan", plan, if_match="*")
        assert refused(answer) == OUT_OF_REACH
        answer = await desk.put(f"/pledges/{federation.pledges[whose]}", pledge, if_match="*")
        assert refused(answer) == OUT_OF_REACH


async def test_the_way_of_a_disbursement_inside_a_county_and_with_the_city_above(
    federation: Federation,
) -> None:
    """The county's finance asks and pays, the county's or the city's approver approves: never the other's."""
    campaign_id = federation.campaigns[GUSU]
    finance = federation.service.operator(f"{GUSU}.finance")
    asked = await finance.post(f"/campaigns/{campaign_id}/disbursements", a_disbursement(200))
    path = f"/disbursements/{asked.json()['disbursement_id']}"
    wrong = await federation.service.operator(f"{WUJIANG}.approver").post(f"{path}/approve", if_match="*")
    assert refused(wrong) == OUT_OF_REACH
    right = await federation.service.operator(f"{CITY}.approver").post(
        f"{path}/approve", if_match=asked.headers["etag"]
    )
    assert right.status_code == 200, right.text
    assert refused(await federation.service.operator(f"{TOWN}.finance").post(f"{path}/pay")) == OUT_OF_REACH
    paid = await finance.post(f"{path}/pay", if_match=right.headers["etag"])
    assert (paid.status_code, paid.json()["state"]) == (200, "paid")


@pytest.mark.parametrize(
    ("person", "seen"),
    [
        (f"{CITY}.viewer", {CITY, GUSU, WUJIANG, TOWN}),
        (f"{WUJIANG}.finance", {WUJIANG, TOWN}),
        (f"{GUSU}.desk", {GUSU}),
        (f"{TOWN}.approver", {TOWN}),
        (VIEWER, {CITY, GUSU, WUJIANG, TOWN, "none"}),
    ],
)
async def test_lists_show_only_what_is_in_reach(federation: Federation, person: str, seen: set[str]) -> None:
    async def listed(path: str, of: str, **query: Any) -> list[Any]:
        answer = await federation.get(person, path, limit=200, **query)
        assert answer.status_code == 200, answer.text
        return [item[of] for item in answer.json()["items"]]

    campaigns = sorted(federation.campaigns[each] for each in seen)
    assert await listed("/campaigns", "campaign_id") == campaigns
    assert await listed("/ledger/funds", "campaign_id") == campaigns
    assert sorted(await listed("/goods-expiring", "campaign_id", within_days=3660)) == campaigns
    assert set(await listed("/disclosure/calendar", "campaign_id", within_days=3660)) <= {*campaigns, None}
    assert sorted(set(await listed("/disbursements", "campaign_id"))) == campaigns
    named = await federation.get(person, "/named-funds")
    assert [each["terms"]["campaign_id"] for each in named.json()["items"]] == campaigns
    assert sorted(await listed("/pledges/due", "pledge_id", within_days=60)) == sorted(
        federation.pledges[each] for each in seen
    )
    assert set(await listed("/ledger/drafts", "draft_id")) == {federation.drafts[each] for each in seen}
    assert await listed("/organisations", "organisation_id") == sorted(seen - {"none"})


async def test_reports_are_drawn_up_and_listed_in_reach(federation: Federation) -> None:
    body = {"kind": "quarterly", "period_from": "2026-01-01"}
    finance = federation.service.operator(f"{GUSU}.finance")
    for subject in (
        {"campaign_id": federation.campaigns[CITY]},
        {"campaign_id": "never-heard-of"},
        {"kind": "annual", "organisation_id": WUJIANG},
    ):
        answer = await finance.post("/disclosure/reports", body | subject)
        assert refused(answer) == OUT_OF_REACH
    own = await finance.post("/disclosure/reports", body | {"campaign_id": federation.campaigns[GUSU]})
    assert own.status_code == 422, "in reach, and nothing that the calendar asks for"
    listed = await federation.get(f"{GUSU}.viewer", "/disclosure/reports")
    assert (listed.status_code, listed.json()["items"]) == (200, [])


async def test_campaigns_are_listed_of_an_organisation_and_those_below(federation: Federation) -> None:
    answer = await federation.get(f"{CITY}.viewer", "/campaigns", organisation_id=WUJIANG)
    found = [each["campaign_id"] for each in answer.json()["items"]]
    assert found == sorted((federation.campaigns[WUJIANG], federation.campaigns[TOWN]))
    refusal = await federation.get(f"{GUSU}.viewer", "/campaigns", organisation_id=WUJIANG)
    assert refused(refusal) == OUT_OF_REACH


async def test_insurance_is_added_up_of_what_is_in_reach(federation: Federation) -> None:
    service = federation.service
    own = NAMED | {"organisation_id": WUJIANG}
    insurance = Insurance(service, await launched(service.operator(DESK), kind="programme", **own))
    await service.book([Source().received(insurance.campaign_id, 100_000)])
    policy_id = await insurance.confirmed()

    async def people(person: str, **asked: Any) -> int:
        answer = await federation.get(person, "/insurance-totals", **asked)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["new"]["people"])

    for person, seen in ((CITY, 3206), (WUJIANG, 3206), (TOWN, 0), (GUSU, 0)):
        assert await people(f"{person}.viewer") == seen
    assert await people(f"{CITY}.viewer", organisation_id=WUJIANG) == 3206
    assert await people(f"{CITY}.viewer", organisation_id=GUSU) == 0
    answer = await federation.get(f"{GUSU}.viewer", "/insurance-totals", organisation_id=CITY)
    assert refused(answer) == OUT_OF_REACH
    answer = await federation.get(f"{GUSU}.viewer", f"/insurance-policies/{policy_id}")
    assert refused(answer) == OUT_OF_REACH


async def test_a_second_name_in_the_query_is_looked_at_too(federation: Federation) -> None:
    own, other = federation.campaigns[GUSU], federation.campaigns[CITY]
    for path in ("/ledger/trial-balance", "/pledges/due"):
        for first, second in ((own, other), (other, own)):
            answer = await federation.get(
                f"{GUSU}.viewer", f"{path}?campaign_id={first}&campaign_id={second}"
            )
            assert refused(answer) == OUT_OF_REACH


@pytest.mark.parametrize(
    "path",
    [
        "/ledger/trial-balance",
        "/ledger/accounts/1002/statement",
        "/ledger/journals",
        "/ledger/entries?journal=books",
        "/ledger/periods",
        "/ledger/check",
    ],
)
async def test_the_ledger_of_all_is_for_whose_role_is_everywhere(federation: Federation, path: str) -> None:
    assert refused(await federation.get(f"{CITY}.finance", path)) == OUT_OF_REACH
    assert (await federation.get(VIEWER, path)).status_code == 200


async def test_vouchers_name_campaigns_in_reach_and_nothing_else(federation: Federation) -> None:
    finance = federation.service.operator(f"{GUSU}.finance")
    own, other = (a_transfer_voucher(federation.campaigns[each]) for each in (GUSU, CITY))
    mixed = own | {"postings": own["postings"] + other["postings"]}
    unknown = a_transfer_voucher("never-heard-of")
    for body in (other, mixed, a_transfer_voucher(None), unknown, a_voucher()):
        assert refused(await finance.post("/ledger/vouchers", body)) == OUT_OF_REACH
    assert refused(await finance.post("/ledger/openings", own)) == OUT_OF_REACH
    drafted = await finance.post("/ledger/vouchers", own)
    assert drafted.status_code == 201, drafted.text
    booking = f"/ledger/drafts/{drafted.json()['draft_id']}/book"
    assert refused(await federation.service.operator(f"{WUJIANG}.approver").post(booking)) == OUT_OF_REACH
    booked = await federation.service.operator(f"{CITY}.approver").post(booking)
    assert booked.status_code == 200, booked.text
    reversal = {"journal": "books", "sequence": booked.json()["sequence"], "note": "错账"}
    answer = await federation.service.operator(f"{WUJIANG}.finance").post("/ledger/reversals", reversal)
    assert refused(answer) == OUT_OF_REACH
    assert (await finance.post("/ledger/reversals", reversal)).status_code == 201
    for draft in (await federation.get(f"{GUSU}.finance", "/ledger/drafts")).json()["items"][1:]:
        await finance.post(f"/ledger/drafts/{draft['draft_id']}/discard")


async def test_what_moves_between_two_is_decided_above_both_and_seen_from_each(
    federation: Federation,
) -> None:
    service, (own, city) = federation.service, (federation.campaigns[each] for each in (GUSU, CITY))
    path = f"/campaigns/{own}/transfers"
    assert (
        refused(await service.operator(f"{GUSU}.finance").post(path, a_correction(city))) == OUT_OF_REACH
    ), "the city's fund is not the county's to fill"
    split = {
        "donation_id": str(uuid4()),
        "received_on": "2026-01-01",
        "parts": [{"campaign_id": each, "share_bp": 5_000} for each in (own, city)],
        "reason": "捐赠人指定",
    }
    wanted = await service.operator(f"{GUSU}.finance").post(f"/campaigns/{own}/splits", split)
    assert refused(wanted) == OUT_OF_REACH, "neither by a part of a donation"
    wanted = await service.operator(f"{CITY}.finance").post(f"/campaigns/{own}/splits", split)
    assert wanted.status_code == 201, wanted.text
    split_path = f"/splits/{wanted.json()['split_id']}"
    assert (await federation.get(f"{GUSU}.viewer", split_path)).status_code == 200
    assert refused(await federation.get(f"{WUJIANG}.viewer", split_path)) == OUT_OF_REACH
    withdrawing = {"reason": "x"}
    county_finance = service.operator(f"{GUSU}.finance")
    answer = await county_finance.post(f"{split_path}/withdraw", withdrawing, if_match="*")
    assert refused(answer) == OUT_OF_REACH
    asked = await service.operator(f"{CITY}.finance").post(path, a_correction(city))
    assert asked.status_code == 201, asked.text
    transfer = f"/transfers/{asked.json()['transfer_id']}"
    assert (await federation.get(f"{GUSU}.viewer", transfer)).status_code == 200
    assert refused(await federation.get(f"{WUJIANG}.viewer", transfer)) == OUT_OF_REACH
    county = service.operator(f"{GUSU}.approver")
    for step, body in (("approve", None), ("withdraw", {"reason": "x"})):
        assert refused(await county.post(f"{transfer}/{step}", body, if_match="*")) == OUT_OF_REACH
    withdrawn = await service.operator(f"{CITY}.approver").post(
        f"{transfer}/withdraw", {"reason": "x"}, if_match=asked.headers["etag"]
    )
    assert withdrawn.status_code == 200, withdrawn.text


@pytest.mark.parametrize("action", ["close", "confirm"])
async def test_a_month_is_closed_by_whose_role_is_everywhere(federation: Federation, action: str) -> None:
    answer = await federation.service.operator(f"{CITY}.finance").post(f"/ledger/periods/2026-01/{action}")
    assert refused(answer) == OUT_OF_REACH


async def test_a_campaign_is_created_for_an_organisation_in_reach(federation: Federation) -> None:
    desk = federation.service.operator(f"{WUJIANG}.desk")

    async def create(organisation_id: str | None) -> Response:
        body = a_campaign(new_campaign_id("county"), organisation_id=organisation_id, **NAMED)
        return await desk.post("/campaigns", body)

    for elsewhere in (CITY, GUSU, None, "unknown"):
        assert refused(await create(elsewhere)) == OUT_OF_REACH
    created = await create(TOWN)
    assert (created.status_code, created.json()["organisation"]) == (201, ORGANISATIONS[TOWN][1])
    path = f"/campaigns/{created.json()['campaign_id']}/plan"
    for elsewhere in (CITY, None):
        plan = a_plan(organisation_id=elsewhere, **NAMED)
        assert refused(await desk.put(path, plan, if_match="*")) == OUT_OF_REACH
    moved = await desk.put(path, a_plan(organisation_id=WUJIANG, **NAMED), if_match="*")
    assert (moved.status_code, moved.json()["licence"]) == (200, f"慈证字-{WUJIANG}")
    await federation.service.rows_changed(
        "UPDATE campaigns SET organisation_id = NULL WHERE campaign_id = :id", id=moved.json()["campaign_id"]
    )
    assert refused(await desk.put(path, a_plan(**NAMED), if_match="*")) == OUT_OF_REACH
    for statement in ("campaign_changes", "funds", "campaigns"):
        await federation.service.rows_changed(
            f"DELETE FROM {statement} WHERE campaign_id = :id", id=moved.json()["campaign_id"]
        )


async def test_a_plan_says_what_the_register_says(federation: Federation) -> None:
    desk = federation.service.operator(DESK)
    body = a_campaign(new_campaign_id(), organisation_id=GUSU, organisation="别的慈善会")
    answer = await desk.post("/campaigns", body)
    assert refused(answer) == (422, "organisation-named-otherwise")
    assert answer.json()["errors"][0]["field"] == "organisation"
    answer = await desk.post("/campaigns", a_campaign(new_campaign_id(), organisation_id="unknown", **NAMED))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (404, "organisation_id")


@pytest.mark.parametrize(
    "path",
    [
        "/campaigns/never-heard-of/balance",
        "/campaigns/%00",
        "/campaigns/A%20B",
        f"/pledges/{NO_SUCH_ID}",
        "/pledges/not-a-uuid",
        f"/disbursements/{NO_SUCH_ID}",
        f"/ledger/drafts/{NO_SUCH_ID}",
        "/ledger/trial-balance?campaign_id=never-heard-of",
        "/organisations/nowhere",
    ],
)
async def test_what_is_not_there_is_not_found(federation: Federation, path: str) -> None:
    answer = await federation.get(f"{CITY}.viewer", path)
    assert refused(answer) == (404, "not-found"), answer.text


async def test_a_repeated_command_answers_nobody_who_has_lost_the_right(federation: Federation) -> None:
    """The key is the person's own, and what was answered to it is told again to nobody else."""
    path = f"/campaigns/{federation.campaigns[TOWN]}/pledges"
    first = await federation.service.operator(f"{TOWN}.desk").post(path, a_pledge(5), key="same")
    assert first.status_code == 201
    other = await federation.service.operator(f"{GUSU}.desk").post(path, a_pledge(5), key="same")
    assert refused(other) == OUT_OF_REACH
    await federation.service.operator(SECOND_DESK).post(
        f"/pledges/{first.json()['pledge_id']}/cancel", {"reason": "x"}, if_match='"1"'
    )
