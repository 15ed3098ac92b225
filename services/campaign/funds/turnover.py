"""How long a fund's money lies: days of balance, and the age of its oldest unspent fen. Pure.

Days of balance = held ÷ mean daily spending over the 365 days up to the day, or over the fund's life when
that is shorter. Money is spent in the order in which it came in, so that what is held is what came in last:
the oldest unspent fen came on the day after which less has come in than is held. What came back of a donation
or a payment changes how much is held, not the order.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

WINDOW_DAYS: Final = 365


@dataclass(frozen=True, slots=True)
class Turnover:
    """What a fund held on a day, and how it moved before, by the ledger. `spent_fen` in `window_days`."""

    on: date
    held_fen: int
    spent_fen: int
    first_on: date | None
    """The day on which money came in for the first time."""
    oldest_on: date | None
    """The day on which the oldest unspent fen came in; None: nothing is held."""

    @property
    def window_days(self) -> int:
        """Days of spending that the mean is made of."""
        if self.first_on is None:
            return WINDOW_DAYS
        return min(WINDOW_DAYS, (self.on - self.first_on).days + 1)

    @property
    def days_of_balance(self) -> int | None:
        """How many whole days the money held lasts at the mean pace; None when none was spent."""
        if self.spent_fen <= 0:
            return None
        return max(0, self.held_fen) * self.window_days // self.spent_fen

    @property
    def idle_days(self) -> int | None:
        """How long the oldest unspent fen has lain; None when nothing is held."""
        return None if self.oldest_on is None else (self.on - self.oldest_on).days


def idle(idle_days: int | None, idle_after_days: int | None) -> bool:
    """Whether money has lain longer than the fund's terms allow; a fund without such terms is never idle."""
    return idle_days is not None and idle_after_days is not None and idle_days > idle_after_days
