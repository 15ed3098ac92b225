"""Themes and layouts: what may go on air, and what becomes of it. Contrast against WCAG's own examples."""

import io
import re
from typing import Any

import pytest
from PIL import Image

from services.reporting.looks.codes import code_svg
from services.reporting.looks.contrast import NUMBER, TEXT, mixed, nearest, ratio, worst_ratio
from services.reporting.looks.layouts import LAYOUTS, styles_of
from services.reporting.looks.pictures import PictureUnusable, read_picture
from services.reporting.looks.rules import PICTURE_MAY_BE, ContrastTooLow, require_readable, veil_of
from services.reporting.looks.schemas import ThemeBody
from services.reporting.looks.style import style_of
from services.reporting.pages import PAGES
from shared.static_files import SHARED, read_static

OCEAN = ThemeBody(ground="#04213a", glow="#0b4a78", text="#f2f9ff", accent="#8fd3ff", number="#ffffff")
PAPER = ThemeBody(ground="#fff8ec", glow="#ffffff", text="#2b1a10", accent="#8a1018", number="#5a0a10")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#ffffff", "#000000", 21.0),
        ("#777777", "#ffffff", 4.48),  # the well-known grey that just fails
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
        ("#1a1a1a", "#1a1a1a", 1.0),
    ],
)
def test_contrast_is_what_wcag_says(one: str, other: str, expected: float) -> None:
    assert ratio(one, other) == ratio(other, one) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("theme", [ThemeBody(), OCEAN, PAPER], ids=["house", "ocean", "paper"])
def test_a_theme_that_can_be_read_is_let_on_air(theme: ThemeBody) -> None:
    require_readable(theme)


@pytest.mark.parametrize(
    ("changes", "field", "wanted"),
    [
        ({"text": "#6e0a13"}, "text", TEXT),
        ({"accent": "#a04040"}, "accent", TEXT),
        ({"number": "#e09090"}, "number", NUMBER),
        ({"ground": "#000000", "glow": "#fafafa", "text": "#777777"}, "text", TEXT),
    ],
    ids=["text", "accent", "number", "between"],
)
def test_a_bad_pair_is_refused_with_the_nearest_good_one(
    changes: dict[str, Any], field: str, wanted: float
) -> None:
    theme = ThemeBody(**changes)
    with pytest.raises(ContrastTooLow) as refused:
        require_readable(theme)
    assert refused.value.fields == (field,)
    offered = refused.value.facts["nearest"]
    if offered is None:
        assert nearest(getattr(theme, field), (theme.ground, theme.glow), wanted) is None
        return
    assert isinstance(offered, str)
    assert worst_ratio(offered, (theme.ground, theme.glow)) >= wanted
    require_readable(theme.model_copy(update={field: offered}))


@pytest.mark.parametrize("theme", [ThemeBody(), OCEAN, PAPER], ids=["house", "ocean", "paper"])
def test_under_its_veil_no_picture_can_hide_a_text(theme: ThemeBody) -> None:
    with_picture = theme.model_copy(update={"picture": "0" * 64})
    veil = veil_of(with_picture)
    assert 0 < veil < 1
    for pixel in (*PICTURE_MAY_BE, "#ff0000", "#00ff00", "#0000ff", "#808080"):
        seen = mixed(pixel, theme.ground, veil)
        assert ratio(theme.number, seen) >= NUMBER - 0.05  # a browser rounds each channel once
        for colour in (theme.text, theme.accent):
            assert ratio(colour, seen) >= TEXT - 0.05
    assert veil_of(theme) == 0


def test_a_style_names_every_colour_and_nothing_that_was_sent_as_text() -> None:
    style = style_of(OCEAN.model_copy(update={"picture": "a" * 64}), picture="/pictures/a")
    for colour in ("#04213a", "#0b4a78", "#f2f9ff", "#8fd3ff", "#ffffff"):
        assert colour in style
    assert 'url("/pictures/a")' in style
    assert "<" not in style


def _picture(kind: str, size: tuple[int, int] = (64, 36), **options: Any) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, (90, 20, 30)).save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_what_its_bytes_say(kind: str) -> None:
    picture = read_picture(_picture(kind))
    assert picture.told.media_type == f"image/{kind.lower()}"
    assert (picture.told.width, picture.told.height) == (64, 36)


def _moving() -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = io.BytesIO()
    frames[0].save(content, "WEBP", save_all=True, append_images=frames[1:], duration=80)
    return content.getvalue()


def _with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x013B] = "somebody"
    return _picture("JPEG", exif=exif)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        _picture("GIF"),
        _picture("PNG")[:60],
        _picture("PNG", (3841, 10)),
        _moving(),
        _with_exif(),
    ],
    ids=["empty", "svg", "gif", "cut", "too-wide", "moving", "exif"],
)
def test_what_no_screen_can_have_is_refused(content: bytes) -> None:
    with pytest.raises(PictureUnusable):
        read_picture(content)


def test_a_page_links_the_layout_it_names_and_else_those_that_fit_windows() -> None:
    assert [(style.file, style.media) for style in styles_of("lower")] == [("screen-lower.css", "all")]
    wall, phone = styles_of("wide")
    assert (wall.file, phone.file) == ("screen-wide.css", "screen-phone.css")
    assert wall.media == f"not all and {phone.media}"
    fitting = styles_of(None)
    assert {style.file for style in fitting} == {"screen-hall.css", "screen-wide.css", "screen-phone.css"}
    assert all("aspect-ratio" in style.media for style in fitting)
    assert len(LAYOUTS) == 4


def test_a_screen_asks_for_all_of_its_modules_at_once() -> None:
    """Each that is found only in another costs a way to the server more."""
    files = read_static(SHARED, PAGES / "static")
    asked: set[str] = set()
    waiting = ["screen.js"]
    while waiting:
        for name in re.findall(r'from "\./([a-z-]+\.js)"', files[waiting.pop()].content.decode()):
            waiting += [name] if name not in asked else []
            asked.add(name)
    template = (PAGES / "templates" / "screen.html").read_text("utf-8")
    listed = re.search(r"for module in \((.*?)\)", template)
    assert listed is not None
    assert {f"{name}.js" for name in re.findall(r'"([a-z-]+)"', listed[1])} == asked


def test_a_code_is_black_on_white_with_its_quiet_zone() -> None:
    svg = code_svg("https://example.org/screens/gala?layout=phone").decode()
    assert svg.startswith("<svg")
    assert 'fill="#fff"' in svg
    assert "<script" not in svg
