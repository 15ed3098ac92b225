"""Can it be read? Contrast as WCAG 2.2 (1.4.3, relative luminance) has it, and the nearest colour that can.

A colour is `#rrggbb` (sRGB).
"""

from collections.abc import Sequence
from typing import Final

TEXT: Final = 4.5
"""AA of every text; on a wall all texts are read from afar."""
NUMBER: Final = 7.0
"""AAA of the number: it is read from 30 m."""
STEPS: Final = 200
WHITE: Final = "#ffffff"
BLACK: Final = "#000000"

Channels = tuple[float, float, float]


def channels_of(colour: str) -> Channels:
    """Red, green and blue, 0 … 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mixed(colour: str, with_: str, share: float) -> str:
    """`colour` with `share` (0 … 1) of the other over it, as a browser lays one over the other."""
    pairs = zip(channels_of(colour), channels_of(with_), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def luminance(colour: str) -> float:
    """Relative luminance, 0 (black) … 1 (white)."""
    red, green, blue = (_linear(channel / 255) for channel in channels_of(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return float(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)


def ratio(one: str, other: str) -> float:
    """The contrast of two colours, 1 … 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def worst_ratio(colour: str, behind: Sequence[str]) -> float:
    """The contrast with the worst of what lies behind it, and with every blend of it: 1 where the colour lies
    between two of them, for a blend will then hide it.
    """
    own, others = luminance(colour), [luminance(each) for each in behind]
    if min(others) < own < max(others):
        return 1.0
    return min(ratio(colour, each) for each in behind)


def nearest(colour: str, behind: Sequence[str], wanted: float) -> str | None:
    """The colour nearest to `colour`, towards white or black, that reaches the contrast; None: none does."""
    for step in range(STEPS + 1):
        found = [mixed(colour, end, step / STEPS) for end in (WHITE, BLACK)]
        reaching = [each for each in found if worst_ratio(each, behind) >= wanted]
        if reaching:
            return max(reaching, key=lambda each: worst_ratio(each, behind))
    return None


def veil_over(picture_colours: Sequence[str], ground: str, texts: Sequence[tuple[str, float]]) -> float:
    """How much of `ground` (0 … 1) has to lie over a picture so that each text, on whichever of the picture's
    colours, keeps the contrast it wants. 1: the picture is not seen.
    """
    for step in range(STEPS + 1):
        behind = [mixed(colour, ground, step / STEPS) for colour in picture_colours]
        if all(worst_ratio(text, behind) >= wanted for text, wanted in texts):
            return step / STEPS
    return 1.0
