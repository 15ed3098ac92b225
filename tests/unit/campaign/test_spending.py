"""The steps of a disbursement, and the two people it takes."""

import pytest

from services.campaign.lifecycle import State
from services.campaign.spending.rules import (
    DisbursementState,
    DisbursementStepNotAllowed,
    NotRaising,
    SettledAlready,
    require_approvable,
    require_launched_once,
    require_payable,
)
from services.campaign.two_people import SamePerson

REQUESTED, APPROVED, PAID = DisbursementState


def test_another_person_approves() -> None:
    require_approvable(REQUESTED, requested_by="wang", approved_by="zhao")


def test_nobody_approves_what_they_have_asked_for() -> None:
    with pytest.raises(SamePerson):
        require_approvable(REQUESTED, requested_by="wang", approved_by="wang")


@pytest.mark.parametrize("state", [APPROVED, PAID])
def test_it_is_approved_once(state: DisbursementState) -> None:
    with pytest.raises(DisbursementStepNotAllowed):
        require_approvable(state, requested_by="wang", approved_by="zhao")


@pytest.mark.parametrize("state", [REQUESTED, PAID])
def test_only_what_is_approved_is_paid(state: DisbursementState) -> None:
    require_payable(APPROVED)
    with pytest.raises(DisbursementStepNotAllowed):
        require_payable(state)


@pytest.mark.parametrize("state", State)
def test_money_is_asked_of_what_has_been_launched_also_after_it_was_closed(state: State) -> None:
    if state in (State.LAUNCHED, State.PAUSED, State.CLOSED):
        require_launched_once(state)
    else:
        with pytest.raises((NotRaising, SettledAlready)):
            require_launched_once(state)
