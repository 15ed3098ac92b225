"""The channels settle everything within the year, and before it is paid out."""

from collections import defaultdict
from datetime import date

import pytest

from deploy.year.online import donations
from deploy.year.player import DICE, INSURED_ON
from deploy.year.scenario import year_2023
from deploy.year.settling import CAMPAIGNS, Settlement, settled_on, settlements

SCALE = 1200


@pytest.fixture(scope="module")
def settled() -> list[Settlement]:
    return list(settlements(year_2023(), donations(year_2023(), SCALE, DICE)))


def test_what_is_given_is_in_the_bank_by_the_next_wednesday() -> None:
    assert settled_on(date(2023, 12, 20)) == date(2023, 12, 20)
    assert settled_on(date(2023, 12, 21)) == settled_on(date(2023, 12, 26)) == date(2023, 12, 27)


def test_everything_that_is_given_is_settled_within_the_year(settled: list[Settlement]) -> None:
    sums: defaultdict[str, int] = defaultdict(int)
    for each in settled:
        for key, amount_fen in each.amounts:
            assert amount_fen > 0
            sums[key] += amount_fen
    assert sums == {each.key: each.received_fen for each in year_2023().campaigns if each.received_fen}
    assert [each.day for each in settled] == sorted(each.day for each in settled)
    assert {each.day.year for each in settled} == {2023}


def test_a_voucher_is_never_too_long_and_there_are_few(settled: list[Settlement]) -> None:
    assert max(len(each.amounts) for each in settled) <= CAMPAIGNS
    assert len(settled) < 60


@pytest.mark.parametrize("scale", [100, SCALE])
def test_nothing_is_paid_from_the_bank_before_it_is_there(scale: int) -> None:
    moves: defaultdict[str, list[tuple[date, int]]] = defaultdict(list)
    year = year_2023()
    for each in settlements(year, donations(year, scale, DICE)):
        for key, amount_fen in each.amounts:
            moves[key].append((each.day, amount_fen))
    for campaign in year.campaigns:
        paid = [(payment.day, payment.amount_fen) for payment in campaign.payments]
        paid += [(INSURED_ON, policy.premium_fen) for policy in campaign.policies]
        for day, _ in paid:
            in_bank = sum(fen for on, fen in moves[campaign.key] if on <= day)
            assert sum(fen for on, fen in paid if on <= day) <= in_bank, campaign.key
