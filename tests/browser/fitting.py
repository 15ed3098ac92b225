"""What of a page does not fit: texts that are cut, and what reaches over the window's edge."""

from typing import Final

from playwright.async_api import Page

_MISFITS: Final = """() => {
    const texts = 'button, a, h1, h2, h3, dt, dd, p, label, li, span, b, input, select, th, td';
    // Some tables are wider than their frame, which scrolls; the ways of a telephone lie in one line.
    const scrolls = (node) => node !== null && getComputedStyle(node).overflowX === 'auto';
    const apart = (node) => node.closest('.ways, pre, .skip') !== null || scrolls(node.closest('.scroll'));
    const seen = (node) => node.checkVisibility() && !apart(node);
    const over = (node) => node.getBoundingClientRect().right > innerWidth + 1;
    const hides = (node) => getComputedStyle(node).overflowX !== 'visible';
    const cut = (node) => hides(node) && node.scrollWidth > node.clientWidth + 1;
    const all = [...document.querySelectorAll(texts)];
    const found = all.filter((node) => seen(node) && (over(node) || cut(node)));
    const tell = (node) => `${node.tagName} ${node.className}: ${node.textContent.trim().slice(0, 60)}`;
    const told = found.map(tell);
    return document.documentElement.scrollWidth > innerWidth ? ['the page scrolls sideways', ...told] : told;
}"""


async def misfits(page: Page) -> list[str]:
    """Each of them by its tag, classes and text."""
    found: list[str] = await page.evaluate(_MISFITS)
    return found
