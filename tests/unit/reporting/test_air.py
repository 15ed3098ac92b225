"""What a registered screen shows: frozen, hidden, a reversal at once or held, a rehearsal."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from services.reporting.frames import change_frame
from services.reporting.screens.air import OnAir
from services.reporting.screens.feed import ScreenFeed
from services.reporting.screens.rehearsal import REFUND_EACH, sample_state
from services.reporting.totals import CampaignState
from tests.services.reporting.builders import EVENING, GALA, donor, message, state

LIVE = OnAir(GALA, sequence=1, segment=1)
HELD = replace(LIVE, policy="held")


def at(version: int, received_fen: int, reversed_fen: int = 0) -> CampaignState:
    """A state at a version."""
    where = {"intake.wechat/0": version - 1}
    return state(received_fen, positions=where, reversed_fen=reversed_fen, recent=[donor(version, "王五")])


def fed(on_air: OnAir, *states: CampaignState) -> ScreenFeed:
    feed = ScreenFeed(on_air)
    for each in states:
        feed.follow(each)
    return feed


def net(feed: ScreenFeed) -> int:
    assert feed.shown is not None
    return feed.shown.amounts.net_fen


def last(feed: ScreenFeed) -> tuple[str, dict[str, Any]]:
    event, _, data = feed.since(feed.number - 1)[0].decode().strip().split("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_a_screen_without_control_passes_on_the_public_frame_itself() -> None:
    before, after = at(1, 100), at(2, 200)
    feed = fed(LIVE, before)
    frame = change_frame(before, after)
    assert feed.follow(after, frame)
    assert feed.since(feed.number - 1)[0] is frame
    assert b'"air":"live"' in feed.snapshot()


def test_a_message_that_was_withdrawn_stays_on_no_screen_whatever_was_decided_for_it() -> None:
    before = state(1_000, messages=[message(1)])
    after = state(1_500, reversed_fen=600)
    frozen = fed(LIVE, before)
    frozen.decide(replace(LIVE, sequence=2, control="frozen", frozen=before))
    held = fed(HELD, before, after)
    for feed in (frozen, held):
        feed.follow(after)
        assert feed.shown is not None
        assert (net(feed), feed.shown.messages) == (1_000, ())
    assert last(held)[1]["messages_gone"] == [str(message(1).message_id)]


def test_a_frozen_screen_stays_at_its_version_without_names_and_returns() -> None:
    feed = fed(LIVE, at(1, 100))
    assert feed.decide(replace(LIVE, sequence=2, control="frozen", frozen=at(1, 100)))
    event, data = last(feed)
    assert (event, data["control"], data["version"], data["recent"]) == ("snapshot", "frozen", 1, [])
    assert not feed.follow(at(2, 900)), "nothing goes out"
    assert (net(feed), feed.unfrozen) == (100, feed.current)
    assert feed.decide(replace(LIVE, sequence=3))
    assert (net(feed), last(feed)[1]["air_sequence"]) == (900, 3)


def test_a_decision_that_comes_late_changes_nothing() -> None:
    feed = fed(LIVE, at(1, 100))
    feed.decide(replace(LIVE, sequence=3, control="hidden"))
    assert not feed.decide(replace(LIVE, sequence=2))
    assert feed.on_air.control == "hidden"


def test_a_reversal_is_shown_at_once_where_that_is_the_policy() -> None:
    feed = fed(LIVE, at(1, 1_000), at(2, 1_000, 300))
    assert (net(feed), feed.proposal) == (700, None)


def test_a_held_reversal_keeps_the_highest_number_until_the_next_segment() -> None:
    feed = fed(HELD, at(1, 900), at(2, 1_000), at(3, 1_000, 300))
    assert net(feed) == 1_000
    seen = feed.proposal
    assert seen is not None
    assert (seen.before.version, seen.after.version, seen.caught_up) == (2, 3, False)
    feed.decide(replace(HELD, sequence=2, kept=seen.before, pending=True))
    assert (net(feed), feed.proposal) == (1_000, None), "it is on the record once"
    feed.follow(at(4, 1_100, 300))
    assert net(feed) == 1_000
    feed.decide(replace(HELD, sequence=3, segment=2))
    assert (net(feed), last(feed)[1]["reversed_fen"]) == (800, 300)


def test_donations_carry_a_held_number_past_itself() -> None:
    feed = fed(HELD, at(2, 1_000), at(3, 1_000, 300))
    kept = feed.proposal
    assert kept is not None
    feed.decide(replace(HELD, sequence=2, kept=kept.before, pending=True))
    feed.follow(at(5, 1_400, 300))
    assert net(feed) == 1_100
    seen = feed.proposal
    assert seen is not None
    assert (seen.before.version, seen.after.version, seen.caught_up) == (2, 5, True)
    feed.decide(replace(HELD, sequence=3, kept=seen.after))
    assert feed.proposal is None


def test_a_process_behind_the_others_shows_what_they_have_kept_and_records_nothing() -> None:
    behind = fed(HELD, at(1, 900))
    behind.decide(replace(HELD, sequence=2, kept=at(5, 1_100)))
    assert (net(behind), behind.proposal) == (1_100, None)
    behind.follow(at(4, 1_050))
    assert (net(behind), behind.proposal) == (1_100, None)
    behind.follow(at(6, 1_150))
    assert net(behind) == 1_150


def test_a_restarted_process_goes_on_holding() -> None:
    feed = fed(replace(HELD, sequence=2, kept=at(2, 1_000), pending=True), at(3, 1_000, 300))
    assert (net(feed), feed.proposal) == (1_000, None)


def test_a_rehearsal_is_marked_in_every_frame_and_ends_with_the_campaigns_own_number() -> None:
    feed = fed(LIVE, at(1, 100))
    rehearsal = replace(LIVE, sequence=2, segment=2, rehearsal=True, rehearsal_since=EVENING)
    assert not feed.decide(rehearsal), "nothing to show yet"
    feed.follow(sample_state(GALA, None, EVENING, EVENING + timedelta(seconds=9)))
    assert last(feed)[1]["air"] == "rehearsal"
    feed.follow(sample_state(GALA, None, EVENING, EVENING + timedelta(seconds=10)))
    assert last(feed)[1]["air"] == "rehearsal"
    feed.decide(replace(LIVE, sequence=3, segment=3))
    feed.follow(at(2, 200))
    event, data = last(feed)
    assert (event, data["air"], data["net_fen"]) == ("snapshot", "live", 200)


def test_sample_numbers_are_the_same_everywhere_and_fall_only_with_a_reversal() -> None:
    at_seconds = [
        sample_state(GALA, None, EVENING, EVENING + timedelta(seconds=second))
        for second in range(int(REFUND_EACH.total_seconds()) + 2)
    ]
    again = sample_state(GALA, None, EVENING, EVENING + timedelta(seconds=7, milliseconds=900))
    assert again == at_seconds[7]
    fallen = [
        (before, after)
        for before, after in pairwise(at_seconds)
        if after.amounts.net_fen < before.amounts.net_fen
    ]
    assert len(fallen) == 1
    assert fallen[0][1].amounts.reversed_fen > fallen[0][0].amounts.reversed_fen
