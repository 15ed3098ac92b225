"""Small rules of the HTTP interface: ranges of minutes, ETags, static files."""

from datetime import timedelta
from pathlib import Path

import pytest

from services.reporting.api import bounded_range
from shared.problems import Problem
from shared.static_files import read_static
from shared.versions import matches
from tests.services.reporting.builders import EVENING

MINUTE = EVENING.replace(second=0)


def test_the_last_hour_is_given_unless_said_otherwise() -> None:
    first, last = bounded_range(None, None, EVENING)
    assert (last, last - first) == (MINUTE + timedelta(minutes=1), timedelta(hours=1))


def test_a_range_is_widened_to_whole_minutes() -> None:
    first, last = bounded_range(EVENING, EVENING + timedelta(seconds=50), EVENING)
    assert (first, last) == (MINUTE, MINUTE + timedelta(minutes=2))


@pytest.mark.parametrize(("start", "length"), [(EVENING, timedelta(0)), (EVENING, timedelta(days=2))])
def test_an_empty_or_too_long_range_is_refused_by_name(start: object, length: timedelta) -> None:
    with pytest.raises(Problem, match="from:") as refused:
        bounded_range(MINUTE, MINUTE + length, EVENING)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("", False),
        ("a", False),
    ],
)
def test_if_none_match(named: str, *, expected: bool) -> None:
    assert matches(named, '"a"') is expected


def test_only_files_below_the_folder_can_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "static" / "css").mkdir(parents=True)
    (tmp_path / "static" / "css" / "a.css").write_text("a{}")
    (tmp_path / "secret").write_text("no")
    files = read_static(tmp_path / "static")
    assert list(files) == ["css/a.css"]
    assert files["css/a.css"].media_type == "text/css"
