"""The life of a message: the rule "never two" as a table, and the back-off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.delivery import (
    ALLOWED,
    RESENDABLE,
    Backoff,
    Outcome,
    Readiness,
    Resend,
    State,
    Step,
    after_attempt,
    judge_resend,
    readiness,
)

BACKOFF = Backoff(first_s=30, cap_s=4 * 3600, attempts_max=16)


def step(outcome: Outcome, *, attempt: int = 1, attempts_left: int = 15) -> Step:
    return after_attempt(outcome, attempt=attempt, attempts_left=attempts_left, backoff=BACKOFF, jitter=0.5)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.ACCEPTED, State.DELIVERED),
        (Outcome.REFUSED, State.FAILED),
        (Outcome.UNKNOWN, State.UNCERTAIN),
        (Outcome.REFUSED_FOR_NOW, State.RETRY),
        (Outcome.NOT_REACHED, State.RETRY),
    ],
)
def test_each_answer_leads_to_its_state(outcome: Outcome, state: State) -> None:
    assert step(outcome).state is state


@pytest.mark.parametrize("outcome", [Outcome.REFUSED_FOR_NOW, Outcome.NOT_REACHED])
def test_the_last_attempt_that_is_refused_for_now_fails(outcome: Outcome) -> None:
    assert step(outcome, attempt=16, attempts_left=0) == Step(State.FAILED)


@given(
    st.sampled_from(Outcome), st.integers(1, 10_000), st.integers(0, 100), st.floats(0, 1, exclude_max=True)
)
def test_every_step_from_sending_is_allowed_and_only_a_retry_has_a_delay(
    outcome: Outcome, attempt: int, attempts_left: int, jitter: float
) -> None:
    reached = after_attempt(
        outcome, attempt=attempt, attempts_left=attempts_left, backoff=BACKOFF, jitter=jitter
    )
    assert reached.state in ALLOWED[State.SENDING]
    assert (reached.delay_s is not None) == (reached.state is State.RETRY)


def test_nothing_in_doubt_is_sent_without_a_person() -> None:
    assert {state for state in State if State.SENDING in ALLOWED[state]} == {State.PENDING, State.RETRY}
    assert State.RETRY not in ALLOWED[State.UNCERTAIN]
    assert {state for state in State if State.PENDING in ALLOWED[state]} == {State.WAITING, *RESENDABLE}


def test_what_was_delivered_or_withdrawn_stays_so() -> None:
    assert not ALLOWED[State.DELIVERED]
    assert not ALLOWED[State.WITHDRAWN]


def test_the_wait_doubles_up_to_its_cap() -> None:
    delays_s = [BACKOFF.delay_s(attempt, jitter=0.5) for attempt in range(1, 13)]
    assert delays_s[:4] == [30, 60, 120, 240]
    assert delays_s[-1] == 4 * 3600


def test_all_retries_lie_within_the_time_a_contact_is_kept() -> None:
    longest_s = sum(BACKOFF.delay_s(attempt, jitter=0.999) for attempt in range(1, 16))
    assert 24 * 3600 < longest_s < 3 * 24 * 3600


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_jitter_spreads_a_wait_by_a_quarter_each_way(attempt: int, jitter: float) -> None:
    middle_s = BACKOFF.delay_s(attempt, jitter=0.5)
    assert 0.75 * middle_s <= BACKOFF.delay_s(attempt, jitter=jitter) <= 1.25 * middle_s


@pytest.mark.parametrize(
    ("reversed_fen", "contact_kept", "campaign_known", "verdict"),
    [
        (0, True, True, Readiness.SEND),
        (99, True, True, Readiness.SEND),
        (100, True, True, Readiness.WITHDRAW),
        (101, False, False, Readiness.WITHDRAW),
        (0, False, True, Readiness.GIVE_UP),
        (0, True, False, Readiness.LATER),
    ],
)
def test_what_happens_to_a_message_whose_turn_has_come(
    *, reversed_fen: int, contact_kept: bool, campaign_known: bool, verdict: Readiness
) -> None:
    assert (
        readiness(
            amount_fen=100,
            reversed_fen=reversed_fen,
            contact_kept=contact_kept,
            campaign_known=campaign_known,
            way_there=True,
        )
        is verdict
    )


@pytest.mark.parametrize(
    ("reversed_fen", "contact_kept", "verdict"),
    [(0, True, Readiness.NO_WAY), (0, False, Readiness.GIVE_UP), (100, True, Readiness.WITHDRAW)],
)
def test_who_can_not_be_written_to_is_not_waited_for(
    *, reversed_fen: int, contact_kept: bool, verdict: Readiness
) -> None:
    found = readiness(
        amount_fen=100,
        reversed_fen=reversed_fen,
        contact_kept=contact_kept,
        campaign_known=False,
        way_there=False,
    )
    assert found is verdict


@pytest.mark.parametrize("state", State)
def test_a_person_may_have_only_failed_and_uncertain_messages_sent_again(state: State) -> None:
    verdict = judge_resend(state, attempts=3, attempts_seen=3, contact_kept=True)
    assert (verdict is Resend.ALLOWED) == (state in {State.FAILED, State.UNCERTAIN})


def test_a_repeated_wish_to_resend_sends_nothing_twice() -> None:
    assert judge_resend(State.UNCERTAIN, attempts=4, attempts_seen=3, contact_kept=True) is Resend.CHANGED


def test_without_its_contact_nothing_is_resent() -> None:
    verdict = judge_resend(State.FAILED, attempts=3, attempts_seen=3, contact_kept=False)
    assert verdict is Resend.CONTACT_GONE
