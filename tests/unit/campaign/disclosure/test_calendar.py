"""What is due when: the dates of the law, from the days of a campaign and of an organisation."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.disclosure import calendar
from services.campaign.disclosure.calendar import CampaignFacts, DueState, Obligation

FLOOD = date(2023, 8, 2)


def facts(
    kind: str = "emergency_appeal",
    began_on: date | None = FLOOD,
    window_end: date = date(2023, 10, 31),
    ended_on: date | None = None,
) -> CampaignFacts:
    return CampaignFacts(kind, began_on, window_end, ended_on)  # type: ignore[arg-type]


def shown(obligations: list[Obligation]) -> list[tuple[str, str, str, str]]:
    return [
        (each.kind, f"{each.period_from:%m-%d}", f"{each.period_to:%m-%d}", f"{each.due_on:%m-%d}")
        for each in obligations
    ]


def test_an_emergency_reports_every_five_days() -> None:
    assert shown(calendar.of_campaign(facts(), date(2023, 8, 13))) == [
        ("emergency", "08-02", "08-06", "08-07"),
        ("emergency", "08-07", "08-11", "08-12"),
        ("emergency", "08-12", "08-16", "08-17"),
    ]


def test_what_an_emergency_had_begun_when_it_ended_is_due_on_its_day_and_all_of_it_three_months_later() -> (
    None
):
    assert shown(calendar.of_campaign(facts(ended_on=date(2023, 8, 8)), date(2023, 9, 1))) == [
        ("emergency", "08-02", "08-06", "08-07"),
        ("emergency", "08-07", "08-08", "08-12"),
        ("final", "08-02", "08-08", "11-08"),
    ]


def test_what_raises_for_longer_than_six_months_reports_every_three() -> None:
    drive = facts("annual_drive", date(2022, 11, 30), date(2023, 8, 31))
    assert shown(calendar.of_campaign(drive, date(2023, 12, 1))) == [
        ("quarterly", "11-30", "02-27", "02-28"),
        ("quarterly", "02-28", "05-29", "05-30"),
        ("quarterly", "05-30", "08-29", "08-30"),
        ("quarterly", "08-30", "08-31", "11-30"),
        ("final", "11-30", "08-31", "11-30"),
    ]


def test_what_raises_for_less_than_six_months_reports_at_its_end_alone() -> None:
    gala = facts("gala", date(2023, 1, 5), date(2023, 7, 4))
    assert calendar.of_campaign(gala, date(2023, 7, 4)) == []
    assert [each.kind for each in calendar.of_campaign(gala, date(2023, 7, 5))] == ["final"]


def test_a_campaign_that_was_never_launched_owes_nothing() -> None:
    assert calendar.of_campaign(facts(began_on=None), date(2030, 1, 1)) == []


@pytest.mark.parametrize(
    ("launched_on", "closed_on", "began_on", "ended_on"),
    [
        pytest.param(FLOOD, None, FLOOD, None, id="raising"),
        pytest.param(FLOOD, date(2023, 9, 1), FLOOD, date(2023, 9, 1), id="closed early"),
        pytest.param(FLOOD, date(2026, 9, 1), FLOOD, date(2023, 10, 31), id="closed long after its window"),
        pytest.param(
            date(2023, 11, 2), date(2023, 11, 3), date(2023, 11, 2), date(2023, 11, 2), id="after it"
        ),
        pytest.param(None, None, None, None, id="a draft"),
    ],
)
def test_a_campaign_begins_when_it_is_launched_and_ends_with_its_window_or_before(
    launched_on: date | None, closed_on: date | None, began_on: date | None, ended_on: date | None
) -> None:
    found = calendar.campaign_facts(
        "emergency_appeal",
        launched_on=launched_on,
        window_end=date(2023, 10, 31),
        closed_on=closed_on,
    )
    assert (found.began_on, found.ended_on) == (began_on, ended_on)


def test_an_organisation_reports_each_year_by_the_31_of_may() -> None:
    found = calendar.of_organisation(date(2023, 6, 1), date(2024, 2, 1))
    assert [(each.period_from, each.period_to, each.due_on) for each in found] == [
        (date(2023, 1, 1), date(2023, 12, 31), date(2024, 5, 31)),
        (date(2024, 1, 1), date(2024, 12, 31), date(2025, 5, 31)),
    ]


@pytest.mark.parametrize(
    ("today", "published_on", "state", "late"),
    [
        (date(2023, 12, 31), None, DueState.RUNNING, -152),
        (date(2024, 1, 1), None, DueState.DUE, -151),
        (date(2024, 5, 31), None, DueState.DUE, 0),
        (date(2024, 6, 1), None, DueState.LATE, 1),
        (date(2024, 7, 1), date(2024, 5, 31), DueState.PUBLISHED, 0),
        (date(2024, 7, 1), date(2024, 6, 2), DueState.PUBLISHED_LATE, 2),
    ],
)
def test_where_an_obligation_stands(
    today: date, published_on: date | None, state: DueState, late: int
) -> None:
    year = calendar.of_year(2023)
    assert calendar.state_of(year, published_on=published_on, today=today) is state
    assert calendar.days_late(year, published_on=published_on, today=today) == late


DAYS = st.dates(date(2015, 1, 1), date(2026, 12, 31))


@given(
    kind=st.sampled_from(["emergency_appeal", "programme"]),
    began_on=DAYS,
    days=st.integers(0, 2000),
    ran=st.none() | st.integers(0, 2000),
    today=DAYS,
)
def test_reports_follow_each_other_without_a_gap_and_never_later_than_the_law_wants(
    kind: str, began_on: date, days: int, ran: int | None, today: date
) -> None:
    end = began_on + timedelta(days=days)
    ended_on = None if ran is None else min(end, began_on + timedelta(days=ran))
    found = calendar.of_campaign(facts(kind, began_on, end, ended_on), today)
    regular = [each for each in found if each.kind != "final"]
    for earlier, later in pairwise(regular):
        assert later.period_from == earlier.period_to + timedelta(days=1)
    longest = timedelta(days=5) if kind == "emergency_appeal" else timedelta(days=92)
    for each in regular:
        assert each.period_from <= each.period_to < each.due_on
        assert each.due_on - each.period_from <= longest
    for each in found:
        assert each.period_from <= today or ended_on is not None
        if each.kind == "final":
            assert each.due_on == calendar.add_months(each.period_to, 3)


@given(DAYS, st.integers(0, 40))
def test_months_later_is_the_same_day_or_the_last_of_its_month(day: date, months: int) -> None:
    later = calendar.add_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later + timedelta(days=1)).day == 1
