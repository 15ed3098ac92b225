"""When a plan can be filed (Charity Law art. 24, 25)."""

from datetime import UTC, datetime, timedelta

import pytest

from services.campaign.plan import (
    REQUIRED_FIELDS,
    PlanIncomplete,
    WindowReversed,
    missing_fields,
    require_complete,
    require_window,
)

EVENING = datetime(2026, 12, 31, 12, tzinfo=UTC)


def a_complete_plan() -> dict[str, object]:
    return dict.fromkeys(REQUIRED_FIELDS, "stated") | {"uses": ["助医"], "cost_fen": 0}


def test_a_complete_plan_lacks_nothing_and_a_cost_of_nothing_is_a_statement() -> None:
    require_complete(a_complete_plan())


@pytest.mark.parametrize("field", REQUIRED_FIELDS)
@pytest.mark.parametrize("empty", [None, "", []], ids=["null", "empty text", "empty list"])
def test_each_part_of_the_plan_is_needed(field: str, empty: object) -> None:
    with pytest.raises(PlanIncomplete) as refused:
        require_complete(a_complete_plan() | {field: empty})
    assert refused.value.fields == (field,)
    assert field in refused.value.detail


def test_everything_that_is_missing_is_named_at_once() -> None:
    assert missing_fields({}) == REQUIRED_FIELDS


@pytest.mark.parametrize("end", [EVENING, EVENING - timedelta(seconds=1)])
def test_a_window_ends_after_it_starts(end: datetime) -> None:
    with pytest.raises(WindowReversed):
        require_window(EVENING, end)


def test_a_draft_may_state_one_side_of_its_window() -> None:
    require_window(EVENING, None)
    require_window(None, EVENING)
    require_window(EVENING, EVENING + timedelta(seconds=1))
