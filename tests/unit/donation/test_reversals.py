"""What a reversal may do to its donation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.reversals import Decision, Reversible, decide
from shared.money import MAX_AMOUNT_FEN

amounts = st.integers(1, MAX_AMOUNT_FEN)


@pytest.mark.parametrize(
    ("donation", "amount_fen", "decision"),
    [
        (None, 1, Decision.WAIT),  # it came before its donation
        (Reversible(100, 0, counts=False), 1, Decision.WAIT),  # held: not in any total yet
        (Reversible(100, 0, counts=False), 101, Decision.WAIT),
        (Reversible(100, 0, counts=True), 1, Decision.APPLY),
        (Reversible(100, 0, counts=True), 100, Decision.APPLY),
        (Reversible(100, 0, counts=True), 101, Decision.REFUSE),
        (Reversible(100, 60, counts=True), 40, Decision.APPLY),
        (Reversible(100, 60, counts=True), 41, Decision.REFUSE),
        (Reversible(100, 100, counts=True), 1, Decision.REFUSE),
        (Reversible(MAX_AMOUNT_FEN, 0, counts=True), MAX_AMOUNT_FEN, Decision.APPLY),
    ],
)
def test_what_becomes_of_a_reversal(donation: Reversible | None, amount_fen: int, decision: Decision) -> None:
    assert decide(donation, amount_fen) is decision


@given(amount_fen=amounts, reversals=st.lists(amounts, max_size=20))
def test_never_more_goes_back_than_came_in(amount_fen: int, reversals: list[int]) -> None:
    reversed_fen = 0
    for reversal_fen in reversals:
        donation = Reversible(amount_fen, reversed_fen, counts=True)
        if decide(donation, reversal_fen) is Decision.APPLY:
            reversed_fen += reversal_fen
        else:
            assert reversal_fen > donation.remaining_fen
    assert 0 <= reversed_fen <= amount_fen
