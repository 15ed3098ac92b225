"""Money is written and read without losing a fen."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.money import MAX_AMOUNT_FEN, NotAnAmount, format_cn, format_yuan, parse_cn

# Every amount of money in the year the software has to hold (2023 and its plan): text → fen.
THE_YEAR = {
    "7.53亿": 75_300_000_000,
    "6.35亿": 63_500_000_000,
    "1亿": 10_000_000_000,
    "1.41亿": 14_100_000_000,
    "1.21亿": 12_100_000_000,
    "1.32亿": 13_200_000_000,
    "5475万": 5_475_000_000,
    "2435万": 2_435_000_000,
    "3228.7万": 3_228_700_000,
    "549万": 549_000_000,
    "50万": 50_000_000,
    "617万": 617_000_000,
    "1080万": 1_080_000_000,
    "3104万": 3_104_000_000,
    "551.4万": 551_400_000,
    "167万": 167_000_000,
    "100万": 100_000_000,
    "600万": 600_000_000,
    "82.2万": 82_200_000,
    "400万": 400_000_000,
    "70万": 70_000_000,
    "41.29万": 41_290_000,
    "903万": 903_000_000,
    "766.6万": 766_600_000,
    "300万": 300_000_000,
    "200万": 200_000_000,
    "10万": 10_000_000,
}

amounts = st.integers(min_value=-100 * MAX_AMOUNT_FEN, max_value=100 * MAX_AMOUNT_FEN)


@pytest.mark.parametrize(("text", "amount_fen"), THE_YEAR.items())
def test_every_figure_of_the_year_reads_and_writes_exactly(text: str, amount_fen: int) -> None:
    assert parse_cn(text) == amount_fen
    assert format_cn(amount_fen) == text


@given(amounts)
@example(0)
@example(1)
@example(MAX_AMOUNT_FEN)
@example(999_999)
@example(9_999_999_999)
def test_what_is_written_in_words_is_read_as_the_same_fen(amount_fen: int) -> None:
    assert parse_cn(format_cn(amount_fen)) == amount_fen


@given(amounts)
def test_what_is_written_in_yuan_is_read_as_the_same_fen(amount_fen: int) -> None:
    assert parse_cn(format_yuan(amount_fen)) == amount_fen
    assert parse_cn(format_yuan(amount_fen) + "元") == amount_fen


@pytest.mark.parametrize(
    ("amount_fen", "words", "yuan"),
    [
        (0, "0", "0.00"),
        (5, "0.05", "0.05"),
        (-5, "-0.05", "-0.05"),
        (10, "0.1", "0.10"),
        (100, "1", "1.00"),
        (123_456, "1234.56", "1,234.56"),
        (999_999, "9999.99", "9,999.99"),
        (1_000_000, "1万", "10,000.00"),
        (1_000_001, "1.000001万", "10,000.01"),
        (9_999_999_999, "9999.999999万", "99,999,999.99"),
        (10_000_000_000, "1亿", "100,000,000.00"),
        (-14_100_000_001, "-1.4100000001亿", "-141,000,000.01"),
        (MAX_AMOUNT_FEN, "1000亿", "100,000,000,000.00"),
    ],
)
def test_the_largest_unit_reached_is_used_and_nothing_is_rounded(
    amount_fen: int, words: str, yuan: str
) -> None:
    assert format_cn(amount_fen) == words
    assert format_yuan(amount_fen) == yuan


@pytest.mark.parametrize(
    ("text", "amount_fen"),
    [
        (" 5475万 ", 5_475_000_000),
        ("5475万元", 5_475_000_000),
        ("1,234.56", 123_456),
        ("1,234.5元", 123_450),
        ("0.000001万", 1),
        ("1.0000000000亿", 10_000_000_000),
        ("0.010", 1),
        ("-0", 0),
        ("007", 700),
    ],
)
def test_the_usual_ways_to_write_an_amount_are_read(text: str, amount_fen: int) -> None:
    assert parse_cn(text) == amount_fen


@pytest.mark.parametrize(
    "text", ["0.001", "1.005", "1.0000001万", "1.00000000001亿", "0.009元", "-0.001", "1.999999999999"]
)
def test_an_amount_finer_than_a_fen_is_refused(text: str) -> None:
    with pytest.raises(NotAnAmount, match="finer than one fen"):
        parse_cn(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "万",
        "元",
        ".5",
        "1.",
        "1e5",
        "NaN",
        "inf",
        "+1",
        "--1",
        "1,23",
        "1,2345",
        ",123",
        "1 000",
        "1万亿",
        "1亿5000万",
        "¥100",
        "100元整",
        "0x10",
        "1_000",
        "1\x000",
        "9" * 19,
        "5" * 100_000,
        "１００",  # full-width digits: a person means them, but a channel's file with them is damaged
        "٣",
        "\ud800",
    ],
)
def test_what_is_not_an_amount_is_refused_by_name(text: str) -> None:
    with pytest.raises(NotAnAmount):
        parse_cn(text)


@given(st.text())
def test_any_text_gives_an_amount_or_the_named_error(text: str) -> None:
    try:
        amount_fen = parse_cn(text)
    except NotAnAmount:
        return
    assert parse_cn(format_cn(amount_fen)) == amount_fen
