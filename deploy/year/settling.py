"""When what was given on the channels reaches the bank: every week what came since the last. Pure.

Donations are booked as due from their channel; a payment is made from the bank. Between the two the
channels settle, which no event tells: it is booked by hand, campaign by campaign, so that the accounts of
each fund are right.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from deploy.year.online import Given
from deploy.year.terms import SHANGHAI, Year

WEEKDAY: Final = 2
"""Wednesday: the channels settle what was given up to and with it."""
CAMPAIGNS: Final = 50
"""In one voucher, which has two lines for each campaign and 100 at most."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """What reached the bank on a day: (campaign's key, fen), each campaign once."""

    day: date
    amounts: tuple[tuple[str, int], ...]


def settled_on(day: date) -> date:
    """When that is in the bank which was given on a day."""
    return day + timedelta(days=(WEEKDAY - day.weekday()) % 7)


def settlements(year: Year, given: Iterable[Given]) -> Iterator[Settlement]:
    """Every settlement of what was given by bank and online, in the order of days, CAMPAIGNS in each."""
    sums: defaultdict[date, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for campaign in year.campaigns:
        for gift in campaign.gifts:
            sums[settled_on(gift.day)][campaign.key] += gift.amount_fen
    for each in given:
        sums[settled_on(each.at.astimezone(SHANGHAI).date())][each.campaign] += each.amount_fen
    for day in sorted(sums):
        amounts = sorted(sums[day].items())
        for first in range(0, len(amounts), CAMPAIGNS):
            yield Settlement(day, tuple(amounts[first : first + CAMPAIGNS]))
