"""What may be decided about a campaign's money: the rules alone."""

import pytest

from services.campaign.decisions.rules import (
    DecisionMade,
    DecisionState,
    NothingLeft,
    PlanNotFiled,
    RemainderTooEarly,
    SameCampaign,
    StillReserved,
    UsesRepeated,
    UsesUnchanged,
    remainder_fen,
    require_closed,
    require_elsewhere,
    require_other_uses,
    require_waiting,
)
from services.campaign.lifecycle import State
from shared.refusals import Refused

FILED = ["助医", "助学"]


@pytest.mark.parametrize("state", [State.FILED, State.LAUNCHED, State.PAUSED, State.CLOSED])
@pytest.mark.parametrize("wanted", [["助医"], ["助医", "助学", "助困"], ["救灾"]])
def test_a_filed_plan_takes_other_uses_fewer_or_more(state: State, wanted: list[str]) -> None:
    require_other_uses(state, FILED, wanted)


@pytest.mark.parametrize(
    ("state", "wanted", "refusal"),
    [
        (State.DRAFT, ["救灾"], PlanNotFiled),
        (State.SETTLED, ["救灾"], PlanNotFiled),
        (State.LAUNCHED, ["助学", "助医"], UsesUnchanged),
        (State.LAUNCHED, ["救灾", "救灾"], UsesRepeated),
    ],
)
def test_what_is_no_change_of_use_is_refused(state: State, wanted: list[str], refusal: type[Refused]) -> None:
    with pytest.raises(refusal):
        require_other_uses(state, FILED, wanted)


@pytest.mark.parametrize("state", [each for each in State if each is not State.CLOSED])
def test_only_a_closed_campaign_has_a_remainder(state: State) -> None:
    require_closed(State.CLOSED)
    with pytest.raises(RemainderTooEarly):
        require_closed(state)


def test_a_remainder_goes_elsewhere() -> None:
    require_elsewhere("gala", "relief")
    with pytest.raises(SameCampaign):
        require_elsewhere("gala", "gala")


def test_all_that_is_left_goes_when_nothing_waits_to_be_paid() -> None:
    assert remainder_fen(reserved_fen=0, remaining_fen=7) == 7
    with pytest.raises(StillReserved) as waiting:
        remainder_fen(reserved_fen=3, remaining_fen=7)
    assert waiting.value.facts == {"reserved_fen": 3}
    with pytest.raises(NothingLeft):
        remainder_fen(reserved_fen=0, remaining_fen=0)


@pytest.mark.parametrize("state", [DecisionState.DECIDED, DecisionState.WITHDRAWN])
def test_a_decision_is_made_once(state: DecisionState) -> None:
    require_waiting(DecisionState.ASKED)
    with pytest.raises(DecisionMade):
        require_waiting(state)
