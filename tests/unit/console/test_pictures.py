"""Every page of the console and every layout of a screen is shown in docs, in each size looked at."""

from pathlib import Path
from typing import Final

from services.console.pages import existing

DOCS: Final = Path(__file__).parents[3] / "docs"
BYTES: Final = 4_000_000
"""All of them together: they are renewed now and then, and git keeps each."""


def test_each_page_is_shown_in_each_size() -> None:
    shown = {path.stem for path in (DOCS / "console").glob("*.webp")}
    wanted = {f"{page.name}{size}" for page in existing() for size in ("", "-390", "-1920", "-3840")}
    assert wanted <= shown, wanted - shown


def test_each_layout_is_shown_in_each_size() -> None:
    shown = {path.stem for path in (DOCS / "screens").glob("*.webp")}
    layouts = ("hall", "wide", "lower", "phone")
    wanted = {f"{layout}-{width}" for layout in layouts for width in (390, 1280, 1920, 3840)}
    assert wanted <= shown, wanted - shown


def test_the_pictures_are_small() -> None:
    pictures = [*(DOCS / "console").glob("*.webp"), *(DOCS / "screens").glob("*.webp")]
    assert sum(path.stat().st_size for path in pictures) < BYTES
