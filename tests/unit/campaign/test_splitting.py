"""A split donation is divided to the fen, and what goes back of it is asked back to the fen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.funds.lookup import about
from services.campaign.funds.splitting import (
    NothingLeft,
    Part,
    PartsDiffer,
    PartsUnclear,
    by_largest_remainder,
    divide,
    require_clear,
    too_much,
)
from tests.services.campaign.builders import Source

weights = st.lists(st.integers(0, 10**13), min_size=1, max_size=20).filter(any)


@given(st.integers(0, 10**13), weights)
def test_the_parts_make_the_whole_and_each_is_within_a_fen_of_its_share(
    total: int, shares: list[int]
) -> None:
    parts = by_largest_remainder(total, shares)
    whole = sum(shares)
    assert sum(parts) == total
    for part, share in zip(parts, shares, strict=True):
        assert abs(part * whole - total * share) < whole
        assert part >= 0
        assert share or not part, "who has no share gets nothing"


@pytest.mark.parametrize(
    ("left_fen", "shares", "parts"),
    [
        (100, [3333, 3333, 3334], [33, 33, 34]),
        (1, [5000, 5000], [1, 0]),
        (10, [2500, 2500, 5000], [3, 2, 5]),
        (617_0000_00, [1, 9999], [61700, 616938300]),
    ],
)
def test_shares_are_rounded_by_the_largest_remainder(
    left_fen: int, shares: list[int], parts: list[int]
) -> None:
    wanted = [Part(str(place), share_bp=share) for place, share in enumerate(shares)]
    require_clear(wanted)
    assert divide(left_fen, wanted) == parts


def test_amounts_have_to_be_what_is_left() -> None:
    parts = [Part("a", amount_fen=60), Part("b", amount_fen=40)]
    require_clear(parts)
    assert divide(100, parts) == [60, 40]
    with pytest.raises(PartsDiffer) as refused:
        divide(70, parts)
    assert refused.value.facts == {"left_fen": 70, "parts_fen": 100}
    with pytest.raises(NothingLeft):
        divide(0, parts)


@pytest.mark.parametrize(
    "parts",
    [
        [Part("a", amount_fen=1), Part("a", amount_fen=1)],
        [Part("a", amount_fen=1), Part("b", share_bp=10_000)],
        [Part("a", amount_fen=1, share_bp=1), Part("b", share_bp=9_999)],
        [Part("a"), Part("b", share_bp=10_000)],
        [Part("a", share_bp=5_000), Part("b", share_bp=4_999)],
    ],
)
def test_parts_that_can_mean_two_things_are_refused(parts: list[Part]) -> None:
    with pytest.raises(PartsUnclear):
        require_clear(parts)


@given(weights, st.integers(0, 10**14))
def test_what_went_back_is_too_much_in_all_parts_together(given_fen: list[int], reversed_fen: int) -> None:
    surplus = too_much(given_fen, reversed_fen)
    assert sum(surplus) == min(reversed_fen, sum(given_fen))
    assert all(0 <= fen <= given for fen, given in zip(surplus, given_fen, strict=True))


def test_only_records_about_the_donations_are_taken_from_the_log() -> None:
    source = Source()
    events = [source.received("gala", 100), source.received("gala", 200)]
    wanted = events[1].data.donation_id
    back = source.reversed("gala", 50, donation_id=wanted)
    other = source.reversed("gala", 50)
    values = [event.to_bytes() for event in [*events, back, other]]
    broken = b'{"donation_id": "%s"}' % str(wanted).encode()
    assert about([None, broken, *values], [wanted]) == [events[1], back]
