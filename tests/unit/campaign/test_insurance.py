"""What a policy and a claim may say, without a database."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.insurance import rules
from services.campaign.insurance.rules import RecordState, Step
from services.campaign.spending.rules import DisbursementState
from shared.refusals import Refused

YEAR = (date(2023, 1, 1), date(2023, 12, 31))


def a_claim(**changes: Any) -> dict[str, Any]:
    claim: dict[str, Any] = {"amount_fen": 100, "group": "低收入群体", "occurred_on": YEAR[0]}
    terms = {"cap_fen": 100, "covered": {"低收入群体"}, "starts_on": YEAR[0], "ends_on": YEAR[1]}
    return claim | terms | changes


@pytest.mark.parametrize("state", list(RecordState))
@pytest.mark.parametrize("step", list(Step))
def test_each_step_begins_at_one_state(state: RecordState, step: Step) -> None:
    allowed = {
        (RecordState.ENTERED, Step.CONFIRM),
        (RecordState.ENTERED, Step.WITHDRAW),
        (RecordState.CONFIRMED, Step.ASK_VOID),
        (RecordState.VOIDING, Step.VOID),
        (RecordState.VOIDING, Step.KEEP),
    }
    if (state, step) in allowed:
        rules.require_step(state, step)
    else:
        with pytest.raises(rules.RecordStepNotAllowed):
            rules.require_step(state, step)


def test_a_claim_up_to_the_cap_on_the_first_and_the_last_day_is_taken() -> None:
    for day in YEAR:
        rules.require_claimable(**a_claim(occurred_on=day))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"amount_fen": 101}, rules.PastCap),
        ({"group": "现役军人"}, rules.NotCovered),
        ({"occurred_on": YEAR[0] - timedelta(days=1)}, rules.OutsidePeriod),
        ({"occurred_on": YEAR[1] + timedelta(days=1)}, rules.OutsidePeriod),
    ],
)
def test_a_claim_outside_the_policy_is_refused(changes: dict[str, Any], refusal: type[Refused]) -> None:
    with pytest.raises(refusal):
        rules.require_claimable(**a_claim(**changes))


def test_a_claim_past_the_cap_is_told_the_cap() -> None:
    with pytest.raises(rules.PastCap) as caught:
        rules.require_claimable(**a_claim(amount_fen=101))
    assert caught.value.facts == {"remaining_fen": 100}


@given(limit_fen=st.none() | st.integers(0, 1000), claims=st.lists(st.integers(1, 300), max_size=20))
def test_whatever_is_claimed_the_limit_holds_and_what_is_left_can_be_claimed(
    limit_fen: int | None, claims: list[int]
) -> None:
    claimed_fen = 0
    for amount_fen in claims:
        try:
            rules.require_within_limit(amount_fen, limit_fen, claimed_fen)
        except rules.PastLimit as refused:
            left_fen = refused.facts["remaining_fen"]
            assert isinstance(left_fen, int)
            assert 0 <= left_fen < amount_fen
            rules.require_within_limit(left_fen, limit_fen, claimed_fen)
            continue
        claimed_fen += amount_fen
        assert limit_fen is None or claimed_fen <= limit_fen


@pytest.mark.parametrize(
    ("state", "same_campaign", "left_fen"),
    [
        (DisbursementState.REQUESTED, True, 100),
        (DisbursementState.APPROVED, True, 100),
        (DisbursementState.PAID, False, 100),
        (DisbursementState.PAID, True, 99),
    ],
)
def test_a_premium_that_was_not_paid_is_refused(
    state: DisbursementState,
    same_campaign: bool,  # noqa: FBT001 - a column of the table
    left_fen: int,
) -> None:
    rules.require_premium_paid(100, DisbursementState.PAID, same_campaign=True, left_fen=100)
    with pytest.raises(rules.PremiumNotPaid):
        rules.require_premium_paid(100, state, same_campaign=same_campaign, left_fen=left_fen)


def test_a_renewal_begins_when_the_policy_before_has_ended() -> None:
    new_year = YEAR[1] + timedelta(days=1)
    terms: dict[str, Any] = {"same_campaign": True, "ended_on": YEAR[1], "starts_on": new_year}
    rules.require_renewable(RecordState.CONFIRMED, **terms)
    for state, changes in (
        (RecordState.ENTERED, {}),
        (RecordState.VOIDED, {}),
        (RecordState.CONFIRMED, {"same_campaign": False}),
        (RecordState.CONFIRMED, {"starts_on": YEAR[1]}),
    ):
        with pytest.raises(rules.RenewalWrong):
            rules.require_renewable(state, **terms | changes)


@pytest.mark.parametrize(
    ("starts_on", "ends_on"),
    [(YEAR[1], YEAR[0]), (YEAR[0], YEAR[0] + rules.MAX_PERIOD + timedelta(days=1))],
)
def test_a_period_that_never_ends_is_refused(starts_on: date, ends_on: date) -> None:
    with pytest.raises(rules.PeriodWrong):
        rules.require_period(starts_on, ends_on)


def test_terms_that_contradict_each_other_are_refused() -> None:
    rules.require_limit(100, 100)
    rules.require_limit(100, None)
    with pytest.raises(rules.LimitBelowCap):
        rules.require_limit(100, 99)
    with pytest.raises(rules.GroupTwice):
        rules.require_groups_once(["低收入群体", "低收入群体"])
    with pytest.raises(rules.NotAProgramme):
        rules.require_programme("gala")
