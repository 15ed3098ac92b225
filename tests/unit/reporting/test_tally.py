"""What a batch of events adds up to."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from services.reporting.tally import minute_start, tally
from services.reporting.totals import RECENT_SHOWN
from shared.events import CampaignClosed, CampaignLaunched, CampaignPaused, CampaignSettled
from tests.services.reporting.builders import EVENING, GALA, CampaignSource, Source, chained

KEY = (GALA, "wechat", "intake.wechat/0")


def test_donations_and_reversals_are_kept_apart() -> None:
    source = Source()
    sums = tally([source.received(500), source.received(700), source.reversed(200)]).totals[KEY]
    assert (sums.received_fen, sums.donations) == (1_200, 2)
    assert (sums.reversed_fen, sums.reversals) == (200, 1)


@given(st.lists(st.integers(1, 10**13), max_size=50), st.integers(0, 50))
def test_any_split_into_batches_adds_up_to_the_same(amounts: list[int], cut: int) -> None:
    source = Source()
    events = [source.received(amount) for amount in amounts]
    assert chained(events)
    parts = [tally(events[:cut]).totals[KEY], tally(events[cut:]).totals[KEY]]
    assert sum(part.received_fen for part in parts) == sum(amounts)
    assert sum(part.donations for part in parts) == len(amounts)


def test_a_late_refund_lowers_the_minute_its_donation_was_given_in() -> None:
    source = Source()
    changes = tally([source.received(500), source.reversed(500, given_at=EVENING)])
    (key,) = changes.minutes
    assert minute_start(key[1]) == EVENING.replace(second=0)
    assert changes.minutes[key].reversed_fen == 500


def test_minutes_go_by_the_donors_clock_and_the_pace_by_ours() -> None:
    arrived = EVENING + timedelta(hours=2)
    changes = tally([Source().received(500, at=EVENING, received_at=arrived)])
    assert [minute_start(key[1]) for key in changes.minutes] == [EVENING.replace(second=0)]
    assert [minute_start(key[1]) for key in changes.arrivals] == [arrived.replace(second=0)]


def test_held_and_conflicted_donations_are_no_money() -> None:
    source = Source()
    sums = tally([source.held(500), source.conflicted(700)]).totals[KEY]
    assert (sums.received_fen, sums.donations) == (0, 0)
    assert (sums.held, sums.held_fen, sums.conflicts) == (1, 500, 1)


def test_a_released_donation_counts_and_is_no_longer_open() -> None:
    changes = tally([Source(topic="intake.internal").received(500, released=True)])
    sums = changes.totals[GALA, "wechat", "intake.internal/0"]
    assert (sums.received_fen, sums.released, sums.released_fen) == (500, 1, 500)
    assert changes.oldest_received_at is None, "its time in hold is not lag"


def test_promises_and_spending_are_not_in_the_totals() -> None:
    source = CampaignSource()
    changes = tally([source.pledged(5_000), source.disbursed(3_000), source.milestone(1_000)])
    assert not changes.totals
    assert (len(changes.pledges), len(changes.disbursements), len(changes.milestones)) == (1, 1, 1)
    assert changes.touched == {GALA}


def test_the_last_word_on_a_campaign_holds() -> None:
    source = CampaignSource()
    events = [source.launched(), source.launched(kind=CampaignPaused), source.launched(kind=CampaignLaunched)]
    assert tally(events).campaigns[GALA][1] == "launched"
    for kind, status in ((CampaignClosed, "closed"), (CampaignSettled, "settled")):
        events.append(source.launched(kind=kind))
        assert tally(events).campaigns[GALA][1] == status


def test_only_the_newest_donors_of_a_batch_are_written() -> None:
    source = Source()
    events = [source.received(number + 1) for number in range(RECENT_SHOWN + 30)]
    (newest,) = tally(events).donors.values()
    assert [event.sequence for event in newest] == list(range(30, RECENT_SHOWN + 30))


def test_the_lag_is_that_of_the_oldest_donation() -> None:
    one, other = Source(0), Source(1)
    later = EVENING + timedelta(seconds=5)
    events = [one.received(received_at=later), other.received(received_at=EVENING)]
    assert tally(events).oldest_received_at == EVENING


@given(st.integers(0, 4 * 10**9), st.integers(-14 * 60, 14 * 60))
def test_a_minute_is_the_same_whatever_the_clock_it_is_told_by(epoch_s: int, offset_minutes: int) -> None:
    told = datetime.fromtimestamp(epoch_s, timezone(timedelta(minutes=offset_minutes)))
    (key,) = tally([Source().received(at=told)]).minutes
    assert minute_start(key[1]) == datetime.fromtimestamp(epoch_s // 60 * 60, UTC)
