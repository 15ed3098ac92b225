"""Check codes: 15 random symbols and a check symbol, such as 7QK2-M9XD-0TRV-H4WC.

Crockford's base 32 (no I, L, O, U), so a code can be read out and typed: 75 random bits, which at the rate
that the check allows nobody can guess. The check symbol is a sum over GF(32), whose weights are the powers
of 2: it notices every single wrong symbol and every two that were exchanged, so a slip of the pen is told
from a forged paper.
"""

import secrets
from typing import Final

_SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES: Final = {symbol: value for value, symbol in enumerate(_SYMBOLS)} | {"O": 0, "I": 1, "L": 1}
_RANDOM_SYMBOLS: Final = 15
_FIELD: Final = 0b100101
"""x⁵ + x² + 1, primitive over GF(2)."""


class NotACode(ValueError):
    """A text that can't be a check code: its length, a symbol or its check symbol is wrong."""


def new_check_code() -> str:
    """A new code, in four groups of four."""
    values = [secrets.randbelow(32) for _ in range(_RANDOM_SYMBOLS)]
    return _written([*values, _check(values)])


def read_check_code(text: str) -> str:
    """The code that somebody typed, as `new_check_code` writes it. Hyphens, blanks and case don't count, and
    O, I and L are read as 0, 1 and 1. Raises NotACode.
    """
    values = [_VALUES.get(symbol) for symbol in text.upper() if symbol not in "- "]
    known = [value for value in values if value is not None]
    if len(values) != len(known) or len(known) != _RANDOM_SYMBOLS + 1 or _check(known[:-1]) != known[-1]:
        raise NotACode("not a check code: look for a slip of the pen")
    return _written(known)


def _check(values: list[int]) -> int:
    total = 0
    for value in values:
        total = _doubled(total ^ value)
    return total


def _doubled(value: int) -> int:
    """2 · value in GF(32)."""
    return value << 1 ^ (_FIELD if value & 0b10000 else 0)


def _written(values: list[int]) -> str:
    symbols = "".join(_SYMBOLS[value] for value in values)
    return "-".join(symbols[at : at + 4] for at in range(0, len(symbols), 4))
