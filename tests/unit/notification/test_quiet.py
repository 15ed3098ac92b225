"""Quiet hours are of Shanghai's clock, and may go over midnight."""

from datetime import datetime, timedelta, timezone

import pytest

from services.notification.quiet import SHANGHAI, Quiet

NIGHT = Quiet.read("22:00-08:00")


@pytest.mark.parametrize(
    ("clock", "quiet"),
    [
        ("21:59:59", False),
        ("22:00:00", True),
        ("23:59:59", True),
        ("00:00:00", True),
        ("07:59:59", True),
        ("08:00:00", False),
        ("12:00:00", False),
    ],
)
def test_nobody_is_disturbed_at_night(*, clock: str, quiet: bool) -> None:
    now = datetime.fromisoformat(f"2027-01-01T{clock}").replace(tzinfo=SHANGHAI)
    assert NIGHT.holds(now) is quiet
    assert NIGHT.holds(now.astimezone(timezone(timedelta(hours=-8)))) is quiet


def test_hours_within_a_day_and_none() -> None:
    noon = datetime(2027, 1, 1, 12, 30, tzinfo=SHANGHAI)
    assert Quiet.read("12:00-13:00").holds(noon)
    assert not Quiet.read("13:00-14:00").holds(noon)
    assert not Quiet.read("").holds(noon)
    assert not Quiet.read("12:30-12:30").holds(noon)


@pytest.mark.parametrize("text", ["22-08", "25:00-08:00", "22:00", "22:60-08:00", " 22:00-08:00"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="hours"):
        Quiet.read(text)
