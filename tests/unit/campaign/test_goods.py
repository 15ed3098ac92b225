"""Goods in kind: what pieces are worth on their way, to the fen, and what is refused with the figure left."""

from datetime import date
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.goods.rules import (
    BatchMissing,
    Category,
    GoodsExpired,
    GoodsNotTaken,
    ItemElsewhere,
    ItemTwice,
    Line,
    Moved,
    PastPile,
    PieceWorthless,
    Pile,
    ValueTooLarge,
    moved,
    require_batch,
    require_known,
    require_not_expired,
    require_once,
    require_taking,
    require_worth,
)
from services.campaign.ledger.accounts import CHART
from services.campaign.ledger.entries import of_goods, require_balanced
from services.campaign.lifecycle import State
from services.campaign.plan import UseNotPlanned, require_planned
from shared.money import MAX_AMOUNT_FEN
from shared.refusals import NotFound

A, B = UUID(int=1), UUID(int=2)
DAY = date(2026, 11, 26)


@given(st.integers(1, 10**6), st.integers(0, 10**10), st.lists(st.integers(1, 10**6), max_size=50))
def test_pieces_take_their_value_along_and_the_last_one_takes_the_rest(
    quantity: int, more_fen: int, takes: list[int]
) -> None:
    whole = pile = Pile(quantity, quantity + more_fen)
    out_fen = 0
    for take in [*takes, quantity]:
        pieces = min(take, pile.quantity)
        if not pieces:
            break
        share_fen = pile.share_fen(pieces)
        assert share_fen >= pieces, "no piece is worth less than a fen"
        out_fen += share_fen
        pile = Pile(pile.quantity - pieces, pile.fen - share_fen)
        assert out_fen + pile.fen == whole.fen
    assert (pile.quantity, out_fen) == (0, whole.fen)


@pytest.mark.parametrize(
    ("pile", "pieces", "fen"),
    [
        (Pile(3, 10), 1, 3),
        (Pile(2, 7), 1, 3),
        (Pile(1, 4), 1, 4),
        (Pile(3, 10), 3, 10),
        (Pile(2**31 - 1, 10**13), 1, 4656),
    ],
)
def test_a_share_is_rounded_down(pile: Pile, pieces: int, fen: int) -> None:
    assert pile.share_fen(pieces) == fen


def test_lines_are_valued_in_the_order_of_their_goods() -> None:
    lines = [Line(B, 1), Line(A, 2)]
    assert moved(lines, {A: Pile(2, 5), B: Pile(4, 9)}) == [Moved(A, 2, 5), Moved(B, 1, 2)]


def test_more_pieces_than_there_are_are_refused_with_how_many_there_are() -> None:
    with pytest.raises(PastPile) as refused:
        moved([Line(A, 3)], {A: Pile(2, 5)})
    assert refused.value.facts == {"item_id": str(A), "remaining_quantity": 2, "remaining_fen": 5}
    with pytest.raises(PastPile):
        moved([Line(A, 1)], {A: Pile(0, 0)})


def test_goods_that_lie_elsewhere_are_refused() -> None:
    with pytest.raises(ItemElsewhere):
        moved([Line(A, 1)], {B: Pile(2, 5)})
    with pytest.raises(NotFound):
        require_known([A, B], [B])


def test_the_same_goods_stand_on_one_line() -> None:
    require_once([Line(A, 1), Line(B, 1)])
    with pytest.raises(ItemTwice):
        require_once([Line(A, 1), Line(B, 1), Line(A, 2)])


@pytest.mark.parametrize("state", State)
def test_goods_are_taken_from_the_launch_until_the_end_of_the_books(state: State) -> None:
    if state in {State.LAUNCHED, State.PAUSED, State.CLOSED}:
        require_taking(state)
    else:
        with pytest.raises(GoodsNotTaken):
            require_taking(state)


def test_a_gift_is_worth_what_its_items_are() -> None:
    assert require_worth([(3, 10), (1, 1)]) == 11
    with pytest.raises(PieceWorthless) as refused:
        require_worth([(3, 10), (3, 2)])
    assert refused.value.fields == ("items.1.quantity",)
    with pytest.raises(ValueTooLarge):
        require_worth([(1, MAX_AMOUNT_FEN), (1, 1)])


@pytest.mark.parametrize(
    ("batch", "expires_on", "field"),
    [(None, DAY, "items.2.batch"), ("B1", None, "items.2.expires_on"), (None, None, "items.2.batch")],
)
def test_medicine_has_a_batch_and_a_date(batch: str | None, expires_on: date | None, field: str) -> None:
    require_batch(Category.MEDICINE, "B1", DAY, 2)
    require_batch(Category.BOOKS, batch, expires_on, 2)
    with pytest.raises(BatchMissing) as refused:
        require_batch(Category.MEDICINE, batch, expires_on, 2)
    assert refused.value.fields == (field,)


def test_the_last_day_of_goods_is_a_good_one() -> None:
    require_not_expired(DAY, DAY, "items")
    require_not_expired(None, DAY, "items")
    with pytest.raises(GoodsExpired):
        require_not_expired(DAY, date(2026, 11, 27), "items")


def test_goods_go_to_a_use_of_the_filed_plan() -> None:
    require_planned("助医", ["助学", "助医"])
    with pytest.raises(UseNotPlanned) as refused:
        require_planned("修路", ["助学", "助医"])
    assert refused.value.facts == {"uses": ["助学", "助医"]}


@pytest.mark.parametrize(
    ("how", "debit", "credit"),
    [
        ("received", "1201", "410103"),
        ("distribution", "510101", "1201"),
        ("return", "1201", "510101"),
        ("write_off", "520101", "1201"),
        ("reversal", "410103", "1201"),
    ],
)
def test_goods_are_booked_on_accounts_of_their_own(how: str, debit: str, credit: str) -> None:
    entry = of_goods(how, A, "gala", 7, recorded_by="li", event_on=DAY)
    require_balanced(entry.postings)
    assert [(each.account, each.side) for each in entry.postings] == [(debit, "debit"), (credit, "credit")]
    assert {each.campaign_id for each in entry.postings} == {"gala"}
    assert {debit, credit} <= CHART.keys()
