"""The layouts of a screen. One page and one data path; a layout is a stylesheet over `screen.css`.

A page that names no layout takes the one that fits its window, by media queries. A page that names one gets
that one, at any size; but who opens the address of a wall on a telephone held upright gets the phone's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Layout = Literal["hall", "wide", "lower", "phone"]

_NOT_A_PHONE: Final = "(min-width: 761px)"
FITTING: Final[Mapping[Layout, str]] = MappingProxyType(
    {
        "hall": f"(min-aspect-ratio: 5/4) and (max-aspect-ratio: 5/2) and {_NOT_A_PHONE}",
        "wide": f"(min-aspect-ratio: 5/2) and {_NOT_A_PHONE}",
        "phone": "(max-aspect-ratio: 5/4), (max-width: 760px)",
    }
)
"""Which windows take which layout by themselves. A lower third is only ever asked for."""
LAYOUTS: Final[tuple[Layout, ...]] = ("hall", "wide", "lower", "phone")


_UPRIGHT_PHONE: Final = "(max-width: 760px) and (max-aspect-ratio: 1/1)"
WALLS: Final[frozenset[Layout]] = frozenset({"hall", "wide"})
"""Whose letters would be too small to read there."""


@dataclass(frozen=True, slots=True)
class Style:
    """A stylesheet that a page links, and the media it holds for."""

    file: str
    media: str


def styles_of(layout: Layout | None) -> list[Style]:
    """What the page of a layout links besides `screen.css`; None: by the window."""
    if layout in WALLS:
        return [
            Style(f"screen-{layout}.css", f"not all and {_UPRIGHT_PHONE}"),
            Style("screen-phone.css", _UPRIGHT_PHONE),
        ]
    if layout is not None:
        return [Style(f"screen-{layout}.css", "all")]
    return [Style(f"screen-{name}.css", media) for name, media in FITTING.items()]
