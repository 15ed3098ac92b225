"""The pace over the last minutes."""

from datetime import timedelta
from typing import Any

from services.reporting.pace import paces
from tests.services.reporting.builders import EVENING

MINUTE = EVENING.replace(second=0)


def arrived(minutes_ago: int, donations: int) -> dict[str, Any]:
    return {
        "minute": MINUTE - timedelta(minutes=minutes_ago),
        "donations": donations,
        "received_fen": donations * 100,
    }


def test_a_steady_evening_has_the_same_pace_in_every_window() -> None:
    now = MINUTE + timedelta(seconds=30)
    rows = [arrived(0, 30), *(arrived(ago, 60) for ago in range(1, 17))]
    assert [(pace.donations_per_minute, pace.fen_per_minute) for pace in paces(rows, now)] == [
        (60, 6_000)
    ] * 3


def test_what_has_just_arrived_shows_at_once() -> None:
    pace = paces([arrived(0, 20)], MINUTE + timedelta(seconds=1))
    assert [each.donations_per_minute for each in pace] == [20, 4, 1.33]


def test_what_is_older_than_the_window_does_not_count() -> None:
    assert paces([arrived(2, 60)], MINUTE)[0].donations_per_minute == 0


def test_no_arrivals_no_pace() -> None:
    assert [pace.donations_per_minute for pace in paces([], EVENING)] == [0, 0, 0]
