"""A campaign's feed: which state is shown, when, and what a stream gets that was away."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reporting.feed import FRAME_S, RING_FRAMES, WRITES_PER_S, Feed, frame_s
from services.reporting.frames import change_frame, snapshot_frame
from tests.services.reporting.builders import EVENING, state


def fed(*received: int) -> Feed:
    """A feed that has sent a frame for each of these totals."""
    feed = Feed(state(0))
    for second, amount in enumerate(received):
        assert feed.offer(state(amount))
        feed.advance(float(second))
    return feed


def test_a_stale_state_is_ignored() -> None:
    feed = fed(1_000)
    assert not feed.offer(state(500)), "a stalled worker published it late"
    assert feed.newest.amounts.received_fen == 1_000
    assert feed.due_in_s(100.0) is None


@given(st.permutations(range(1, 8)))
def test_whatever_the_order_the_newest_state_is_shown_in_the_end(order: list[int]) -> None:
    feed = Feed(state(0))
    shown = []
    for amount in order:
        if feed.offer(state(amount)):
            feed.advance(0.0)
            shown.append(amount)
    assert feed.newest.amounts.received_fen == 7
    assert shown == sorted(shown), "the number never jumps back"


def test_the_same_version_read_again_is_no_news() -> None:
    feed = fed(1_000)
    assert not feed.offer(state(1_000, as_of=EVENING + timedelta(seconds=2)))


def test_a_rebuild_that_counts_the_same_events_differently_is_shown() -> None:
    feed = fed(1_000)
    corrected = state(900, positions={"intake.wechat/0": 1_000}, as_of=EVENING + timedelta(hours=1))
    assert feed.offer(corrected)


def test_the_first_change_goes_out_at_once_and_the_next_within_a_tenth_of_a_second() -> None:
    feed = Feed(state(0))
    feed.offer(state(1))
    assert feed.due_in_s(50.0) == 0
    feed.advance(50.0)
    feed.offer(state(2))
    assert feed.due_in_s(50.02) is not None
    assert 0 < (feed.due_in_s(50.02) or 0) <= FRAME_S
    assert feed.due_in_s(50.0 + FRAME_S) == 0


@given(st.integers(0, 100_000))
def test_very_many_streams_get_fewer_frames_and_never_more_than_a_process_can_write(streams: int) -> None:
    assert frame_s(streams) >= FRAME_S
    assert streams / frame_s(streams) <= max(WRITES_PER_S, 2_500 / FRAME_S)
    assert (frame_s(2_500), frame_s(5_000)) == (0.1, 0.25), "ten and four a second"


def test_a_frame_that_is_a_little_late_does_not_put_off_the_next() -> None:
    feed = fed(1)

    def sent_at(moment_s: float, amount: int) -> float | None:
        feed.advance(moment_s)
        feed.offer(state(amount))
        return feed.due_in_s(moment_s)

    assert sent_at(50.0, 2) == pytest.approx(FRAME_S)
    assert sent_at(50.0 + 1.3 * FRAME_S, 3) == pytest.approx(0.7 * FRAME_S)
    assert sent_at(50.0 + 2.0 * FRAME_S, 4) == pytest.approx(FRAME_S)
    assert sent_at(50.0 + 3.6 * FRAME_S, 5) == pytest.approx(FRAME_S), "a process that is far behind rests"
    assert sent_at(90.0, 6) == pytest.approx(FRAME_S)


def test_changes_within_a_tenth_of_a_second_are_one_frame() -> None:
    feed = fed(1)
    feed.offer(state(2))
    feed.offer(state(3))
    feed.advance(10.0)
    assert feed.since(1) == (change_frame(state(1), state(3)), 2)


def test_a_stream_that_missed_some_frames_gets_them_in_one_piece() -> None:
    feed = fed(1, 2, 3)
    frames, cursor = feed.since(1)
    assert frames == change_frame(state(1), state(2)) + change_frame(state(2), state(3))
    assert cursor == 3


def test_a_stream_far_behind_gets_the_latest_state_instead() -> None:
    feed = fed(*range(1, RING_FRAMES + 3))
    assert feed.since(1) == (snapshot_frame(state(RING_FRAMES + 2)), RING_FRAMES + 2)


def test_a_screen_resumes_after_the_frame_it_has() -> None:
    feed = fed(1, 2, 3)
    assert feed.resume(state(2).version) == (change_frame(state(2), state(3)), 3)
    assert feed.resume(state(3).version) == (b"", 3)


def test_a_screen_with_an_unknown_or_too_old_id_gets_everything() -> None:
    feed = fed(*range(1, RING_FRAMES + 10))
    newest = snapshot_frame(state(RING_FRAMES + 9))
    assert feed.resume(None)[0] == newest
    assert feed.resume(state(2).version)[0] == newest, "no longer in the ring"
    assert feed.resume(10**15)[0] == newest, "of another projection"


def test_a_snapshot_is_of_the_last_frame_so_that_the_next_one_continues_it() -> None:
    feed = fed(1)
    feed.offer(state(2))
    snapshot, cursor = feed.resume(None)
    assert snapshot == snapshot_frame(state(1))
    feed.advance(10.0)
    assert feed.since(cursor) == (change_frame(state(1), state(2)), 2)
