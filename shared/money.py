"""Money: whole fen of CNY, and the ways it is written.

1 yuan = 100 fen, 1 万 = 10^4 yuan, 1 亿 = 10^8 yuan. Nothing here rounds: a text that cannot show the
amount exactly is not offered, so that a screen never shows a number that is not the number.
"""

import re
from typing import Final

MAX_AMOUNT_FEN: Final = 10**13
"""The largest single amount accepted anywhere, in fen (1000 亿 yuan)."""

FEN_PER_YUAN: Final = 100
FEN_PER_WAN: Final = 10**4 * FEN_PER_YUAN
FEN_PER_YI: Final = 10**8 * FEN_PER_YUAN

_UNITS: Final = {"": FEN_PER_YUAN, "万": FEN_PER_WAN, "亿": FEN_PER_YI}
_TEXT: Final = re.compile(
    r"(?P<sign>-?)(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,18})(?:\.(?P<part>\d{1,12}))?(?P<unit>[万亿]?)元?",
    re.ASCII,  # \d alone would take any script's digits
)


class NotAnAmount(ValueError):
    """A text that is not an exact amount of fen."""


def format_yuan(amount_fen: int) -> str:
    """Write fen as yuan with both decimals and thousands separators: 123456 → "1,234.56"."""
    yuan, fen = divmod(abs(amount_fen), FEN_PER_YUAN)
    return f"{'-' if amount_fen < 0 else ''}{yuan:,}.{fen:02d}"


def format_cn(amount_fen: int) -> str:
    """Write fen in 亿, 万 or yuan without losing any: 14_100_000_000 → "1.41亿", 5 → "0.05".

    The largest unit that the amount reaches is used; `parse_cn` gives the same fen back.
    """
    size = abs(amount_fen)
    unit = "亿" if size >= FEN_PER_YI else "万" if size >= FEN_PER_WAN else ""
    per_unit = _UNITS[unit]
    whole, part = divmod(size, per_unit)
    decimals = f"{part:0{len(str(per_unit)) - 1}d}".rstrip("0")
    return f"{'-' if amount_fen < 0 else ''}{whole}{'.' if decimals else ''}{decimals}{unit}"


def parse_cn(text: str) -> int:
    """Read "5475万", "1.41亿", "1,234.56" or "1234.5元" as fen.

    Raises NotAnAmount when the text is not an amount, or not a whole number of fen.
    """
    match = _TEXT.fullmatch(text.strip())
    if match is None:
        raise NotAnAmount(f"not an amount of money: {text[:40]!r}")
    decimals = match["part"] or ""
    digits = int(match["whole"].replace(",", "") + decimals)
    amount_fen, remainder = divmod(digits * _UNITS[match["unit"]], int(10 ** len(decimals)))
    if remainder:
        raise NotAnAmount(f"finer than one fen: {text[:40]!r}")
    return -amount_fen if match["sign"] else amount_fen
