"""A theme as a stylesheet. Every value in it was checked by its schema or computed here."""

from typing import Final

from services.reporting.looks.contrast import (
    BLACK,
    TEXT,
    WHITE,
    channels_of,
    luminance,
    mixed,
    nearest,
    ratio,
    worst_ratio,
)
from services.reporting.looks.rules import veil_of
from services.reporting.looks.schemas import ThemeBody

FONTS: Final = {
    "song": "var(--serif)",
    "hei": "var(--sans)",
    "kai": '"LXGW WenKai", "Kaiti SC", STKaiti, KaiTi, var(--serif)',
}
WEIGHTS: Final = {"normal": 400, "bold": 700, "black": 900}
SPACING: Final = {"tight": "0.01em", "normal": "0.06em", "wide": "0.14em"}
QUIET: Final = 0.82
LIVE: Final = "#8fe3a5"
CONFIRMING: Final = "#ffc65c"


def style_of(theme: ThemeBody, *, picture: str) -> str:
    """The stylesheet; `picture` is the address of the theme's picture."""
    behind = (theme.ground, theme.glow)
    away = BLACK if luminance(theme.text) > luminance(theme.ground) else WHITE
    quiet = mixed(theme.ground, theme.text, QUIET)
    if theme.picture or worst_ratio(quiet, behind) < TEXT:
        quiet = theme.text
    values = {
        "ground": theme.ground,
        "ground-high": theme.glow,
        "gold": theme.accent,
        "gold-light": theme.number,
        "gold-deep": mixed(theme.accent, theme.ground, 0.3),
        "paper": theme.text,
        "quiet": quiet,
        "line": _faded(theme.accent, 0.32),
        "hair": _faded(theme.accent, 0.16),
        "ink": max((theme.ground, BLACK, WHITE), key=lambda ink: _on_both(ink, theme)),
        "live": nearest(LIVE, behind, TEXT) or theme.text,
        "confirming": nearest(CONFIRMING, behind, TEXT) or theme.text,
        "panel": _faded(mixed(theme.ground, away, 0.3), 0.55),
        "panel-high": _faded(theme.glow, 0.6),
        "well": _faded(mixed(theme.ground, away, 0.5), 0.62),
        "strip": _faded(theme.ground, 0.96),
        "shade": _faded(away, 0.5),
        "edge": mixed(theme.number, theme.ground, 0.4),
        "halo": "transparent",
        "glow-near": _faded(theme.glow, 0.95),
        "glow-far": _faded(theme.glow, 0.5),
        "sky": theme.ground,
        "deep": theme.ground,
        "fill": theme.accent,
        "title-font": FONTS[theme.title_font],
        "title-weight": str(WEIGHTS[theme.title_weight]),
        "title-spacing": SPACING[theme.title_spacing],
    }
    lines = "\n".join(f"  --{name}: {value};" for name, value in values.items())
    # The lattice and the ribbon of the house are drawn for its own colours.
    plain = "body::before, body::after { display: none; }\n"
    return f":root {{\n{lines}\n}}\n{plain}{_picture(theme, picture)}"


def _picture(theme: ThemeBody, address: str) -> str:
    if theme.picture is None:
        return ""
    veil = _faded(theme.ground, veil_of(theme))
    return (
        f'body:not([data-layout="lower"]) {{ background: linear-gradient({veil}, {veil}),'
        f' url("{address}") center / cover no-repeat fixed, {theme.ground}; }}\n'
    )


def _on_both(ink: str, theme: ThemeBody) -> float:
    return min(ratio(ink, theme.accent), ratio(ink, theme.number))


def _faded(colour: str, opacity: float) -> str:
    red, green, blue = channels_of(colour)
    return f"rgba({red:.0f}, {green:.0f}, {blue:.0f}, {opacity:g})"
