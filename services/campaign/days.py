"""The day of a fact, in Asia/Shanghai: people record late, so it stands beside its recording's time. Pure."""

from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from shared.refusals import Refused

DONOR_TIME: Final = ZoneInfo("Asia/Shanghai")


class DayNotYet(Refused):
    """A day that lies ahead, for something that has happened."""

    code = "day-not-yet"
    title = "The day lies in the future"
    status = 422


class DayTooEarly(Refused):
    """A day before the one of what it follows."""

    code = "day-too-early"
    title = "The day lies before what it follows"
    status = 422


def today_of(now: datetime) -> date:
    """The day it is in Asia/Shanghai."""
    return now.astimezone(DONOR_TIME).date()


def require_not_ahead(day: date, now: datetime, field: str) -> None:
    """Raise DayNotYet when the day has not come in Asia/Shanghai."""
    if day > today_of(now):
        raise DayNotYet(f"{field} is at most {today_of(now)}.", fields=[field])


def require_not_before(day: date, earliest: date | None, field: str) -> None:
    """Raise DayTooEarly when the day lies before `earliest`; None: there is nothing it must follow."""
    if earliest is not None and day < earliest:
        raise DayTooEarly(f"{field} is at least {earliest}, the day of what it follows.", fields=[field])
