"""The typeface of what is printed: Noto Sans SC (SIL Open Font License), with the letters of one document.

The package has it as one variable TrueType font of 17 MB. A TrueType subset is embedded the way every reader
takes (CIDFontType2, Identity-H); OpenType fonts with CFF outlines are shown wrongly by some.
"""

import copy
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

# HVAR only repeats gvar's widths; the others are of layouts that nothing here is set in.
_UNUSED: Final = ("GSUB", "GPOS", "BASE", "HVAR", "vhea", "vmtx")
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
    with resources.as_file(_FONT) as path, TTFont(path, lazy=True, recalcTimestamp=False) as font:
        # Or the letters' names are looked for in the whole of cmap (30,000, a third of the time).
        font.setGlyphOrder([f"glyph{number:05}" for number in range(font["maxp"].numGlyphs)])
        for table in _UNUSED:  # before the subsetter reads what it would drop
            del font[table]
        subsetter = Subsetter(options)
        subsetter.populate(text=text)
        subsetter.subset(font)
        *others, last = weights
        return [*(_static(copy.deepcopy(font), weight) for weight in others), _static(font, last)]


def _static(font: TTFont, weight: int) -> bytes:
    """What is left of a font that can be any weight."""
    made = io.BytesIO()
    instantiateVariableFont(font, {"wght": weight}, inplace=True).save(made)
    return made.getvalue()
