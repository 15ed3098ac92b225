"""When a donation counts at once and when it is held."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from services.donation.holding import CampaignState, held_reason
from shared.events.donations import HeldReason

CLOSED_AT = datetime(2027, 1, 1, 12, tzinfo=UTC)
BEFORE = CLOSED_AT - timedelta(microseconds=1)
AFTER = CLOSED_AT + timedelta(microseconds=1)

CASES: list[tuple[CampaignState | None, datetime, HeldReason | None]] = [
    (None, BEFORE, "unknown_campaign"),
    (CampaignState("filed"), BEFORE, "not_launched"),
    (CampaignState("launched"), BEFORE, None),
    (CampaignState("paused"), BEFORE, "paused"),
    (CampaignState("closed", CLOSED_AT), BEFORE, None),
    (CampaignState("closed", CLOSED_AT), CLOSED_AT, None),
    (CampaignState("closed", CLOSED_AT), AFTER, "closed"),
    (CampaignState("closed"), BEFORE, "closed"),
]


@pytest.mark.parametrize(("campaign", "occurred_at", "reason"), CASES)
def test_whether_a_donation_is_held(
    campaign: CampaignState | None, occurred_at: datetime, reason: HeldReason | None
) -> None:
    assert held_reason(campaign, occurred_at) == reason


def test_every_reason_of_the_contract_can_come_about() -> None:
    assert {reason for _, _, reason in CASES} == {*get_args(HeldReason), None}


def test_the_zone_in_which_a_channel_says_the_time_does_not_matter() -> None:
    shanghai = datetime.fromisoformat("2027-01-01T20:00:00+08:00")
    assert held_reason(CampaignState("closed", CLOSED_AT), shanghai) is None
    assert held_reason(CampaignState("closed", CLOSED_AT), shanghai + timedelta(seconds=1)) == "closed"
