"""The age of the oldest unread record: told from offsets alone."""

from hypothesis import given
from hypothesis import strategies as st

from services.reporting.backlog import MAX_LOOKS, Backlog

PLACE = "intake.wechat/0"


def looked(looks: list[tuple[float, int, int]]) -> list[float]:
    backlog: Backlog[str] = Backlog()
    return [backlog.look(now_s, {PLACE: (committed, end)})[PLACE] for now_s, committed, end in looks]


def test_what_is_read_has_no_age_and_what_stands_still_grows_old() -> None:
    ages = looked([(0, 5, 5), (2, 5, 5), (4, 5, 9), (6, 5, 9), (64, 5, 20), (66, 9, 20), (68, 20, 20)])
    # The record at offset 5 came after second 2; that at 9 after second 6, when the end was still 9.
    assert ages == [0, 0, 2, 4, 62, 60, 0]


def test_of_a_backlog_that_it_found_it_knows_only_since_when_it_looks() -> None:
    assert looked([(100, 0, 1_000), (102, 0, 1_000), (104, 500, 1_000)]) == [0, 2, 4]


def test_a_place_that_is_gone_is_forgotten() -> None:
    backlog: Backlog[str] = Backlog()
    backlog.look(0, {PLACE: (0, 1)})
    assert backlog.look(50, {}) == {}
    assert backlog.look(60, {PLACE: (0, 1)}) == {PLACE: 0}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=80))
def test_it_is_never_younger_than_the_record_nor_two_looks_older(steps: list[tuple[int, int]]) -> None:
    """Against a log whose every record's time is known: one look a second from the first record on."""
    backlog: Backlog[str] = Backlog()
    written: list[float] = []
    committed = 0
    backlog.look(0, {PLACE: (0, 0)})
    for second, (came, read) in enumerate(steps, start=1):
        written += [second - 0.5] * came
        committed = min(len(written), committed + read)
        age_s = backlog.look(second, {PLACE: (committed, len(written))})[PLACE]
        true_s = second - written[committed] if committed < len(written) else 0.0
        assert true_s <= age_s <= true_s + 1


def test_what_it_remembers_is_bounded() -> None:
    backlog: Backlog[str] = Backlog()
    ages = [backlog.look(second, {PLACE: (0, second)})[PLACE] for second in range(MAX_LOOKS * 20)]
    assert ages[-1] == MAX_LOOKS * 20 - 1
    assert len(backlog._ends[PLACE]) <= MAX_LOOKS
