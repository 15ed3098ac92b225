"""What a matching gift comes to: the rule alone, after any order of events and any cut into batches."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.lifecycle import State
from services.campaign.matching.rules import (
    MOST_AHEAD,
    MOST_OPEN,
    CampaignRepeated,
    CapReadDiffers,
    EligibleSums,
    MatchState,
    MatchStepNotAllowed,
    NotMatchedNow,
    Offer,
    TooManyMatches,
    WindowBegun,
    WindowOpen,
    WindowWrong,
    eligible_sums,
    matched_fen,
    require_cap_read,
    require_each_once,
    require_nothing_counted,
    require_over,
    require_room,
    require_running,
    require_state,
    require_window,
)
from shared.events import Event
from tests.services.campaign.builders import Source

BEGIN = datetime(2026, 12, 31, 12, tzinfo=UTC)
END = BEGIN + timedelta(hours=3)
SECOND = timedelta(seconds=1)
MATCH = UUID(int=1)
OFFER = Offer(MATCH, frozenset({"gala", "part"}), BEGIN, END)

Gift = tuple[int, str, int, int]
"""Source, campaign, fen, minutes after the window's beginning."""
gifts = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["gala", "part", "other"]),
        st.integers(1, 10**13),
        st.integers(-2, 182),
    ),
    max_size=30,
)


@pytest.mark.parametrize(
    ("net_fen", "ratio_bp", "cap_fen", "fen"),
    [
        (0, 10_000, 100, 0),
        (-5, 10_000, 100, 0),
        (99, 10_000, 100, 99),
        (100, 10_000, 100, 100),
        (101, 10_000, 100, 100),
        (3, 5_000, 100, 1),
        (1, 5_000, 100, 0),
        (3, 15_000, 100, 4),
        (10**18, 100_000, 10**13, 10**13),
        (9_999, 1, 100, 0),
        (10_000, 1, 100, 1),
    ],
)
def test_what_is_matched_is_rounded_down_and_never_past_the_cap(
    net_fen: int, ratio_bp: int, cap_fen: int, fen: int
) -> None:
    assert matched_fen(net_fen, ratio_bp=ratio_bp, cap_fen=cap_fen) == fen


@pytest.mark.parametrize(
    ("campaign_id", "given_at", "eligible"),
    [
        ("gala", BEGIN, True),
        ("part", END - SECOND, True),
        ("gala", BEGIN - SECOND, False),
        ("gala", END, False),
        ("other", BEGIN, False),
    ],
)
def test_a_donation_is_eligible_by_its_campaign_and_when_it_was_given(
    campaign_id: str, given_at: datetime, *, eligible: bool
) -> None:
    assert OFFER.eligible(campaign_id, given_at) is eligible


def test_a_reversal_lowers_the_match_of_the_donation_it_takes_back_however_late_it_is() -> None:
    source = Source()
    late = source.reversed("gala", 30, END + timedelta(days=90))
    late = late.model_copy(update={"data": late.data.model_copy(update={"donation_occurred_at": BEGIN})})
    sums = eligible_sums([source.received("gala", 100, BEGIN), late], [OFFER])
    assert sums == {(MATCH, source.name): EligibleSums(100, 30)}
    assert eligible_sums([source.reversed("gala", 30, END)], [OFFER]) == {}


@given(gifts, st.data(), st.integers(1, 100_000), st.integers(1, 10**13))
def test_any_interleaving_of_donations_reversals_and_batches_comes_to_the_same(
    given_by: list[Gift], data: st.DataObject, ratio_bp: int, cap_fen: int
) -> None:
    sources = [Source(number) for number in range(3)]
    streams: list[list[Event]] = [[], [], []]
    net_fen = 0
    for number, campaign_id, fen, minutes in given_by:
        at = BEGIN + timedelta(minutes=minutes)
        back_fen = data.draw(st.one_of(st.none(), st.integers(1, fen)))
        streams[number].append(sources[number].received(campaign_id, fen, at))
        if back_fen is not None:
            streams[number].append(sources[number].reversed(campaign_id, back_fen, at))
        if campaign_id != "other" and 0 <= minutes < 180:
            net_fen += fen - (back_fen or 0)
    expected = min(cap_fen, net_fen * ratio_bp // 10_000)
    for stream in streams:
        stream[:] = data.draw(st.permutations(stream))
    sums: defaultdict[tuple[UUID, str], EligibleSums] = defaultdict(EligibleSums)
    while any(streams):
        stream = data.draw(st.sampled_from([each for each in streams if each]))
        size = data.draw(st.integers(1, len(stream)))
        batch, stream[:] = stream[:size], stream[size:]
        for key, added in eligible_sums(batch, [OFFER]).items():
            sums[key].received_fen += added.received_fen
            sums[key].reversed_fen += added.reversed_fen
        so_far = sum(each.net_fen for each in sums.values())
        assert 0 <= matched_fen(so_far, ratio_bp=ratio_bp, cap_fen=cap_fen) <= cap_fen
    total_fen = sum(each.net_fen for each in sums.values())
    assert matched_fen(total_fen, ratio_bp=ratio_bp, cap_fen=cap_fen) == expected


def test_two_matches_of_one_campaign_each_count_what_lies_in_their_own_window() -> None:
    other = Offer(uuid4(), frozenset({"gala"}), END, END + timedelta(hours=1))
    source = Source()
    events = [source.received("gala", 5, BEGIN), source.received("gala", 7, END)]
    sums = eligible_sums(events, [OFFER, other])
    assert {match_id: each.net_fen for (match_id, _), each in sums.items()} == {MATCH: 5, other.match_id: 7}


def test_a_match_is_confirmed_before_anything_in_its_window_can_have_been_counted() -> None:
    now = BEGIN
    require_nothing_counted(now - timedelta(days=900), now, counted=False)
    require_nothing_counted(now + MOST_AHEAD, now, counted=True)
    with pytest.raises(WindowBegun):
        require_nothing_counted(now + MOST_AHEAD - SECOND, now, counted=True)


def test_a_match_is_closed_when_its_window_is_over() -> None:
    require_over(END, END)
    with pytest.raises(WindowOpen):
        require_over(END, END - SECOND)


def test_what_makes_no_sense_is_refused() -> None:
    require_window(BEGIN, END)
    with pytest.raises(WindowWrong):
        require_window(END, END)
    with pytest.raises(CampaignRepeated):
        require_each_once(["gala", "gala"])
    with pytest.raises(TooManyMatches):
        require_room("gala", MOST_OPEN)
    require_room("gala", MOST_OPEN - 1)
    with pytest.raises(CapReadDiffers):
        require_cap_read(100, 10)
    with pytest.raises(MatchStepNotAllowed):
        require_state(MatchState.CLOSED, MatchState.ENTERED, MatchState.CONFIRMED)


@pytest.mark.parametrize("state", State)
def test_a_match_is_offered_to_what_is_filed_and_not_over(state: State) -> None:
    if state in (State.FILED, State.LAUNCHED, State.PAUSED):
        require_running("gala", state)
    else:
        with pytest.raises(NotMatchedNow):
            require_running("gala", state)
