"""How a part goes with its parent: the rules alone."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from services.campaign.lifecycle import Action, State
from services.campaign.parts.rules import (
    MAX_PARTS,
    FiledWithParent,
    NoPartsOfParts,
    OtherKind,
    OutsideWindow,
    ParentNotLaunched,
    ParentOver,
    ParentSettled,
    PartsNotSettled,
    TooManyParts,
    following,
    require_inside,
    require_kind,
    require_parent,
    require_parts_settled,
    require_step,
)
from shared.refusals import Refused

BEGIN = datetime(2026, 12, 1, tzinfo=UTC)
END = BEGIN + timedelta(days=30)
HOUR = timedelta(hours=1)

FOLLOWED: dict[tuple[Action, State], State] = {
    (Action.PAUSE, State.LAUNCHED): State.PAUSED,
    (Action.LAUNCH, State.PAUSED): State.LAUNCHED,
    (Action.CLOSE, State.LAUNCHED): State.CLOSED,
    (Action.CLOSE, State.PAUSED): State.CLOSED,
    **{(Action.FILE, state): state for state in State if state is not State.DRAFT},
}


@pytest.mark.parametrize(("action", "state"), list(product(Action, State)), ids=lambda each: each)
def test_a_parents_step_is_followed_where_it_concerns_a_part(action: Action, state: State) -> None:
    assert following(action, state, paused_with_parent=True) == FOLLOWED.get((action, state))


def test_a_part_that_was_paused_by_itself_stays_paused() -> None:
    assert following(Action.LAUNCH, State.PAUSED, paused_with_parent=False) is None


@pytest.mark.parametrize("state", State)
def test_a_part_is_launched_while_its_parent_is(state: State) -> None:
    if state is State.LAUNCHED:
        require_step(Action.LAUNCH, state)
    else:
        with pytest.raises(ParentNotLaunched):
            require_step(Action.LAUNCH, state)


def test_a_part_has_no_filing_of_its_own_and_is_not_opened_under_a_settled_parent() -> None:
    with pytest.raises(FiledWithParent):
        require_step(Action.FILE, State.FILED)
    with pytest.raises(ParentSettled):
        require_step(Action.REOPEN, State.SETTLED)
    require_step(Action.REOPEN, State.CLOSED)
    require_step(Action.CLOSE, State.CLOSED)


@pytest.mark.parametrize(
    ("state", "place", "parts", "refusal"),
    [
        (State.LAUNCHED, "part", 0, NoPartsOfParts),
        (State.CLOSED, "top", 0, ParentOver),
        (State.SETTLED, "top", 0, ParentOver),
        (State.LAUNCHED, "top", MAX_PARTS, TooManyParts),
    ],
)
def test_what_can_be_no_parent_is_refused(
    state: State, place: str, parts: int, refusal: type[Refused]
) -> None:
    with pytest.raises(refusal):
        require_parent(state, is_part=place == "part", parts=parts)
    require_parent(State.DRAFT, is_part=False, parts=MAX_PARTS - 1)


@pytest.mark.parametrize(
    ("window", "field"),
    [((BEGIN - HOUR, END), "window_start"), ((BEGIN, END + HOUR), "window_end")],
)
def test_a_parts_window_lies_inside_its_parents(window: tuple[datetime, datetime], field: str) -> None:
    require_inside((BEGIN, END), (BEGIN + HOUR, END - HOUR))
    require_inside((BEGIN, END), (BEGIN, END))
    require_inside((None, END), (BEGIN - HOUR, None))
    with pytest.raises(OutsideWindow) as refused:
        require_inside((BEGIN, END), window)
    assert refused.value.fields == (field,)


def test_a_part_is_of_its_parents_kind() -> None:
    require_kind("gala", "gala")
    with pytest.raises(OtherKind):
        require_kind("gala", "programme")


def test_a_parent_is_settled_after_its_parts() -> None:
    require_parts_settled([])
    require_parts_settled([State.SETTLED, State.DRAFT])
    with pytest.raises(PartsNotSettled) as refused:
        require_parts_settled([State.SETTLED, State.CLOSED, State.LAUNCHED])
    assert refused.value.facts == {"parts": 2}
