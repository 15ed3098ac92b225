"""Accounting periods (会计期间): months in Asia/Shanghai, open → closing → closed, never reopened. Pure.

Closing a month closes every month before it as well. One person of finance asks, another confirms.
"""

from datetime import date, datetime
from enum import StrEnum

from services.campaign.ledger.entries import day_of
from shared.refusals import Refused


class PeriodState(StrEnum):
    """Where a month stands; one that nobody has asked to close is open and has no row."""

    CLOSING = "closing"
    CLOSED = "closed"


class MonthNotOver(Refused):
    """Closing a month in which something can still happen."""

    code = "ledger-month-not-over"
    title = "The month is not over"


class MonthClosed(Refused):
    """A month that is closed, by itself or with a later one."""

    code = "ledger-month-closed"
    title = "The month is closed"


class ClosingAlready(Refused):
    """Asking a second time."""

    code = "ledger-month-closing"
    title = "Somebody has asked to close the month"


class NotClosing(Refused):
    """Confirming what nobody has asked for."""

    code = "ledger-month-not-closing"
    title = "Nobody has asked to close the month"


def month_of(day: date) -> date:
    """The first day of a day's month."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """The first day of the month after."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def booking_day(event_on: date, closed: date | None) -> date:
    """The day an event is booked on: its own, or the first day of the first open month.

    `closed` is the last closed month, None when none is.
    """
    return event_on if closed is None else max(event_on, next_month(closed))


def require_closable(month: date, *, closed: date | None, now: datetime) -> None:
    """Raise MonthClosed or MonthNotOver unless the month is over and not closed yet."""
    if closed is not None and month <= closed:
        raise MonthClosed(
            f"Everything up to {closed:%Y-%m} is closed and stays so.", closed=f"{closed:%Y-%m}"
        )
    if month >= month_of(day_of(now)):
        raise MonthNotOver("Close it when it is over in Asia/Shanghai.", month=f"{month:%Y-%m}")


def require_not_asked(asked_by: str | None) -> None:
    """Raise ClosingAlready when somebody has asked to close the month; `asked_by` is that person."""
    if asked_by is not None:
        raise ClosingAlready(f"{asked_by} has asked; another person of finance confirms.", asked_by=asked_by)
