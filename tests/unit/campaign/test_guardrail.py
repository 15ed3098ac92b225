"""The guardrail of a fund: money rules, for any order of what can happen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.guardrail import FundFigures, PastBalance, PastHeld, require_covered, require_held
from shared.money import MAX_AMOUNT_FEN


@pytest.mark.parametrize(
    ("received", "reversed_", "reserved", "disbursed", "amount", "remaining"),
    [
        (0, 0, 0, 0, 1, 0),
        (100, 0, 0, 0, 101, 100),
        (100, 40, 0, 0, 61, 60),
        (100, 0, 40, 0, 61, 60),
        (100, 0, 0, 40, 61, 60),
        (100, 10, 20, 30, 41, 40),
        (100, 0, 100, 0, 1, 0),
        (100, 100, 50, 0, 1, 0),
    ],
)
def test_what_is_past_the_balance_is_refused_with_what_remains(
    received: int, reversed_: int, reserved: int, disbursed: int, amount: int, remaining: int
) -> None:
    figures = FundFigures(received, reversed_, reserved, disbursed)
    with pytest.raises(PastBalance) as refused:
        require_covered(figures, amount)
    assert refused.value.facts["remaining_fen"] == remaining
    if remaining:
        require_covered(figures, remaining)


def test_the_whole_balance_can_be_approved_to_the_fen() -> None:
    require_covered(FundFigures(617_0000_01, 1, 0, 0), 617_0000_00)


def test_a_late_refund_overdraws_the_fund_and_nothing_more_is_approved() -> None:
    figures = FundFigures(received_fen=100, reversed_fen=30, reserved_fen=80, disbursed_fen=0)
    assert figures.overdrawn
    assert figures.balance_fen == -10
    with pytest.raises(PastBalance, match="overdrawn"):
        require_covered(figures, 1)


def test_an_approved_payment_waits_when_refunds_have_taken_its_money() -> None:
    figures = FundFigures(received_fen=100, reversed_fen=30, reserved_fen=80, disbursed_fen=0)
    with pytest.raises(PastHeld) as refused:
        require_held(figures, 80)
    assert refused.value.facts == {"held_fen": 70, "amount_fen": 80}
    require_held(figures, 70)


steps = st.lists(
    st.tuples(st.sampled_from(["receive", "reverse", "approve", "pay"]), st.integers(1, MAX_AMOUNT_FEN)),
    max_size=60,
)


@given(steps)
def test_whatever_happens_approving_never_overdraws_and_paying_never_spends_what_is_not_there(
    happenings: list[tuple[str, int]],
) -> None:
    figures = FundFigures(0, 0, 0, 0)
    approved: list[int] = []
    for what, amount in happenings:
        before = figures
        if what == "receive":
            figures = replace(figures, received_fen=figures.received_fen + amount)
        elif what == "reverse":
            part = min(amount, figures.received_fen - figures.reversed_fen)
            figures = replace(figures, reversed_fen=figures.reversed_fen + part)
        elif what == "approve":
            try:
                require_covered(figures, amount)
            except PastBalance:
                assert before.balance_fen < amount
                continue
            figures = replace(figures, reserved_fen=figures.reserved_fen + amount)
            approved.append(amount)
            assert figures.balance_fen >= 0
        elif approved:
            try:
                require_held(figures, approved[0])
            except PastHeld:
                continue
            paid = approved.pop(0)
            figures = replace(
                figures,
                reserved_fen=figures.reserved_fen - paid,
                disbursed_fen=figures.disbursed_fen + paid,
            )
            assert figures.balance_fen == before.balance_fen, "paying changes nothing that can be approved"
            assert figures.held_fen >= 0
        assert figures.reserved_fen == sum(approved)
