"""What the campaigns' events move, and at which position it is kept."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from services.donation.trace.movements import Movement, movements_of
from shared.events import (
    Event,
    EventData,
    FundsDisbursed,
    FundsReturned,
    FundsTransferred,
    GoalReached,
    GoodsDistributed,
    GoodsReceived,
    GoodsReturned,
    GoodsReversed,
    GoodsWrittenOff,
)
from shared.events.campaigns import (
    FundsDisbursedData,
    FundsReturnedData,
    FundsTransferredData,
    GoalReachedData,
    Helped,
)
from shared.events.goods import (
    GoodsDistributedData,
    GoodsReceivedData,
    GoodsReturnedData,
    GoodsReversedData,
    GoodsWrittenOffData,
)

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
            helped={("schools", ""): 3},
        )
    ]


def test_what_else_was_counted_is_added_up_and_a_day_that_is_stated_is_kept() -> None:
    data = FundsDisbursedData(
        disbursement_id=UUID(int=1),
        campaign_id="gala",
        amount_fen=500,
        use="助老",
        title="烟感报警器",
        beneficiaries=0,
        beneficiary_unit="households",
        paid_on=date(2023, 5, 1),
        also_helped=(
            Helped(count=9000, unit="台", of="烟感报警器"),
            Helped(count=614, unit="台", of="烟感报警器"),
            Helped(count=76, unit="户"),
        ),
    )
    (payment,) = movements_of(
        [FundsDisbursed.at("campaign/1", 7, None, subject="g", time=NEW_YEAR, data=data)]
    )
    assert (payment.moved_on, payment.title) == (date(2023, 5, 1), "烟感报警器")
    assert payment.helped == {("台", "烟感报警器"): 9614, ("户", ""): 76}


def test_a_return_is_about_its_payment() -> None:
    data = FundsReturnedData(
        return_id=UUID(int=2),
        disbursement_id=UUID(int=1),
        campaign_id="gala",
        amount_fen=20,
        disbursed_fen=500,
        returned_fen=120,
        use="助学",
        returned_on=date(2023, 6, 1),
    )
    (back,) = movements_of([FundsReturned.at("campaign/1", 8, 7, subject="g", time=NEW_YEAR, data=data)])
    assert (back.kind, back.amount_fen, back.about) == ("return", 20, UUID(int=1))
    assert (back.moved_on, back.helped) == (date(2023, 6, 1), {})


def test_a_transfer_is_a_row_for_each_fund_and_one_to_a_trust_has_only_its_origin() -> None:
    data = FundsTransferredData(
        transfer_id=UUID(int=3),
        campaign_id="gala",
        to_campaign_id="elders",
        kind="split",
        amount_fen=20,
        decided_on=date(2023, 6, 1),
        split_id=UUID(int=4),
        donation_id=UUID(int=5),
    )
    rows = movements_of([FundsTransferred.at("campaign/1", 9, 8, subject="g", time=NEW_YEAR, data=data)])
    assert [(row.kind, row.campaign_id, row.other, row.donation_id) for row in rows] == [
        ("transfer_out", "gala", "elders", UUID(int=5)),
        ("transfer_in", "elders", "gala", UUID(int=5)),
    ]
    kept = {"to_campaign_id": None, "kind": "trust", "trust": "某慈善信托", "trustee": "某信托公司"}
    data = data.model_copy(update=kept | {"split_id": None, "donation_id": None})
    (out,) = movements_of([FundsTransferred.at("campaign/1", 9, 8, subject="g", time=NEW_YEAR, data=data)])
    assert (out.kind, out.campaign_id, out.other) == ("transfer_out", "gala", "某慈善信托")


def test_goods_move_at_their_value_and_those_without_one_are_not_shown() -> None:
    item = {"item_id": UUID(int=8), "description": "药品", "quantity": 2, "unit": "箱", "value_fen": 700}
    common = {"campaign_id": "gala", "value_fen": 700, "items": [item]}
    day = date(2023, 3, 1)
    out = {"distribution_id": UUID(int=7), "distributed_on": day, "use": "助医"}
    helped = {"beneficiaries": 40, "beneficiary_unit": "person_times"}
    told: list[tuple[type[Event], type[EventData], dict[str, Any]]] = [
        (GoodsReversed, GoodsReversedData, {"reversal_id": UUID(int=1), "gift_id": UUID(int=2)}),
        (GoodsDistributed, GoodsDistributedData, out | helped),
        (GoodsReturned, GoodsReturnedData, {"return_id": UUID(int=3), "distribution_id": UUID(int=7)}),
        (GoodsWrittenOff, GoodsWrittenOffData, {"write_off_id": UUID(int=4), "cause": "expired"}),
    ]
    days = {"kind": "sent_back", "reversed_on": day, "returned_on": day, "written_off_on": day}
    events = [
        event.at("c/1", n, None, subject="g", time=NEW_YEAR, data=data.model_validate(common | days | facts))
        for n, (event, data, facts) in enumerate(told)
    ]
    found = movements_of(events)
    assert [(each.kind, each.amount_fen, each.moved_on) for each in found] == [
        ("goods_back", 700, day),
        ("goods_out", 700, day),
        ("goods_returned", 700, day),
        ("goods_lost", 700, day),
    ]
    assert (found[1].title, found[1].about, found[1].helped) == (
        "药品",
        UUID(int=7),
        {("person_times", ""): 40},
    )
    assert found[2].about == found[1].about
    gift = GoodsReceivedData(
        gift_id=UUID(int=2), campaign_id="gala", donor_kind="company", value_fen=0, items=(), received_on=day
    )
    assert movements_of([GoodsReceived.at("c/1", 9, 8, subject="g", time=NEW_YEAR, data=gift)]) == []
    gift = gift.model_copy(update={"value_fen": 900})
    (came,) = movements_of([GoodsReceived.at("c/1", 9, 8, subject="g", time=NEW_YEAR, data=gift)])
    assert (came.kind, came.amount_fen) == ("goods_in", 900)


def test_what_moves_nothing_is_passed_over() -> None:
    data = GoalReachedData(campaign_id="gala", goal_fen=1, received_fen=1)
    assert movements_of([GoalReached.at("campaign/1", 1, None, subject="g", time=NEW_YEAR, data=data)]) == []
