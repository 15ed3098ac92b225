"""From sums to single donations: exact, repeatable, in the order of time."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.year import seed
from deploy.year.online import ScaleRefused, donations, entries, played
from deploy.year.scenario import year_2023
from deploy.year.sharing import random_amounts, shared


@given(
    st.integers(0, 10**13),
    st.lists(st.integers(0, 10**6), min_size=1, max_size=50).filter(any),
    st.integers(0, 3),
)
def test_shares_add_up_and_nobody_gets_less_than_the_least(
    total: int, weights: list[int], least: int
) -> None:
    total += least * len(weights)
    shares = shared(total, weights, least)
    assert sum(shares) == total
    assert min(shares) >= least


def test_more_than_there_is_cannot_be_shared_out() -> None:
    with pytest.raises(ValueError, match="can't be shared out"):
        shared(2, (1, 1, 1), least=1)


@given(st.integers(1, 300), st.integers(0, 10**9), st.integers())
def test_random_amounts_add_up(count: int, more_fen: int, dice: int) -> None:
    amounts = random_amounts(count + more_fen, count, random.Random(dice))
    assert sum(amounts) == count + more_fen
    assert min(amounts) >= 1


@pytest.mark.parametrize("scale", [900, 3600])
def test_at_every_scale_the_sums_are_exact(scale: int) -> None:
    year = year_2023()
    found = donations(year, scale, seed=1)
    assert len(found) * scale == seed.PERSON_TIMES
    assert sum(each.amount_fen for each in found) == seed.ONLINE
    by_entry: Counter[tuple[str, str]] = Counter()
    for each in found:
        by_entry[each.campaign, each.channel] += each.amount_fen
    for campaign, online in entries(year):
        assert by_entry[campaign.key, online.channel] == online.amount_fen


def test_they_come_in_the_order_of_time_and_within_their_days() -> None:
    year = year_2023()
    found = donations(year, 1800, seed=1)
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert {each.at.year for each in found} == {2023}
    assert found == donations(year, 1800, seed=1)


def test_a_scale_that_leaves_a_rest_is_refused() -> None:
    with pytest.raises(ScaleRefused, match=r"try 6 or 8\.$"):
        played(year_2023(), 7)
    with pytest.raises(ScaleRefused):
        played(year_2023(), seed.PERSON_TIMES)
