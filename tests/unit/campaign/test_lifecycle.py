"""The state machine of a campaign: every state with every action."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from services.campaign.lifecycle import (
    NEXT,
    Action,
    AlreadyFiled,
    NotFiled,
    State,
    StepNotAllowed,
    filing_due_at,
    next_state,
)

LAUNCHED_AT = datetime(2026, 12, 18, 15, 59, tzinfo=UTC)


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


def test_nothing_follows_closed_but_a_late_filing() -> None:
    assert {action for (state, action) in NEXT if state is State.CLOSED} == {Action.FILE}


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
    ("kind", "filing_number", "launched_at", "due_at"),
    [
        ("emergency_appeal", None, LAUNCHED_AT, LAUNCHED_AT + timedelta(days=10)),
        ("emergency_appeal", "BA-1", LAUNCHED_AT, None),
        ("emergency_appeal", None, None, None),
        ("gala", None, LAUNCHED_AT, None),
    ],
)
def test_a_late_filing_is_due_ten_days_after_the_launch(
    kind: str, filing_number: str | None, launched_at: datetime | None, due_at: datetime | None
) -> None:
    due = filing_due_at(kind=kind, filing_number=filing_number, first_launched_at=launched_at)  # type: ignore[arg-type]
    assert due == due_at
