"""After wrong passwords one waits, longer each time, and not for ever."""

from datetime import UTC, datetime, timedelta

import pytest

from services.console.lockout import FORGOTTEN_AFTER, Kind, Tries, failed, wait_s

NOW = datetime(2026, 11, 26, 20, tzinfo=UTC)


def after(kind: Kind, number: int) -> Tries:
    """What is known after so many wrong tries in a row, each as soon as it is listened to."""
    known: Tries | None = None
    at = NOW
    for _ in range(number):
        at += timedelta(seconds=wait_s(known, at))
        known = failed(kind, known, at)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("kind", "number", "waits"),
    [
        ("account", 1, 0),
        ("account", 4, 0),
        ("account", 5, 15),
        ("account", 6, 30),
        ("account", 7, 60),
        ("account", 11, 900),
        ("account", 500, 900),
        ("address", 19, 0),
        ("address", 20, 15),
        ("address", 21, 30),
    ],
)
def test_the_wait_grows_and_has_an_end(kind: Kind, number: int, waits: int) -> None:
    known = after(kind, number)
    assert wait_s(known, known.last_at) == waits
    assert wait_s(known, known.last_at + timedelta(seconds=waits)) == 0


def test_an_hour_without_a_try_forgets_all() -> None:
    known = after("account", 9)
    assert failed("account", known, known.last_at + FORGOTTEN_AFTER).failures == 1


def test_nobody_known_waits_for_nothing() -> None:
    assert wait_s(None, NOW) == 0
