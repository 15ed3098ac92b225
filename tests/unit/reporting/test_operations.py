"""What the operations desk is told of a late filing."""

from datetime import date

import pytest

from services.reporting.operations import days_left
from tests.services.reporting.builders import EVENING


@pytest.mark.parametrize(
    ("due_on", "left"),
    [(None, None), (date(2026, 1, 18), 0), (date(2026, 1, 28), 10), (date(2026, 1, 15), -3)],
)
def test_the_days_left_are_those_of_shanghai(due_on: date | None, left: int | None) -> None:
    assert days_left(due_on, EVENING) == left
