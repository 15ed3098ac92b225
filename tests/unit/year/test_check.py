"""The check: a system that has the declared year passes it; one fen or one person less does not."""

from dataclasses import replace

import pytest

from deploy.year.check import figures
from deploy.year.federation import CITY
from deploy.year.reading import Fund, Insurance, Listed, Out, Reading
from deploy.year.scenario import year_2023
from deploy.year.terms import Campaign, Year

SCALE = 10


def _fund(campaign: Campaign) -> Fund:
    return Fund(
        campaign.received_fen,
        campaign.disbursed_fen,
        campaign.goods_fen,
        campaign.goods_fen,
        campaign.promised_fen,
        {each.channel: (each.amount_fen, each.person_times // SCALE) for each in campaign.online},
    )


def _sum(funds: list[Fund]) -> Fund:
    return Fund(
        sum(each.received_fen for each in funds),
        sum(each.disbursed_fen for each in funds),
        sum(each.goods_received_fen for each in funds),
        sum(each.goods_distributed_fen for each in funds),
        sum(each.promised_fen for each in funds),
        {},
    )


def _outs(campaign: Campaign) -> list[Out]:
    paid = [Out(each.use, each.payee, each.amount_fen, each.beneficiaries) for each in campaign.payments]
    handed = []
    for goods in campaign.goods:
        left_fen = goods.value_fen
        for index, each in enumerate(goods.handouts):
            last = index == len(goods.handouts) - 1
            value_fen = left_fen if last else goods.value_fen * each.quantity // goods.quantity
            left_fen -= value_fen
            medicine = goods.category == "medicine"
            handed.append(Out(each.use, each.recipient, value_fen, each.beneficiaries, medicine))
    return paid + handed


def _read(year: Year) -> Reading:
    """What a system that has the whole year would say."""
    reading = Reading()
    for each in year.campaigns:
        reading.funds[each.key] = _fund(each)
        reading.listed[each.key] = Listed(each.organisation, each.kind, each.parent is not None)
        reading.outs[each.key] = _outs(each)
        reading.placards[each.key] = [(placard.company, placard.amount_fen) for placard in each.placards]
        if each.parent is not None:
            reading.parts.setdefault(each.parent, []).append(each.key)
    policies = [policy for each in year.campaigns for policy in each.policies]
    renewed = [count for policy in policies if policy.renewed for _, count in policy.covered]
    reading.insurance = Insurance(
        {group: count for policy in policies if not policy.renewed for group, count in policy.covered},
        len(renewed),
        sum(renewed),
        max(claim_fen for policy in policies for claim_fen in policy.claims_fen),
    )
    medicines = [goods for each in year.campaigns for goods in each.goods if goods.category == "medicine"]
    reading.medicines_fen = sum(goods.value_fen for goods in medicines)
    reading.partners = 3
    for organisation in year.organisations:
        own = _sum([reading.funds[each.key] for each in year.of(organisation.key)])
        whole = _sum(list(reading.funds.values())) if organisation.parent is None else own
        reading.organisations[organisation.key] = own, whole
    reading.reported = {key: own for key, (own, _) in reading.organisations.items()}
    reading.closing = {"1002": reading.reported[CITY].raised_fen - reading.reported[CITY].spent_fen}
    reading.reported["total"] = reading.organisations[year.root][1]
    return reading


@pytest.fixture
def reading() -> Reading:
    return _read(year_2023())


def test_a_system_that_has_the_year_passes(reading: Reading) -> None:
    found = figures(reading, SCALE)
    # Donations are whole: what the scale leaves over an entry is not in this reading.
    wrong = [each.what for each in found if not each.equal and "person-times" not in each.what]
    assert wrong == []
    assert len({each.what for each in found}) == len(found) >= 60


def test_one_fen_less_is_seen(reading: Reading) -> None:
    quake = reading.funds["quake-taihu"]
    reading.funds["quake-taihu"] = replace(quake, disbursed_fen=quake.disbursed_fen - 1)
    assert [each.what for each in figures(reading, SCALE) if not each.equal][-1] == "Gansu earthquake: spent"


def test_what_the_channels_never_settled_is_seen(reading: Reading) -> None:
    in_bank = reading.closing["1002"]
    reading.closing = {"1002": in_bank - 5, "112201": 5}
    wrong = {each.what for each in figures(reading, SCALE) if not each.equal}
    assert wrong >= {"annual report: city in the bank", "annual report: city due from channels"}


def test_one_person_less_is_seen(reading: Reading) -> None:
    (first, *others) = reading.outs["visits-taihu"]
    reading.outs["visits-taihu"] = [replace(first, beneficiaries=first.beneficiaries - 1), *others]
    assert [each.what for each in figures(reading, SCALE) if not each.equal][-1] == "visited"


def test_promised_is_never_part_of_what_was_raised(reading: Reading) -> None:
    by_name = {each.what: each for each in figures(reading, SCALE)}
    gala = reading.funds["gala"]
    assert by_name["gala: promised"].found == gala.promised_fen > gala.raised_fen
    own, _ = reading.organisations["city"]
    assert own.raised_fen == own.received_fen + own.goods_received_fen
