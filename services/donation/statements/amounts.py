"""Amounts as people and programs write them into tables: exact, in fen."""

import re
import unicodedata
from decimal import Decimal
from typing import Final, Literal

_AMOUNT: Final = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)(\.\d+)?", re.ASCII)
_MARKS: Final = re.compile(r"[¥元\s]|CNY|RMB")
MAX_CHARACTERS: Final = 40


def read_fen(text: str, unit: Literal["yuan", "fen"] = "yuan") -> int:
    """The amount in fen; thousands may be parted with commas. Raises ValueError with what is wrong."""
    plain = _MARKS.sub("", unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]))
    if len(text) > MAX_CHARACTERS or not _AMOUNT.fullmatch(plain):
        raise ValueError("is not an amount" if text else "is empty")
    fen = Decimal(plain.replace(",", "")) * (100 if unit == "yuan" else 1)
    if fen != fen.to_integral_value():
        raise ValueError("has parts of a fen")
    return int(fen)
