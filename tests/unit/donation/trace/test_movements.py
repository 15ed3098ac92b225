"""What the campaigns' events move, and at which position it is kept."""

from datetime import UTC, date, datetime
from uuid import UUID

from services.donation.trace.movements import Movement, movements_of
from shared.events import FundsDisbursed, GoalReached
from shared.events.campaigns import FundsDisbursedData, GoalReachedData

NEW_YEAR = datetime(2026, 12, 31, 16, tzinfo=UTC)
"""Midnight in Shanghai."""


def test_a_payment_is_kept_at_its_position_with_its_day_in_shanghai_and_whom_it_helped() -> None:
    data = FundsDisbursedData(
        disbursement_id=UUID(int=1),
        campaign_id="gala",
        amount_fen=500,
        use="助学",
        beneficiaries=3,
        beneficiary_unit="schools",
    )
    event = FundsDisbursed.at("campaign/1", 7, None, subject="gala", time=NEW_YEAR, data=data)
    assert movements_of([event]) == [
        Movement(
            source="campaign/1",
            sequence=7,
            kind="payment",
            campaign_id="gala",
            amount_fen=500,
            moved_on=date(2027, 1, 1),
            announced_at=NEW_YEAR,
            use="助学",
            about=UUID(int=1),
            helped={"schools": 3},
        )
    ]


def test_what_moves_nothing_is_passed_over() -> None:
    data = GoalReachedData(campaign_id="gala", goal_fen=1, received_fen=1)
    assert movements_of([GoalReached.at("campaign/1", 1, None, subject="g", time=NEW_YEAR, data=data)]) == []
