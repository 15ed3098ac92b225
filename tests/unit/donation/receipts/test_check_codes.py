"""Check codes: random, typed by people."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.donation.receipts.check_codes import NotACode, new_check_code, read_check_code

SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
codes = st.builds(new_check_code)


def test_a_code_is_four_groups_that_can_be_read_out() -> None:
    code = new_check_code()
    assert re.fullmatch(rf"[{SYMBOLS}]{{4}}(-[{SYMBOLS}]{{4}}){{3}}", code)
    assert len({new_check_code() for _ in range(1_000)}) == 1_000


def test_every_symbol_of_the_alphabet_is_used_in_every_random_place() -> None:
    plain = [new_check_code().replace("-", "") for _ in range(2_000)]
    assert all({code[place] for code in plain} == set(SYMBOLS) for place in range(16))


@given(codes)
def test_how_it_is_typed_does_not_count(code: str) -> None:
    assert read_check_code(code) == code
    assert read_check_code(code.lower().replace("-", " ")) == code
    assert read_check_code(code.replace("-", "").replace("0", "o").replace("1", "l")) == code
    assert read_check_code(f" {code.replace('1', 'i')} ") == code


@given(codes, st.integers(0, 15), st.sampled_from(SYMBOLS))
def test_every_single_slip_is_noticed(code: str, place: int, symbol: str) -> None:
    plain = code.replace("-", "")
    slipped = plain[:place] + symbol + plain[place + 1 :]
    if slipped != plain:
        with pytest.raises(NotACode):
            read_check_code(slipped)


@given(codes, st.integers(0, 15), st.integers(0, 15))
def test_every_exchange_of_two_symbols_is_noticed(code: str, one: int, other: int) -> None:
    exchanged = list(code.replace("-", ""))
    exchanged[one], exchanged[other] = exchanged[other], exchanged[one]
    if "".join(exchanged) != code.replace("-", ""):
        with pytest.raises(NotACode):
            read_check_code("".join(exchanged))


@given(st.text(max_size=40))
def test_any_text_is_a_code_or_not(text: str) -> None:
    with contextlib.suppress(NotACode):
        assert read_check_code(read_check_code(text)) == read_check_code(text)


@pytest.mark.parametrize("text", ["", "-", "0000-0000-0000-000", "0000-0000-0000-00000", "U" * 16, "０" * 16])
def test_what_has_another_shape_is_no_code(text: str) -> None:
    with pytest.raises(NotACode):
        read_check_code(text)
