"""The rate at which mails leave."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.pace import Pace


def test_turns_are_spaced_evenly_however_many_ask_at_once() -> None:
    pace = Pace(per_second=10)
    assert [pace.reserve(now_s=100.0) for _ in range(4)] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_a_pause_saves_up_no_burst() -> None:
    pace = Pace(per_second=10)
    pace.reserve(now_s=100.0)
    assert [pace.reserve(now_s=200.0) for _ in range(3)] == pytest.approx([0, 0.1, 0.2])


@given(st.floats(0.1, 1000), st.lists(st.floats(0, 5), min_size=2, max_size=50))
def test_no_two_turns_are_closer_than_the_rate_allows(per_second: float, steps_s: list[float]) -> None:
    pace, now_s, turns_s = Pace(per_second), 1000.0, []
    for step_s in steps_s:
        now_s += step_s
        turns_s.append(now_s + pace.reserve(now_s))
    gaps_s = [later - earlier for earlier, later in pairwise(turns_s)]
    assert min(gaps_s) >= 1 / per_second - 1e-6
