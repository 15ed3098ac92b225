"""Amounts in capital numerals, against the examples of the central bank and read back by another reader."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.receipts.capitals import in_capitals
from shared.money import MAX_AMOUNT_FEN

_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = {"仟": 1_000, "佰": 100, "拾": 10}


def read(text: str) -> int:
    """Read capital numerals as fen, whatever 零 stand in them."""
    assert text.startswith("人民币")
    match = re.fullmatch(r"(?:(.+)元)?(整|(?:零?(.)角)?(?:零?(.)分)?)", text.removeprefix("人民币"))
    assert match, text
    whole, _, jiao, fen = match.groups()
    total = 0
    if whole:
        parts = re.fullmatch(r"(?:([^亿]+)亿)?(?:([^万]+)万)?([^万亿]*)", whole)
        assert parts, text
        for part in parts.groups():
            total = total * 10_000 + _read_group(part or "")
    return total * 100 + sum(_DIGITS.index(digit) * size for digit, size in ((jiao, 10), (fen, 1)) if digit)


def _read_group(text: str) -> int:
    value = 0
    for digit, place in re.findall(r"([壹贰叁肆伍陆柒捌玖])([仟佰拾]?)", text):
        value += _DIGITS.index(digit) * _PLACES.get(place, 1)
    return value


@pytest.mark.parametrize(
    ("amount_fen", "text"),
    [
        # the examples of the rules, annex 1 of 支付结算办法
        (140_950, "人民币壹仟肆佰零玖元伍角"),
        (600_714, "人民币陆仟零柒元壹角肆分"),
        (168_032, "人民币壹仟陆佰捌拾元零叁角贰分"),
        (10_700_053, "人民币壹拾万柒仟元零伍角叁分"),
        (1_640_902, "人民币壹万陆仟肆佰零玖元零贰分"),
        (32_504, "人民币叁佰贰拾伍元零肆分"),
        # the ends, and a zero at each joint
        (1, "人民币壹分"),
        (10, "人民币壹角"),
        (11, "人民币壹角壹分"),
        (100, "人民币壹元整"),
        (1_000, "人民币壹拾元整"),
        (1_001, "人民币壹拾元零壹分"),
        (10_000_000, "人民币壹拾万元整"),
        (10_000_100, "人民币壹拾万零壹元整"),
        (1_001_000, "人民币壹万零壹拾元整"),
        (100_010_000, "人民币壹佰万零壹佰元整"),
        (10_000_000_000, "人民币壹亿元整"),
        (10_000_000_100, "人民币壹亿零壹元整"),
        (10_000_500_000, "人民币壹亿零伍仟元整"),
        (10_001_000_000, "人民币壹亿零壹万元整"),
        (105_000_000_000, "人民币壹拾亿伍仟万元整"),
        (14_100_000_000, "人民币壹亿肆仟壹佰万元整"),
        (987_654_321_098, "人民币玖拾捌亿柒仟陆佰伍拾肆万叁仟贰佰壹拾元零玖角捌分"),
        (MAX_AMOUNT_FEN, "人民币壹仟亿元整"),
    ],
)
def test_an_amount_is_written_as_the_rules_have_it(amount_fen: int, text: str) -> None:
    assert in_capitals(amount_fen) == text


amounts = st.one_of(
    st.integers(1, MAX_AMOUNT_FEN),
    # many zeros: a few digits in a field of zeros
    st.lists(st.sampled_from("0000000123456789"), min_size=1, max_size=13)
    .map(lambda digits: int("".join(digits)))
    .filter(bool),
)


@given(amounts)
def test_every_amount_is_read_back(amount_fen: int) -> None:
    assert read(in_capitals(amount_fen)) == amount_fen


@given(amounts)
def test_no_zero_stands_twice_first_or_last(amount_fen: int) -> None:
    text = in_capitals(amount_fen).removeprefix("人民币")
    assert "零零" not in text
    assert not text.startswith("零")
    assert not re.search(r"零[元万亿整角分]", text)
    assert text.endswith("整") == (amount_fen % 100 == 0)
    assert ("分" in text) == (amount_fen % 10 != 0)


@pytest.mark.parametrize("amount_fen", [0, -1, MAX_AMOUNT_FEN + 1])
def test_what_is_no_amount_is_not_written(amount_fen: int) -> None:
    with pytest.raises(AssertionError):
        in_capitals(amount_fen)
