"""The days of bills: they begin at midnight in Asia/Shanghai, and a bill is due the next morning. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.refusals import Refused

BILL_TIME: Final = ZoneInfo("Asia/Shanghai")
DUE: Final = time(9, tzinfo=BILL_TIME)
"""WeChat Pay has a day's bill ready at 10, Alipay at 9, the banks earlier: whoever fetches it then has it
imported long before noon; the metrics count a day from 09:00 of the next on."""
EDGE: Final = timedelta(minutes=15)
"""A donation this close before midnight may stand in the next day's bill: the channel's clock and the
donor's bank need not agree on the second. It is missed only when that bill is there and lacks it as well."""
ONE: Final = timedelta(days=1)


class DayNotOver(Refused):
    """A bill of a day that has not ended."""

    code = "day-not-over"
    title = "The day is not over"
    status = 422


def day_of(moment: datetime) -> date:
    """The day it is in Asia/Shanghai at a moment."""
    return moment.astimezone(BILL_TIME).date()


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """The first moment of a day and of the next, in UTC."""
    start = datetime.combine(day, time(), BILL_TIME)
    return start.astimezone(UTC), (start + ONE).astimezone(UTC)


def last_due(now: datetime) -> date:
    """The newest day whose bill is due."""
    local = now.astimezone(BILL_TIME)
    return local.date() - (ONE if local.timetz() >= DUE else 2 * ONE)


def require_over(day: date, now: datetime) -> None:
    """Raise DayNotOver unless the day has ended in Asia/Shanghai."""
    if day >= day_of(now):
        raise DayNotOver(f"day is at most {day_of(now) - ONE}.", fields=["day"])
