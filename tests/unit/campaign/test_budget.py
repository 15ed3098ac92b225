"""What one disbursement is held to beside the balance: the plan's uses and cost, its budget, its window."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.lifecycle import State
from services.campaign.plan import UseNotPlanned
from services.campaign.spending.budget import (
    BudgetBelowSpent,
    Limits,
    OutsideWindow,
    PastBudget,
    PastPlannedCost,
    PlanNotFiled,
    UseTwice,
    require_allowed,
    require_budget,
    require_in_window,
    require_not_below,
    require_opened,
)
from shared.money import MAX_AMOUNT_FEN

DAY = date(2026, 6, 1)
LIMITS = Limits(
    uses=("助医", "助学"), cost_fen=10, opens_on=DAY, spend_until=None, line_fen=None, spent_fen=0
)


def test_a_use_that_the_plan_does_not_name_is_refused_with_those_it_names() -> None:
    require_allowed(LIMITS, "programme", "助学", MAX_AMOUNT_FEN)
    with pytest.raises(UseNotPlanned) as refused:
        require_allowed(LIMITS, "programme", "修路", 1)
    assert refused.value.facts["uses"] == ["助医", "助学"]


@pytest.mark.parametrize(
    ("line_fen", "spent_fen", "amount_fen", "remaining_fen"),
    [(0, 0, 1, 0), (100, 0, 101, 100), (100, 60, 41, 40), (100, 100, 1, 0), (100, 130, 1, 0)],
)
def test_what_is_past_its_line_is_refused_with_what_remains(
    line_fen: int, spent_fen: int, amount_fen: int, remaining_fen: int
) -> None:
    limits = replace(LIMITS, line_fen=line_fen, spent_fen=spent_fen)
    with pytest.raises(PastBudget) as refused:
        require_allowed(limits, "programme", "助学", amount_fen)
    assert refused.value.facts["remaining_fen"] == remaining_fen
    if remaining_fen:
        require_allowed(limits, "programme", "助学", remaining_fen)


def test_what_the_work_costs_is_held_to_the_cost_that_was_filed_and_needs_no_use() -> None:
    require_allowed(LIMITS, "management", "办公", 10)
    for limits, category in ((LIMITS, "management"), (replace(LIMITS, spent_fen=3), "fundraising")):
        with pytest.raises(PastPlannedCost) as refused:
            require_allowed(limits, category, "办公", 11)  # type: ignore[arg-type]
        assert refused.value.facts["remaining_fen"] == 10 - limits.spent_fen


def test_nothing_is_paid_before_the_window_or_after_the_last_day() -> None:
    limits = replace(LIMITS, spend_until=date(2026, 6, 30))
    require_in_window(limits, DAY, "paid_on", opened=True)
    require_in_window(limits, date(2026, 6, 30), "paid_on", opened=True)
    require_in_window(limits, date(2026, 5, 1), "requested_on", opened=False)
    for day, opened in ((date(2026, 5, 31), True), (date(2026, 7, 1), True), (date(2026, 7, 1), False)):
        with pytest.raises(OutsideWindow):
            require_in_window(limits, day, "paid_on", opened=opened)
    require_in_window(LIMITS, date(2199, 1, 1), "paid_on", opened=True)
    require_opened(limits, DAY, "")
    with pytest.raises(OutsideWindow) as refused:
        require_opened(limits, date(2026, 5, 31), "Later.")
    assert refused.value.facts["opens_on"] == "2026-06-01"


def test_a_budget_is_for_uses_of_a_filed_plan_each_once() -> None:
    for state in State:
        if state in (State.DRAFT, State.SETTLED):
            with pytest.raises(PlanNotFiled):
                require_budget(state, ["助学"], ["助学"])
        else:
            require_budget(state, ["助学"], ["助学"])
    with pytest.raises(UseTwice):
        require_budget(State.LAUNCHED, ["助学"], ["助学", "助学"])
    with pytest.raises(UseNotPlanned):
        require_budget(State.LAUNCHED, ["助学"], ["助学", "修路"])


def test_a_budget_never_goes_below_what_is_spent() -> None:
    require_not_below({"助学": 60, "助医": 1}, {"助学": 60})
    for lines in ({"助学": 59}, {"助医": 100}):
        with pytest.raises(BudgetBelowSpent) as refused:
            require_not_below(lines, {"助学": 60})
        assert refused.value.facts["spent_fen"] == 60


@given(st.integers(1, MAX_AMOUNT_FEN), st.lists(st.integers(1, MAX_AMOUNT_FEN), max_size=30))
def test_whatever_is_asked_for_a_line_is_never_overspent(line_fen: int, wanted: list[int]) -> None:
    limits = replace(LIMITS, line_fen=line_fen)
    for amount_fen in wanted:
        try:
            require_allowed(limits, "programme", "助学", amount_fen)
        except PastBudget:
            assert limits.spent_fen + amount_fen > line_fen
            continue
        limits = replace(limits, spent_fen=limits.spent_fen + amount_fen)
        assert limits.spent_fen <= line_fen
