"""May a theme go on air? Pure."""

from typing import Final

from services.reporting.looks.contrast import NUMBER, TEXT, nearest, ratio, veil_over, worst_ratio
from services.reporting.looks.schemas import ThemeBody
from shared.refusals import Refused

WANTED: Final = {"text": TEXT, "accent": TEXT, "number": NUMBER}
PICTURE_MAY_BE: Final = ("#ffffff", "#000000")
"""Every colour lies between these two, channel by channel."""


class ContrastTooLow(Refused):
    """A colour that cannot be read on what lies behind it."""

    code = "contrast-too-low"
    title = "This cannot be read"
    status = 422


def require_readable(theme: ThemeBody) -> None:
    """Raise ContrastTooLow for the first colour that is not readable, with the nearest that is."""
    behind = (theme.ground, theme.glow)
    for field, wanted in WANTED.items():
        colour = getattr(theme, field)
        reached = worst_ratio(colour, behind)
        if reached >= wanted:
            continue
        offered = nearest(colour, behind, wanted)
        way_out = (
            f"The nearest that does is {offered}."
            if offered
            else "No colour does on both: bring ground and glow nearer to each other."
        )
        raise ContrastTooLow(
            f"{field} {colour} has {min(ratio(colour, each) for each in behind):.2f} : 1 with ground and glow"
            f" (or lies between them), it needs {wanted} : 1. {way_out}",
            fields=[field],
            nearest=offered,
            wanted=wanted,
        )


def veil_of(theme: ThemeBody) -> float:
    """How much of the ground lies over the theme's picture; 0 without one."""
    if theme.picture is None:
        return 0.0
    texts = [(getattr(theme, field), wanted) for field, wanted in WANTED.items()]
    return veil_over(PICTURE_MAY_BE, theme.ground, texts)
