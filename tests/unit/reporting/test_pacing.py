"""Coalescing: at once after a pause, then once an interval, and nothing is forgotten."""

import pytest

from services.reporting.pacing import Pacing


@pytest.fixture
def pacing() -> Pacing:
    return Pacing(0.05)


def test_nothing_is_due_before_anything_is_marked(pacing: Pacing) -> None:
    assert pacing.due_in_s(100.0) is None


def test_the_first_mark_after_a_pause_is_due_at_once(pacing: Pacing) -> None:
    pacing.mark("a")
    assert pacing.due_in_s(100.0) == 0
    assert pacing.take(100.0) == {"a"}
    assert pacing.waiting == 0


def test_marks_within_the_interval_are_one(pacing: Pacing) -> None:
    pacing.mark("a")
    pacing.take(100.0)
    pacing.mark("a")
    pacing.mark("a")
    assert pacing.due_in_s(100.01) == pytest.approx(0.04)
    assert pacing.take(100.01) == set()
    assert pacing.take(100.06) == {"a"}
    assert pacing.due_in_s(100.06) is None


def test_a_key_marked_again_while_it_is_handled_is_not_lost(pacing: Pacing) -> None:
    pacing.mark("a")
    pacing.take(100.0)
    pacing.mark("a")
    assert pacing.waiting == 1


def test_keys_do_not_wait_for_each_other(pacing: Pacing) -> None:
    pacing.mark("busy")
    pacing.take(100.0)
    pacing.mark("busy")
    pacing.mark("quiet")
    assert pacing.take(100.001) == {"quiet"}


def test_a_busy_key_is_taken_at_most_twenty_times_a_second(pacing: Pacing) -> None:
    taken = 0
    for millisecond in range(1_000):
        pacing.mark("a")
        taken += len(pacing.take(millisecond / 1_000))
    assert taken == 20


def test_keys_of_the_past_are_forgotten(pacing: Pacing) -> None:
    for number in range(10_000):
        pacing.mark(str(number))
        pacing.take(float(number))
    assert len(pacing._taken_at_s) < 1_100
