"""The steps of a disbursement, and the two people it takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.lifecycle import State
from services.campaign.spending.rules import (
    DisbursementState,
    DisbursementStepNotAllowed,
    ItemsDiffer,
    NobodyHelped,
    NotRaising,
    PastPaid,
    SettledAlready,
    came_back,
    require_approvable,
    require_helped,
    require_items_add_up,
    require_launched_once,
    require_payable,
    require_returnable,
    require_withdrawable,
)
from shared.money import MAX_AMOUNT_FEN
from shared.two_people import SamePerson

REQUESTED, APPROVED, PAID, REJECTED, WITHDRAWN = DisbursementState


def test_another_person_approves() -> None:
    require_approvable(REQUESTED, requested_by="wang", approved_by="zhao")


def test_nobody_approves_what_they_have_asked_for() -> None:
    with pytest.raises(SamePerson):
        require_approvable(REQUESTED, requested_by="wang", approved_by="wang")


@pytest.mark.parametrize("state", [APPROVED, PAID, REJECTED, WITHDRAWN])
def test_it_is_approved_once(state: DisbursementState) -> None:
    with pytest.raises(DisbursementStepNotAllowed):
        require_approvable(state, requested_by="wang", approved_by="zhao")


@pytest.mark.parametrize("state", [REQUESTED, PAID, REJECTED, WITHDRAWN])
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


@pytest.mark.parametrize("state", [REQUESTED, APPROVED])
def test_what_is_not_paid_can_be_withdrawn(state: DisbursementState) -> None:
    require_withdrawable(state)
    for over in (PAID, REJECTED, WITHDRAWN):
        with pytest.raises(DisbursementStepNotAllowed):
            require_withdrawable(over)


@pytest.mark.parametrize(
    ("items", "difference"), [([], 0), ([100], 0), ([99, 1], 0), ([99], -1), ([50, 51], 1)]
)
def test_line_items_make_the_amount_to_the_fen(items: list[int], difference: int) -> None:
    if not difference:
        require_items_add_up(100, items)
        return
    with pytest.raises(ItemsDiffer) as refused:
        require_items_add_up(100, items)
    assert refused.value.facts["difference_fen"] == difference


def test_only_what_the_work_costs_helps_nobody() -> None:
    require_helped("programme", 1)
    require_helped("management", 0)
    require_helped("fundraising", 0)
    with pytest.raises(NobodyHelped):
        require_helped("programme", 0)


@given(st.integers(1, MAX_AMOUNT_FEN), st.lists(st.integers(1, MAX_AMOUNT_FEN), max_size=20))
def test_whatever_comes_back_never_more_than_was_paid(paid_fen: int, backs: list[int]) -> None:
    returned_fen = 0
    for amount_fen in backs:
        try:
            require_returnable(PAID, paid_fen=paid_fen, returned_fen=returned_fen, amount_fen=amount_fen)
        except PastPaid:
            assert amount_fen > paid_fen - returned_fen
            continue
        returned_fen += amount_fen
        assert returned_fen <= paid_fen
        assert came_back(paid_fen, returned_fen) == ("all" if returned_fen == paid_fen else "partly")
