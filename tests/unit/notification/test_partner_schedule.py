"""When a webhook is tried again and given up, and when a partner is slowed, well again, disabled."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.partners.schedule import (
    DELAYS_S,
    DISABLED_AFTER,
    RETRY_AFTER_MAX_S,
    SLOWED_AFTER,
    EndpointState,
    Health,
    Notice,
    Outcome,
    State,
    after_attempt,
    after_wave,
    outcome_of,
    retry_after_s,
)

FAILURES = [each for each in Outcome if each is not Outcome.DELIVERED]
DAY_S = 86_400


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=len(DELAYS_S), max_size=len(DELAYS_S)))
def test_the_last_attempt_is_more_than_three_days_after_the_first(jitters: list[float]) -> None:
    waited_s = 0.0
    for attempt, jitter in enumerate(jitters, start=1):
        step = after_attempt(Outcome.REFUSED, attempt=attempt, jitter=jitter)
        assert step.state is State.RETRY
        assert step.delay_s is not None
        waited_s += step.delay_s
    assert 3 * DAY_S < waited_s < 5 * DAY_S
    assert after_attempt(Outcome.REFUSED, attempt=len(DELAYS_S) + 1, jitter=0).state is State.EXHAUSTED


@pytest.mark.parametrize("outcome", FAILURES)
def test_nothing_that_fails_is_dropped(outcome: Outcome) -> None:
    for attempt in range(1, 30):
        assert after_attempt(outcome, attempt=attempt, jitter=0.5).state in {State.RETRY, State.EXHAUSTED}


def test_a_2xx_ends_it_at_any_attempt() -> None:
    assert after_attempt(Outcome.DELIVERED, attempt=99, jitter=0).state is State.DELIVERED


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (204, Outcome.DELIVERED),
        (299, Outcome.DELIVERED),
        (301, Outcome.REDIRECTED),
        (308, Outcome.REDIRECTED),
        (400, Outcome.REFUSED),
        (410, Outcome.GONE),
        (429, Outcome.REFUSED),
        (503, Outcome.REFUSED),
        (101, Outcome.REFUSED),
        (999, Outcome.REFUSED),
    ],
)
def test_what_a_status_says(status: int, outcome: Outcome) -> None:
    assert outcome_of(status) is outcome


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [
        (503, "120", 120.0),
        (429, " 5 ", 5.0),
        (503, "999999999", RETRY_AFTER_MAX_S),
        (503, "9" * 40, None),
        (503, "-1", None),
        (503, "Wed, 21 Oct 2026 07:28:00 GMT", None),
        (503, "²", None),
        (503, None, None),
        (500, "120", None),
    ],
)
def test_a_retry_after_counts_up_to_a_bound(status: int, header: str | None, seconds: float | None) -> None:
    assert retry_after_s(status, header) == seconds


def test_a_partner_who_asks_for_less_does_not_use_up_its_attempts_at_once() -> None:
    assert after_attempt(Outcome.REFUSED, attempt=10, jitter=0, asked_s=1).delay_s == DELAYS_S[9] * 0.85
    assert after_attempt(Outcome.REFUSED, attempt=1, jitter=0, asked_s=600).delay_s == 600


def test_ten_failures_in_a_row_slow_an_endpoint_once() -> None:
    health = Health()
    notices = []
    for _ in range(SLOWED_AFTER):
        change = after_wave(health, [Outcome.TIMED_OUT])
        notices.append(change.notice)
        health = Health(change.failures, timedelta(0) if change.slowed else None)
    assert notices == [None] * (SLOWED_AFTER - 1) + [Notice.SLOWED]
    again = after_wave(health, [Outcome.TIMED_OUT])
    assert (again.slowed, again.notice, again.state) == (True, None, EndpointState.ACTIVE)


def test_one_2xx_clears_it_and_its_owner_hears_of_it_once() -> None:
    slowed = Health(12, timedelta(hours=1))
    change = after_wave(slowed, [Outcome.REFUSED, Outcome.DELIVERED])
    assert (change.failures, change.slowed, change.notice) == (0, False, Notice.RECOVERED)
    assert after_wave(Health(3), [Outcome.DELIVERED]).notice is None


def test_a_week_of_failures_disables_and_so_does_gone() -> None:
    change = after_wave(Health(99, DISABLED_AFTER), [Outcome.REFUSED])
    assert (change.state, change.notice) == (EndpointState.DISABLED, Notice.DISABLED_FAILING)
    change = after_wave(Health(), [Outcome.DELIVERED, Outcome.GONE])
    assert (change.state, change.notice) == (EndpointState.DISABLED, Notice.DISABLED_GONE)
