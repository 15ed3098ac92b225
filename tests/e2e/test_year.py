"""A part of the year on the real system: what is declared is what services, report and `verify` say."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from deploy.bench.ground import prepared
from deploy.verify.judging import Verdict, verify
from deploy.year.federation import CITY
from deploy.year.office import Office
from deploy.year.player import Played, Player
from deploy.year.reading import Reader, Reading
from deploy.year.scenario import year_2023
from deploy.year.terms import Campaign, Year
from tests.grounds import Base

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PROCESSES = ("donation", "donation-worker", "campaign", "reporting-worker", "reporting")
NAMED = ("drive", "judicial", "books", "suqian-yancheng", "illness-aid", "gala")
COUNTIES = ("pingjiang", "yunhe")
PEOPLE = {
    "desk": "desk.lin",
    "approver": "approver.wang",
    "finance": "finance.chen",
    "administrator": "administrator",
}


def a_small_year() -> Year:
    """Some of the named campaigns, and of their parts those of two counties; a few people online."""
    whole = year_2023()
    chosen = [
        each
        for each in whole.campaigns
        if each.key in NAMED or (each.parent in NAMED and each.organisation in COUNTIES)
    ]
    few = [
        replace(each, online=tuple(replace(online, person_times=4) for online in each.online))
        for each in chosen
    ]
    organisations = [each for each in whole.organisations if each.key in {CITY, *COUNTIES}]
    return Year(organisations, few)


@dataclass
class Done:
    """The small year, and what came of it."""

    year: Year
    played: Played
    reading: Reading
    verdict: Verdict

    def declared(self, *organisations: str) -> list[Campaign]:
        return list(self.year.of(*organisations))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def done(base: Base) -> AsyncIterator[Done]:
    year = a_small_year()
    async with prepared(base) as ground:
        await ground.start(*PROCESSES)
        urls = {service: ground.wiring.url(service) for service in ("donation", "campaign", "reporting")}
        tokens = {role: ground.credentials.operators[person] for role, person in PEOPLE.items()}
        office = Office(urls, tokens, lambda *_: None)
        player = Player(
            office,
            year,
            scale=2,
            secrets={},
            kafka=ground.kafka.servers,
            namespace=ground.wiring.namespace,
            intake_url=urls["donation"],
            told=lambda *_: None,
        )
        try:
            played = await player.play()
            reading = await Reader(office, year, played).read()
        finally:
            await office.close()
        yield Done(year, played, reading, await verify(ground.places, wait_s=30))


async def test_every_campaign_has_what_was_declared_for_it(done: Done) -> None:
    assert done.reading.funds.keys() == {each.key for each in done.year.campaigns}
    for each in done.year.campaigns:
        found = done.reading.funds[each.key]
        assert found.received_fen == each.received_fen, each.key
        assert found.disbursed_fen == each.disbursed_fen, each.key
        assert found.goods_received_fen == found.goods_distributed_fen == each.goods_fen, each.key
        assert found.promised_fen == each.promised_fen, each.key
        assert sum(count for _, count in found.channels.values()) == 2 * len(each.online) + len(each.gifts)


async def test_parts_belong_to_their_parents_and_organisations_roll_up(done: Done) -> None:
    for each in done.year.campaigns:
        assert (each.key in done.reading.parts.get(each.parent or "", ())) == (each.parent is not None)
    own, whole = done.reading.organisations[CITY]
    assert own.received_fen == sum(each.received_fen for each in done.declared(CITY))
    assert whole.received_fen == sum(each.received_fen for each in done.declared())
    assert whole.spent_fen == sum(each.disbursed_fen + each.goods_fen for each in done.declared())


async def test_the_published_report_is_of_the_year_that_was_played_late(done: Done) -> None:
    for key, campaigns in ((CITY, done.declared(CITY)), ("total", done.declared())):
        found = done.reading.reported[key]
        assert found.raised_fen == sum(each.received_fen + each.goods_fen for each in campaigns)
        assert found.spent_fen == sum(each.disbursed_fen + each.goods_fen for each in campaigns)


async def test_what_the_channels_owed_is_in_the_bank_when_the_year_ends(done: Done) -> None:
    own = done.declared(CITY)
    left_fen = sum(each.received_fen - each.disbursed_fen for each in own)
    assert done.reading.closing["1002"] == left_fen > 0
    assert done.reading.closing["112201"] == 0


async def test_people_are_counted_and_insured(done: Done) -> None:
    for each in done.declared():
        helped = sum(payment.beneficiaries for payment in each.payments)
        helped += sum(handout.beneficiaries for goods in each.goods for handout in goods.handouts)
        helped += sum(count for policy in each.policies for _, count in policy.covered)
        assert sum(out.beneficiaries for out in done.reading.outs[each.key]) == helped, each.key
    renewed = [policy for each in done.declared() for policy in each.policies if policy.renewed]
    assert done.reading.insurance.renewals == len(renewed) > 0
    assert done.reading.partners == 3


async def test_verify_proves_it(done: Done) -> None:
    assert [str(each) for each in done.verdict.differences] == []
