"""Receipts' numbers, and the year they are of."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.receipts.numbering import Number, year_of


@given(
    st.from_regex(r"\A[A-Z][A-Z0-9]{1,11}\Z"),
    st.integers(2000, 2199),
    st.integers(1, 9_999_999),
)
def test_a_number_is_read_as_it_is_written(code: str, year: int, serial: int) -> None:
    number = Number(code, year, serial)
    assert Number.parse(str(number)) == number


def test_a_number_has_seven_digits() -> None:
    assert str(Number("SZCS", 2027, 123)) == "SZCS-2027-0000123"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SZCS-2027-123",
        "SZCS-2027-00000123",
        "szcs-2027-0000123",
        "S-2027-0000123",
        "SZCS-1999-0000123",
        "SZCS-2027-000012３",
        "SZCS-2027-0000123\n",
        "SZCS--2027-0000123",
    ],
)
def test_anything_else_is_no_number(text: str) -> None:
    assert Number.parse(text) is None


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (datetime(2026, 12, 31, 15, 59, 59, 999_999, tzinfo=UTC), 2026),
        (datetime(2026, 12, 31, 16, 0, tzinfo=UTC), 2027),
        (datetime(2027, 12, 31, 15, 59, 59, tzinfo=UTC), 2027),
    ],
)
def test_the_year_begins_at_midnight_in_shanghai(moment: datetime, year: int) -> None:
    assert year_of(moment) == year
