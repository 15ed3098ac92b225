"""How a partition's gaps are made again, so that every record lies where it lay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.copying import Step, steps

CASES = {
    "without gaps": ((0, [0, 1, 2], 3), [Step(3, 0)]),
    "a commit's marker in the middle": ((0, [0, 1, 3], 4), [Step(2, 1), Step(1, 0)]),
    "a marker at the end": ((5, [5], 7), [Step(1, 1)]),
    "aborted records": ((0, [0, 4], 5), [Step(1, 3), Step(1, 0)]),
    "nothing but aborted ones": ((2, [], 6), [Step(0, 4)]),
    "it goes on behind a gap": ((2, [4], 5), [Step(0, 2), Step(1, 0)]),
    "nothing new": ((3, [], 3), []),
}


@pytest.mark.parametrize(("given_", "made"), CASES.values(), ids=CASES)
def test_the_steps(given_: tuple[int, list[int], int], made: list[Step]) -> None:
    assert list(steps(*given_)) == made


@given(st.integers(0, 5), st.lists(st.integers(0, 3), max_size=20), st.integers(0, 3))
def test_every_record_comes_to_lie_where_it_lay(at: int, gaps: list[int], last: int) -> None:
    offsets, place = [], at
    for gap in gaps:
        place += gap
        offsets.append(place)
        place += 1
    end = place + last
    lie: list[int] = []
    place = at
    for step in steps(at, offsets, end):
        lie += range(place, place + step.records)
        place += step.records + step.unread
    assert (lie, place) == (offsets, end)
