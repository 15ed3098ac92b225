"""The typeface of what is printed: Noto Sans SC (SIL Open Font License), with the letters of one document.

The package has it as one variable TrueType font of 17 MB. A TrueType subset is embedded the way every reader
takes (CIDFontType2, Identity-H); OpenType fonts with CFF outlines are shown wrongly by some.
"""

import io
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

MISSING: Final = "〓"
"""Stands for a letter that the font doesn't have, as printers used to set it (U+3013)."""

_FONT: Final = resources.files("justmytype_intl_cjk") / "fonts/ofl/notosanssc/NotoSansSC[wght].ttf"


@cache
def _letters() -> frozenset[int]:
    """The code points the font has."""
    with resources.as_file(_FONT) as path, TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap())


def showable(text: str) -> str:
    """The text with MISSING for each letter that the font doesn't have."""
    known = _letters()
    return "".join(letter if ord(letter) in known else MISSING for letter in text)


def subsets(text: str, weights: Sequence[int]) -> list[bytes]:
    """Static TrueType fonts with the letters of `text`, of weights of 100 … 900 (400: regular, 700: bold)."""
    options = Options(layout_features=[], hinting=False, notdef_outline=True)
    # HVAR only repeats gvar's widths.
    options.drop_tables += ["GSUB", "GPOS", "BASE", "HVAR", "VVAR", "vhea", "vmtx", "VORG"]
    with resources.as_file(_FONT) as path, TTFont(path, lazy=True, recalcTimestamp=False) as font:
        subsetter = Subsetter(options)
        subsetter.populate(text=text)
        subsetter.subset(font)
        return [_static(font, weight) for weight in weights]


def _static(font: TTFont, weight: int) -> bytes:
    made = io.BytesIO()
    instantiateVariableFont(font, {"wght": weight}).save(made)
    return made.getvalue()
