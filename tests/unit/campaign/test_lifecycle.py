"""The state machine of a campaign: every state with every action."""

from datetime import date
from itertools import product

import pytest

from services.campaign.lifecycle import (
    NEXT,
    Action,
    AlreadyFiled,
    FundNotEmpty,
    NotFiled,
    State,
    StepNotAllowed,
    days_left,
    filing_due_on,
    next_state,
    require_empty,
)
from shared.events.campaigns import CampaignKind


@pytest.mark.parametrize(
    ("state", "action", "after"),
    [
        (State.FILED, Action.LAUNCH, State.LAUNCHED),
        (State.LAUNCHED, Action.PAUSE, State.PAUSED),
        (State.PAUSED, Action.LAUNCH, State.LAUNCHED),
        (State.LAUNCHED, Action.CLOSE, State.CLOSED),
        (State.PAUSED, Action.CLOSE, State.CLOSED),
    ],
)
def test_a_filed_campaign_goes_its_way(state: State, action: Action, after: State) -> None:
    assert next_state(state, action, kind="gala", filing_number="BA-1") is after


def test_a_draft_is_filed() -> None:
    assert next_state(State.DRAFT, Action.FILE, kind="gala", filing_number=None) is State.FILED


@pytest.mark.parametrize(
    ("state", "action"), [pair for pair in product(State, Action) if pair not in NEXT], ids=lambda each: each
)
def test_no_other_step_is_possible(state: State, action: Action) -> None:
    with pytest.raises(StepNotAllowed) as refused:
        next_state(state, action, kind="emergency_appeal", filing_number=None)
    assert refused.value.facts == {"state": state, "action": action}


def test_nothing_follows_closed_but_a_late_filing_and_the_end() -> None:
    assert {action for (state, action) in NEXT if state is State.CLOSED} == {Action.FILE, Action.SETTLE}


@pytest.mark.parametrize("kind", ["gala", "annual_drive", "programme", "employer_drive"])
def test_nothing_launches_without_a_filing_number(kind: str) -> None:
    with pytest.raises(NotFiled):
        next_state(State.DRAFT, Action.LAUNCH, kind=kind, filing_number=None)  # type: ignore[arg-type]


def test_an_emergency_appeal_launches_before_it_files() -> None:
    after = next_state(State.DRAFT, Action.LAUNCH, kind="emergency_appeal", filing_number=None)
    assert after is State.LAUNCHED


@pytest.mark.parametrize("state", [State.LAUNCHED, State.PAUSED, State.CLOSED])
def test_an_emergency_appeal_files_late_without_leaving_its_state(state: State) -> None:
    assert next_state(state, Action.FILE, kind="emergency_appeal", filing_number=None) is state


@pytest.mark.parametrize("state", State)
def test_a_filing_number_is_given_once(state: State) -> None:
    with pytest.raises(AlreadyFiled):
        next_state(state, Action.FILE, kind="emergency_appeal", filing_number="BA-1")


@pytest.mark.parametrize(
    ("kind", "filing_number", "launched_on", "due_on"),
    [
        ("emergency_appeal", None, date(2026, 12, 18), date(2026, 12, 28)),
        ("emergency_appeal", None, date(2023, 8, 2), date(2023, 8, 12)),
        ("emergency_appeal", "BA-1", date(2026, 12, 18), None),
        ("emergency_appeal", None, None, None),
        ("gala", None, date(2026, 12, 18), None),
    ],
)
def test_a_late_filing_is_due_ten_days_after_the_day_of_the_launch(
    kind: CampaignKind, filing_number: str | None, launched_on: date | None, due_on: date | None
) -> None:
    assert filing_due_on(kind=kind, filing_number=filing_number, launched_on=launched_on) == due_on


@pytest.mark.parametrize(
    ("today", "left"), [(date(2026, 12, 18), 10), (date(2026, 12, 28), 0), (date(2027, 1, 1), -4)]
)
def test_the_days_left_are_counted_to_the_last_one_and_beyond(today: date, left: int) -> None:
    assert days_left(date(2026, 12, 28), today) == left
    assert days_left(None, today) is None


def test_a_closed_campaign_is_settled_and_opened_again() -> None:
    settled = next_state(State.CLOSED, Action.SETTLE, kind="gala", filing_number="BA-1")
    assert settled is State.SETTLED
    assert next_state(settled, Action.REOPEN, kind="gala", filing_number="BA-1") is State.CLOSED


def test_what_was_never_filed_is_not_settled() -> None:
    with pytest.raises(NotFiled):
        next_state(State.CLOSED, Action.SETTLE, kind="emergency_appeal", filing_number=None)


@pytest.mark.parametrize(("reserved_fen", "balance_fen"), [(1, 0), (0, 1), (0, -1), (5, -5)])
def test_a_fund_that_is_not_empty_is_not_settled(reserved_fen: int, balance_fen: int) -> None:
    with pytest.raises(FundNotEmpty) as refused:
        require_empty(reserved_fen=reserved_fen, balance_fen=balance_fen)
    assert refused.value.facts == {"reserved_fen": reserved_fen, "balance_fen": balance_fen}


def test_an_empty_fund_is_settled() -> None:
    require_empty(reserved_fen=0, balance_fen=0)
