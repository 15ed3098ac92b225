"""Can everybody read a page? axe on it, and contrast measured on the picture itself.

axe leaves text on gradients and pictures undecided; the measurement takes, behind each text, the pixel
that is hardest on it.
"""

from typing import Any, Final, Literal

from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page

AXE: Final = """async () => {
    const serious = ['serious', 'critical'];
    const {violations} = await axe.run({resultTypes: ['violations']});
    return violations.filter(({impact}) => serious.includes(impact)).map(({id, nodes}) =>
        `${id}: ${nodes.map(({target, html}) => `${target} ${html}`).join(', ')}`);
}"""

# The same few colours stand behind each text of a page, and axe would read each of them each time.
COLOURS_ONCE: Final = """() => {
    const {parseString} = axe.commons.color.Color.prototype;
    const read = new Map();
    axe.commons.color.Color.prototype.parseString = function (text) {
        if (!read.has(text)) {
            const {r, g, b, alpha} = parseString.call(this, text);
            read.set(text, {r, g, b, alpha});
        }
        return Object.assign(this, read.get(text));
    };
}"""

HALL, PHONE = (1920, 1080), (390, 844)
LOOKS: Final = {"desk": (1280, 800), "telephone": PHONE}
AA = 4.5
AA_LARGE = 3.0
NUMBER = 7.0  # AAA: it is read from 30 m

TEXTS = """() => {
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const style = getComputedStyle(node.parentElement);
        if (!node.textContent.trim() || style.visibility === 'hidden') continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const box = range.getBoundingClientRect();
        if (box.width < 2 || box.right > innerWidth || box.bottom > innerHeight || box.top < 0) continue;
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        texts.push({text: node.textContent.trim().slice(0, 30), box: box.toJSON(), color: style.color, large,
                    number: node.parentElement.closest('#number') !== null});
    }
    return texts;
}"""

# A constructed sheet: the pages' policy rightly refuses the style element that Playwright would add.
HIDE_TEXT = """() => {
    const sheet = new CSSStyleSheet();
    const hidden = 'color: transparent !important; text-shadow: none !important; animation: none !important;';
    sheet.replaceSync(`*, *::before, *::after { ${hidden} }`);
    document.adoptedStyleSheets = [sheet];
}"""
SHOW_TEXT = "() => { document.adoptedStyleSheets = []; }"

CONTRASTS = """async ({png, texts}) => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + png;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    const linear = Float64Array.from({length: 256}, (_, v) =>
        (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const luminance = (r, g, b) => 0.2126 * linear[r] + 0.7152 * linear[g] + 0.0722 * linear[b];
    return texts.map(({text, box, color, large, number}) => {
        const own = luminance(...color.match(/[\\d.]+/g).slice(0, 3).map(Number));
        // A typeface's box is higher than its digits: what lies above them is not behind them.
        const [above, below] = number ? [0.28, 0.15] : [0, 0];
        const [top, high] = [box.y + box.height * above, box.height * (1 - above - below)];
        const area = [box.x, top, Math.max(1, box.width), Math.max(1, high)].map(Math.round);
        const pixels = context.getImageData(...area).data;
        let worst = 21;
        for (let i = 0; i < pixels.length; i += 4) {
            const behind = luminance(pixels[i], pixels[i + 1], pixels[i + 2]);
            worst = Math.min(worst, (Math.max(own, behind) + 0.05) / (Math.min(own, behind) + 0.05));
        }
        return {text, large, number, contrast: worst};
    });
}"""


async def violations(page: Page) -> list[str]:
    """What axe finds serious or critical on a page as it stands: the rule, and where it is broken."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
        await page.evaluate(COLOURS_ONCE)
    found: list[str] = await page.evaluate(AXE)
    return found


async def for_everybody(page: Page, *, dark: Literal["desk", "telephone"] = "telephone") -> None:
    """Nothing on a page shuts anybody out or sticks out, on a desk and on a telephone, one of them dark. What
    is there does not depend on the width that it was loaded at: only the styles know it.
    """
    for name, (width, height) in LOOKS.items():
        await page.set_viewport_size({"width": width, "height": height})
        await page.emulate_media(color_scheme="dark" if name == dark else "light")
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert await violations(page) == [], name


async def too_faint(page: Page, modules: Page) -> list[dict[str, Any]]:
    """Texts whose contrast at the worst pixel behind them is below what WCAG 2.2 asks."""
    texts = await page.evaluate(TEXTS)
    assert len(texts) > 5
    await page.evaluate(HIDE_TEXT)
    hidden = await _picture(page)
    await page.evaluate(SHOW_TEXT)
    found = await modules.evaluate(CONTRASTS, {"png": hidden, "texts": texts})
    return [entry for entry in found if entry["contrast"] < _wanted(entry)]


async def _picture(page: Page) -> str:
    """What is to be seen of a page now, pixel by pixel: a PNG in base64. Nobody keeps it, so it is packed
    quickly: the screenshot of a hall's wall took a third of a second, and most of that to make it small.
    """
    session = await page.context.new_cdp_session(page)
    answer = await session.send("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": True})
    await session.detach()
    return str(answer["data"])


def _wanted(entry: dict[str, Any]) -> float:
    if entry["number"]:
        return NUMBER
    return AA_LARGE if entry["large"] else AA


async def cut_cells(page: Page) -> int:
    """How many cells of tables reach over the page's edge, or are too small for what is in them."""
    found: int = await page.locator("td").evaluate_all(
        "cells => cells.filter(cell => cell.getBoundingClientRect().right > innerWidth"
        " || cell.scrollWidth > cell.clientWidth).length"
    )
    return found


async def check(page: Page, modules: Page) -> None:
    for width, height in (HALL, PHONE):
        await page.set_viewport_size({"width": width, "height": height})
        assert await violations(page) == []
        faint = await too_faint(page, modules)
        assert not faint, "\n".join(map(str, faint))
