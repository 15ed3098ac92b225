"""Goal and milestones: which amounts, and when each is reached."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.milestones import (
    MilestonesContradict,
    Threshold,
    ThresholdKind,
    milestones_of_percents,
    planned,
    reached,
    thresholds,
)
from shared.money import MAX_AMOUNT_FEN

GOAL = ThresholdKind.GOAL
MILESTONE = ThresholdKind.MILESTONE

amounts = st.integers(1, MAX_AMOUNT_FEN)


@pytest.mark.parametrize(
    ("goal_fen", "percents", "milestones_fen"),
    [
        (5475_0000_00, (25, 50, 75, 100), (1368_7500_00, 2737_5000_00, 4106_2500_00, 5475_0000_00)),
        (3, (25, 50, 100), (1, 2, 3)),
        (1, (1, 50, 100), (1,)),
        (100, (150, 50), (50, 150)),
        (100, (), ()),
    ],
)
def test_percentages_become_fen(
    goal_fen: int, percents: tuple[int, ...], milestones_fen: tuple[int, ...]
) -> None:
    assert milestones_of_percents(goal_fen, percents) == milestones_fen


@given(amounts, st.lists(st.integers(1, 1000), max_size=20))
def test_a_percentage_is_never_announced_a_fen_too_early(goal_fen: int, percents: list[int]) -> None:
    milestones = milestones_of_percents(goal_fen, percents)
    for percent in percents:
        least = min(
            fen for fen in range(*_around(goal_fen * percent // 100)) if fen * 100 >= goal_fen * percent
        )
        assert least in milestones


def _around(fen: int) -> tuple[int, int]:
    return fen - 1, fen + 3


@pytest.mark.parametrize(
    ("goal_fen", "percents", "explicit_fen", "milestones_fen"),
    [
        (400, None, None, (100, 200, 300, 400)),
        (400, [10], None, (40,)),
        (400, [], None, ()),
        (400, None, [7, 5, 7], (5, 7)),
        (400, None, [], ()),
        (None, None, None, ()),
        (None, None, [5], (5,)),
    ],
)
def test_a_plan_states_its_milestones_either_way(
    goal_fen: int | None,
    percents: list[int] | None,
    explicit_fen: list[int] | None,
    milestones_fen: tuple[int, ...],
) -> None:
    assert planned(goal_fen, percents=percents, explicit_fen=explicit_fen) == milestones_fen


@pytest.mark.parametrize(
    ("goal_fen", "percents", "explicit_fen"),
    [(400, [10], [40]), (None, [10], None), (MAX_AMOUNT_FEN, [100, 101], None)],
)
def test_milestones_that_contradict_the_plan_are_refused(
    goal_fen: int | None, percents: list[int] | None, explicit_fen: list[int] | None
) -> None:
    with pytest.raises(MilestonesContradict):
        planned(goal_fen, percents=percents, explicit_fen=explicit_fen)


@pytest.mark.parametrize(
    ("net_fen", "announced"),
    [
        (-5, []),
        (0, []),
        (24, []),
        (25, [(MILESTONE, 25)]),
        (99, [(MILESTONE, 25), (MILESTONE, 50)]),
        (100, [(MILESTONE, 25), (MILESTONE, 50), (MILESTONE, 100), (GOAL, 100)]),
    ],
)
def test_what_the_sum_has_come_to_is_announced_lowest_first_the_goal_last(
    net_fen: int, announced: list[tuple[ThresholdKind, int]]
) -> None:
    waiting = reversed(thresholds("gala", 100, [100, 25, 50]))
    assert [(each.kind, each.threshold_fen) for each in reached(waiting, net_fen)] == announced


def test_a_milestone_at_the_goal_is_not_the_goal() -> None:
    assert thresholds("gala", 100, [100]) == (Threshold("gala", MILESTONE, 100), Threshold("gala", GOAL, 100))
