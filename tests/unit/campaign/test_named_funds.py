"""Named funds: what can be one, and how long its money lies."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.funds import named
from services.campaign.funds.named import TermsState
from services.campaign.funds.turnover import Turnover, idle
from services.campaign.lifecycle import State

ON = date(2023, 12, 31)


def test_a_named_fund_is_a_programme_whose_plan_is_fixed() -> None:
    named.require_programme("programme", State.FILED)
    with pytest.raises(named.NotAProgramme):
        named.require_programme("gala", State.LAUNCHED)
    with pytest.raises(named.NotAProgramme):
        named.require_programme("programme", State.DRAFT)


def test_one_version_of_the_terms_waits_at_a_time() -> None:
    named.require_none_waits(None)
    named.require_none_waits(TermsState.WITHDRAWN)
    with pytest.raises(named.TermsWait):
        named.require_none_waits(TermsState.ASKED)
    with pytest.raises(named.NoTermsWait):
        named.require_waiting(TermsState.CONFIRMED)


def turnover(held_fen: int, spent_fen: int, *, age_days: int = 400, oldest_days: int | None = 10) -> Turnover:
    oldest_on = None if oldest_days is None else ON - timedelta(days=oldest_days)
    return Turnover(ON, held_fen, spent_fen, ON - timedelta(days=age_days), oldest_on)


@pytest.mark.parametrize(
    ("held_fen", "spent_fen", "age_days", "days"),
    [
        (100, 365, 400, 100),  # one fen a day
        (99, 36_500, 400, 0),
        (600_0000_00, 82_2000_00, 400, 2664),  # the judicial aid fund of 2023
        (100, 100, 9, 10),  # ten fen a day in a fund of ten days
        (100, 0, 400, None),
        (100, -5, 400, None),  # more came back than was spent
        (-5, 365, 400, 0),
    ],
)
def test_days_of_balance(held_fen: int, spent_fen: int, age_days: int, days: int | None) -> None:
    assert turnover(held_fen, spent_fen, age_days=age_days).days_of_balance == days


@given(st.integers(0, 10**15), st.integers(1, 10**15), st.integers(0, 5000))
def test_the_money_lasts_for_the_days_told_and_not_one_more(held: int, spent: int, age: int) -> None:
    figures = turnover(held, spent, age_days=age)
    days = figures.days_of_balance
    assert days is not None
    assert days * spent <= held * figures.window_days < (days + 1) * spent
    assert 1 <= figures.window_days <= 365


def test_money_is_idle_when_it_has_lain_longer_than_the_terms_allow() -> None:
    assert turnover(1, 0, oldest_days=366).idle_days == 366
    assert idle(366, 365)
    assert not idle(365, 365)
    assert not idle(None, 365), "nothing is held"
    assert not idle(9999, None), "no terms say how long it may lie"
