"""When which report is due (公开日历), from what a campaign or an organisation is. Pure.

| report | covers | due | Charity Law |
| --- | --- | --- | --- |
| emergency 应急公开 | each 5 days of an emergency appeal | the day after | art. 72 |
| quarterly 定期公开 | each 3 months of any other that raises for over 6 months | the day after | art. 79 |
| final 全面公开 | all of a campaign that has ended | 3 months after its end | art. 79 |
| annual 年度报告 | each year of an organisation | 31 May of the next year | art. 78 |

Days are those of Asia/Shanghai. A campaign begins on the day it was launched; it ends with its window, or
when it is closed before. A report belongs to the obligation of its kind whose first day is its own: when a
campaign ends early its last obligation covers fewer days, and a report of it stays a report of it.
"""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import islice
from typing import Final

from shared.events.campaigns import CampaignKind
from shared.events.documents import ReportKind

EMERGENCY_DAYS: Final = 5
QUARTER_MONTHS: Final = 3
LONG_MONTHS: Final = 6
"""What raises for longer reports while it raises."""
FINAL_MONTHS: Final = 3
MAX_PERIODS: Final = 1_000
"""Of one campaign or organisation: 13 years of an emergency. Later ones are in no calendar."""

ONE_DAY: Final = timedelta(days=1)


class DueState(StrEnum):
    """Where an obligation stands."""

    RUNNING = "running"
    """Its days are not over."""
    DUE = "due"
    LATE = "late"
    PUBLISHED = "published"
    PUBLISHED_LATE = "published_late"


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """What the calendar needs of a campaign. `began_on` is None until it was launched."""

    kind: CampaignKind
    began_on: date | None
    window_end: date
    ended_on: date | None


@dataclass(frozen=True, slots=True)
class Obligation:
    """One report that the law asks for; both days are within what it covers."""

    kind: ReportKind
    period_from: date
    period_to: date
    due_on: date


def add_months(day: date, months: int) -> date:
    """The same day so many months later, or the last of that month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def campaign_facts(
    kind: CampaignKind, *, launched_on: date | None, window_end: date, closed_on: date | None
) -> CampaignFacts:
    """Begin and end, from the days a campaign was launched and closed and the last day of its window."""
    ended_on = None
    if launched_on is not None and closed_on is not None:
        ended_on = max(launched_on, min(closed_on, window_end))
    return CampaignFacts(kind, launched_on, window_end, ended_on)


def of_campaign(facts: CampaignFacts, today: date) -> list[Obligation]:
    """Every report of a campaign whose first day has come by `today`, oldest first."""
    if facts.began_on is None or facts.began_on > today:
        return []
    ended_on = facts.ended_on
    if ended_on is None and facts.window_end < today:
        ended_on = max(facts.began_on, facts.window_end)
    regular = islice(_regular(facts, facts.began_on, ended_on or today), MAX_PERIODS)
    found = [_shortened(each, ended_on) for each in regular]
    if ended_on is not None:
        due_on = add_months(ended_on, FINAL_MONTHS)
        found.append(Obligation("final", facts.began_on, ended_on, due_on))
    return found


def of_organisation(first_day: date, today: date) -> list[Obligation]:
    """The annual reports of an organisation whose books begin on `first_day`, this year's as well."""
    years = range(first_day.year, today.year + 1)
    return [of_year(year) for year in years[-MAX_PERIODS:]]


def of_year(year: int) -> Obligation:
    """The annual report of a year."""
    return Obligation("annual", date(year, 1, 1), date(year, 12, 31), date(year + 1, 5, 31))


def state_of(obligation: Obligation, *, published_on: date | None, today: date) -> DueState:
    """Where it stands; `published_on` is the day its first report was published."""
    if published_on is not None:
        return DueState.PUBLISHED if published_on <= obligation.due_on else DueState.PUBLISHED_LATE
    if today > obligation.due_on:
        return DueState.LATE
    return DueState.DUE if today > obligation.period_to else DueState.RUNNING


def days_late(obligation: Obligation, *, published_on: date | None, today: date) -> int:
    """How many days after its due day it was published, or today is; below 0: days left."""
    return ((published_on or today) - obligation.due_on).days


def _regular(facts: CampaignFacts, began_on: date, last: date) -> Iterator[Obligation]:
    """The reports while a campaign raises, until the day `last`, each for its full time."""
    if facts.kind == "emergency_appeal":
        kind: ReportKind = "emergency"
    elif add_months(began_on, LONG_MONTHS) <= facts.window_end:
        kind = "quarterly"
    else:
        return
    number, start = 0, began_on
    while start <= last:
        number += 1
        if kind == "emergency":
            behind = began_on + number * EMERGENCY_DAYS * ONE_DAY
        else:  # from the first day on, so that 31 January is followed by the end of April and of July
            behind = add_months(began_on, number * QUARTER_MONTHS)
        yield Obligation(kind, start, behind - ONE_DAY, behind)
        start = behind


def _shortened(obligation: Obligation, ended_on: date | None) -> Obligation:
    """What is left of it when the campaign ends before; it is due on the same day."""
    if ended_on is None or ended_on >= obligation.period_to:
        return obligation
    return Obligation(obligation.kind, obligation.period_from, ended_on, obligation.due_on)
