"""Years from before the ledger: when they may be stated, and which figures a year is judged by."""

from datetime import UTC, datetime

import pytest

from services.campaign.spending.ratios import YearFigures, ratios_of
from services.campaign.spending.stated_years import (
    Basis,
    PartsExceedSpending,
    StatementDecided,
    StatementState,
    YearInLedger,
    YearNotOver,
    require_not_in_ledger,
    require_over,
    require_parts,
    require_waiting,
    years_used,
)

NEW_YEAR = datetime(2023, 12, 31, 16, tzinfo=UTC)
"""The first moment of 2024 in Asia/Shanghai."""


def test_a_year_is_over_when_it_is_over_in_shanghai() -> None:
    require_over(2023, NEW_YEAR)
    with pytest.raises(YearNotOver) as refused:
        require_over(2023, NEW_YEAR.replace(hour=15, minute=59))
    assert refused.value.facts == {"last_year": 2022}
    for running_or_ahead in (2024, 2025, 2199):
        with pytest.raises(YearNotOver):
            require_over(running_or_ahead, NEW_YEAR)


@pytest.mark.parametrize("spending_fen", [30, 31])
def test_programmes_and_management_are_within_all_spending(spending_fen: int) -> None:
    require_parts(YearFigures(programme_fen=20, management_fen=10, spending_fen=spending_fen))
    with pytest.raises(PartsExceedSpending) as refused:
        require_parts(YearFigures(programme_fen=20, management_fen=12, spending_fen=spending_fen))
    assert refused.value.facts == {"parts_fen": 32}


def test_what_the_ledger_has_of_a_year_is_not_stated_even_when_it_adds_up_to_nothing() -> None:
    require_not_in_ledger(2022, {2021: YearFigures(income_fen=5), 2023: YearFigures(income_fen=5)})
    for figures in (YearFigures(income_fen=5, spending_fen=3), YearFigures()):
        with pytest.raises(YearInLedger) as refused:
            require_not_in_ledger(2022, {2022: figures})
        assert refused.value.facts == {
            "income_fen": figures.income_fen,
            "spending_fen": figures.spending_fen,
        }


def test_only_what_waits_is_decided() -> None:
    require_waiting(StatementState.ASKED)
    for state in (StatementState.DONE, StatementState.WITHDRAWN):
        with pytest.raises(StatementDecided):
            require_waiting(state)


def test_the_ledger_prevails_and_every_year_says_what_it_rests_on() -> None:
    ledger = {2023: YearFigures(programme_fen=700, spending_fen=700), 2022: YearFigures(income_fen=1_000)}
    stated = {2022: YearFigures(income_fen=9_999), 2021: YearFigures(income_fen=500)}
    used = years_used(2023, ledger, stated | {2019: YearFigures(income_fen=7)})
    assert [(year, known.basis, known.figures.income_fen) for year, known in used.items()] == [
        (2023, Basis.LEDGER, 0),
        (2022, Basis.LEDGER, 1_000),
        (2021, Basis.STATED, 500),
        (2020, Basis.NONE, 0),
    ]
    found = ratios_of(2023, {year: known.figures for year, known in used.items()})
    assert (found.last_income_fen, found.mean_income_fen) == (1_000, 500)
    assert (found.spent_of_last_bp, found.spent_of_mean_bp) == (7_000, 14_000)
