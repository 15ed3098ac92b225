"""The shares of art. 61, exact at their limits."""

import pytest

from services.campaign.spending.ratios import YearFigures, ratios_of

INCOMES = {2022: 1_000_00, 2021: 400_00, 2020: 100_00}


@pytest.mark.parametrize(
    ("spent", "enough"), [(70_000, True), (69_999, True), (35_000, True), (34_999, False), (0, False)]
)
def test_seventy_percent_of_last_year_or_of_three_years_is_enough(*, spent: int, enough: bool) -> None:
    """Last year 100,000 fen, on average 50,000: 35,000 reaches the second."""
    years = {year: YearFigures(income_fen=fen) for year, fen in INCOMES.items()}
    found = ratios_of(2023, years | {2023: YearFigures(programme_fen=spent, spending_fen=spent)})
    assert (found.last_income_fen, found.mean_income_fen) == (100_000, 50_000)
    assert found.spends_enough is enough


def test_last_years_income_alone_may_be_the_smaller_one() -> None:
    years = {2022: YearFigures(income_fen=100), 2021: YearFigures(income_fen=10_000)}
    found = ratios_of(2023, years | {2023: YearFigures(programme_fen=70)})
    assert (found.spent_of_last_bp, found.spends_enough) == (7_000, True)


@pytest.mark.parametrize(("management", "within"), [(100, True), (101, False), (0, True)])
def test_management_is_at_most_a_tenth_of_all_spending(*, management: int, within: bool) -> None:
    found = ratios_of(2023, {2023: YearFigures(management_fen=management, spending_fen=1_000)})
    assert found.management_within is within


def test_a_fen_too_much_is_never_rounded_away() -> None:
    found = ratios_of(2023, {2023: YearFigures(management_fen=10**11 + 1, spending_fen=10**12)})
    assert (found.management_bp, found.management_within) == (1_001, False)


def test_without_an_income_or_spending_nothing_is_claimed() -> None:
    found = ratios_of(2023, {2022: YearFigures(income_fen=-5)})
    assert (found.spends_enough, found.management_within) == (None, None)
