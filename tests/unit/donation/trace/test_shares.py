"""A donor's share of a fund: it adds up to the fen, and all shares together never say more than was spent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.trace.shares import Fund, Share, share_of

FEN = st.integers(min_value=0, max_value=10**13)


@st.composite
def funds(draw: st.DrawFn) -> tuple[list[int], Fund]:
    """What each donor has in a fund, and the fund: money may have come from others, gone to others, been
    spent and have come back; at most what was there.
    """
    owned = draw(st.lists(st.integers(min_value=1, max_value=10**12), min_size=1, max_size=20))
    reversed_fen, moved_in_fen, returned_fen = draw(FEN), draw(FEN), draw(FEN)
    there_fen = sum(owned) + moved_in_fen
    spent_fen = draw(st.integers(min_value=0, max_value=there_fen))
    moved_out_fen = draw(st.integers(min_value=0, max_value=there_fen - spent_fen))
    return owned, Fund(
        received_fen=sum(owned) + reversed_fen,
        reversed_fen=reversed_fen,
        moved_in_fen=moved_in_fen,
        moved_out_fen=moved_out_fen,
        paid_fen=spent_fen + returned_fen,
        returned_fen=returned_fen,
    )


@pytest.mark.parametrize(
    ("own_fen", "fund", "share"),
    [
        (100, Fund(received_fen=1_000), Share(100, 0, 0)),
        (100, Fund(received_fen=1_000, paid_fen=1_000), Share(100, 100, 0)),
        (100, Fund(received_fen=1_000, paid_fen=250), Share(100, 25, 0)),
        (100, Fund(received_fen=1_000, paid_fen=999), Share(100, 99, 0)),  # never rounded up
        (100, Fund(received_fen=2_000, reversed_fen=1_000, paid_fen=250), Share(100, 25, 0)),
        (100, Fund(received_fen=1_000, paid_fen=500, returned_fen=250), Share(100, 25, 0)),
        (100, Fund(received_fen=500, moved_in_fen=500, paid_fen=250), Share(100, 25, 0)),
        (100, Fund(received_fen=1_000, paid_fen=250, moved_out_fen=500), Share(100, 25, 50)),
        (0, Fund(received_fen=1_000, paid_fen=250), Share(0, 0, 0)),
        (0, Fund(), Share(0, 0, 0)),
    ],
)
def test_a_share_is_divided_as_its_fund_is(own_fen: int, fund: Fund, share: Share) -> None:
    assert share_of(own_fen, fund) == share


def test_a_fund_that_paid_before_refunds_came_is_spent_whole() -> None:
    fund = Fund(received_fen=1_000, reversed_fen=500, paid_fen=800)
    assert fund.left_fen == -300
    assert share_of(100, fund) == Share(100, 100, 0)


@given(funds())
def test_the_shares_of_all_donors_never_exceed_what_the_fund_did(case: tuple[list[int], Fund]) -> None:
    owned, fund = case
    assert fund.in_fen == fund.spent_fen + fund.moved_out_fen + fund.left_fen
    shares = [share_of(own_fen, fund) for own_fen in owned]
    for own_fen, share in zip(owned, shares, strict=True):
        assert min(share.spent_fen, share.moved_fen, share.left_fen) >= 0
        assert share.spent_fen + share.moved_fen + share.left_fen == own_fen
        assert (share.spent_basis_points == 10_000) == (share.spent_fen == own_fen)
    assert sum(share.spent_fen for share in shares) <= fund.spent_fen
    assert sum(share.moved_fen for share in shares) <= fund.moved_out_fen


@given(own_fen=FEN, received_fen=FEN, paid_fen=FEN)
def test_whatever_the_figures_are_a_share_adds_up(own_fen: int, received_fen: int, paid_fen: int) -> None:
    share = share_of(own_fen, Fund(received_fen=received_fen, paid_fen=paid_fen))
    assert 0 <= share.spent_fen <= own_fen
    assert share.left_fen == own_fen - share.spent_fen
