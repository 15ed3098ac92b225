"""The API of the campaign service where something is there: whatever it is sent, it answers as it says."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from schemathesis import Case, GenerationMode

from tests.services.campaign.builders import ADMINISTRATOR, DESK, launched, some_goods, token
from tests.services.campaign.conftest import Service
from tests.services.campaign.store import a_distribution, done, entered
from tests.services.campaign.store import asked as asked_movement
from tests.services.campaign.store import given as given_goods
from tests.services.campaign.test_decisions import a_change, a_remainder, with_money
from tests.services.campaign.test_decisions import asked as asked_decision
from tests.services.campaign.test_disclosure import an_appeal, drafted
from tests.services.campaign.test_disclosure import asked as asked_report
from tests.services.campaign.test_matching import confirmed
from tests.services.campaign.test_matching import entered as entered_match
from tests.services.campaign.test_named_funds import a_named_fund
from tests.services.campaign.test_parts import with_part
from tests.services.campaign.test_splits import approved_split
from tests.services.campaign.test_transfers import approve
from tests.services.campaign.test_transfers import asked as asked_transfer
from tests.services.driving import drive, operations_of, through

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # schemathesis's own strategies do it
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]
SIGNED_IN = {"Authorization": f"Bearer {token(ADMINISTRATOR)}"}
STEPS = ("/file", "/launch", "/pause", "/close", "/settle", "/reopen")
About = list[dict[str, str]]


async def funds(service: Service) -> About:
    campaigns, split, _ = await approved_split(service, 1000, 5000, 5000)
    named, moved = await a_named_fund(service), await asked_transfer(service, campaigns, 1)
    assert (await approve(service, moved)).status_code == 200
    waiting = await asked_transfer(service, campaigns, 1)
    return [
        {"campaign_id": campaigns[0], "transfer_id": moved, "split_id": split["split_id"]},
        {"campaign_id": named, "transfer_id": waiting},
    ]


async def goods(service: Service) -> About:
    campaign_id = await launched(service.operator(DESK))
    path = f"/campaigns/{campaign_id}/goods-distributions"
    waiting, there = await entered(service, campaign_id), await given_goods(service, campaign_id)
    item = there["items"][0]["item_id"]
    out = (await done(service, path, a_distribution(item, 2)))["movement_id"]
    ahead = await asked_movement(service, path, a_distribution(item, 1))
    return [
        {"campaign_id": campaign_id, "gift_id": gift["gift_id"], "movement_id": movement}
        for gift, movement in ((waiting, ahead), (there, out))
    ]


async def life(service: Service) -> About:
    running, closed = await launched(service.operator(DESK)), await with_money(service, 1_000)
    part = await with_part(service, running)
    change = await asked_decision(service, f"/campaigns/{running}/changes-of-use", a_change())
    remainder = await asked_decision(service, f"/campaigns/{closed}/remainders", a_remainder(running))
    about = [(part, change, await entered_match(service, part))]
    about.append((closed, remainder, await confirmed(service, running)))
    return [
        {"campaign_id": campaign, "decision_id": decision.rpartition("/")[2], "match_id": match}
        for campaign, decision, match in about
    ]


async def pledges(service: Service) -> About:
    campaign_id = await launched(service.operator(DESK))
    there = [await service.entered(campaign_id), await service.pledge(campaign_id, goods=some_goods(3))]
    return [{"pledge_id": pledge_id, "campaign_id": campaign_id} for pledge_id in there]


async def disclosure(service: Service) -> About:
    report = await drafted(service, asked_report(await an_appeal(service)))
    return [{"report_id": report["report_id"]}]


@dataclass(frozen=True)
class Part:
    """Operations of these tags (and steps), driven about what `prepare` makes."""

    tags: frozenset[str]
    prepare: Callable[[Service], Awaitable[About]]
    least: int
    reached: frozenset[int]
    steps: tuple[str, ...] = ()

    def has(self, operation: Any) -> bool:
        tags = set(operation.definition.raw["tags"])
        step = bool(self.steps) and "campaigns" in tags and operation.path.endswith(self.steps)
        return step or bool(self.tags & tags)


PARTS = {
    "funds": Part(frozenset({"funds"}), funds, 18, frozenset({200, 409, 422})),
    "goods": Part(frozenset({"goods"}), goods, 16, frozenset({200, 201, 409, 422})),
    "life": Part(frozenset({"decisions", "parts", "matching"}), life, 20, frozenset({200, 409, 422}), STEPS),
    "pledges": Part(frozenset({"pledges", "organisations"}), pledges, 20, frozenset({200, 201, 409, 422})),
    "disclosure": Part(frozenset({"disclosure"}), disclosure, 7, frozenset({200, 422})),
}


@pytest.mark.parametrize("name", PARTS)
async def test_what_is_there_is_treated_as_the_document_says(service: Service, name: str) -> None:
    part = PARTS[name]
    document = (await service.client.get("/openapi.json")).json()
    operations = [each for each in operations_of(document) if part.has(each)]
    assert len(operations) >= part.least
    about, send, answers = await part.prepare(service), through(service.client), set()

    async def noted(case: Case[Any], headers: Mapping[str, str]) -> httpx.Response:
        answer = await send(case, headers)
        answers.add(answer.status_code)
        return answer

    found = await drive(operations, noted, SIGNED_IN, known=about[0], modes=(GenerationMode.NEGATIVE,))
    for known in about:
        found += await drive(operations, noted, SIGNED_IN, known=known, modes=(GenerationMode.POSITIVE,))
    assert found == []
    assert part.reached <= answers, "all of it was reached"
