"""What a batch of donation events adds to the funds."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from services.campaign.fund_receipts import ReceiptSums, sum_by_fund
from shared.events import DonationConflicted, DonationHeld, DonationReceived, DonationReversed, Event
from shared.events.donations import (
    DonationConflictedData,
    DonationHeldData,
    DonationReceivedData,
    DonationReversedData,
)
from shared.money import MAX_AMOUNT_FEN

AT = datetime(2026, 12, 31, 12, tzinfo=UTC)
DONATION = UUID(int=1)


def received(campaign_id: str, source: str, amount_fen: int) -> Event:
    data = DonationReceivedData(
        donation_id=uuid4(),
        channel="wechat",
        campaign_id=campaign_id,
        amount_fen=amount_fen,
        occurred_at=AT,
        received_at=AT,
        donor_kind="person",
    )
    return DonationReceived.at(source, 0, None, subject="x", time=AT, data=data)


def reversed_(campaign_id: str, source: str, amount_fen: int) -> Event:
    data = DonationReversedData(
        reversal_id=uuid4(),
        donation_id=DONATION,
        channel="wechat",
        campaign_id=campaign_id,
        kind="refund",
        amount_fen=amount_fen,
        occurred_at=AT,
        donation_occurred_at=AT,
    )
    return DonationReversed.at(source, 0, None, subject="x", time=AT, data=data)


def test_sums_are_kept_per_campaign_and_source_in_the_order_of_the_keys() -> None:
    events = [
        received("gala", "intake.wechat/1", 5),
        reversed_("gala", "intake.internal/0", 2),
        received("flood", "intake.wechat/1", 7),
        received("gala", "intake.wechat/1", 1),
    ]
    assert list(sum_by_fund(events).items()) == [
        (("flood", "intake.wechat/1"), ReceiptSums(7, 0, 1, 0)),
        (("gala", "intake.internal/0"), ReceiptSums(0, 2, 0, 1)),
        (("gala", "intake.wechat/1"), ReceiptSums(6, 0, 2, 0)),
    ]


def test_held_and_conflicted_donations_move_no_money() -> None:
    held = DonationHeldData(
        donation_id=DONATION,
        channel="wechat",
        campaign_id="gala",
        amount_fen=5,
        occurred_at=AT,
        received_at=AT,
        reason="paused",
    )
    conflicted = DonationConflictedData(
        donation_id=DONATION, channel="wechat", campaign_id="gala", amount_fen=5, received_at=AT
    )
    events: list[Event] = [
        DonationHeld.at("intake.wechat/0", 1, None, subject="x", time=AT, data=held),
        DonationConflicted.at("intake.wechat/0", 2, 1, subject="x", time=AT, data=conflicted),
    ]
    assert sum_by_fund(events) == {}


happenings = st.lists(
    st.tuples(
        st.booleans(),
        st.sampled_from(["gala", "flood"]),
        st.sampled_from(["intake.a/0", "intake.b/1"]),
        st.integers(1, MAX_AMOUNT_FEN),
    )
)


@given(happenings, st.integers(0, 100))
def test_sums_are_the_same_however_the_events_are_cut_into_batches(
    whole: list[tuple[bool, str, str, int]], cut: int
) -> None:
    events = [
        (received if came else reversed_)(campaign, source, fen) for came, campaign, source, fen in whole
    ]
    parts = (sum_by_fund(events[:cut]), sum_by_fund(events[cut:]))
    for key, sums in sum_by_fund(events).items():
        found = [part[key] for part in parts if key in part]
        assert sums.received_fen == sum(part.received_fen for part in found)
        assert sums.reversed_fen == sum(part.reversed_fen for part in found)
        assert sums.donations + sums.reversals == sum(part.donations + part.reversals for part in found)
