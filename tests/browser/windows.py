"""Windows that stay open from test to test."""

from contextlib import suppress
from typing import Final, Literal

from playwright.async_api import BrowserContext, Error, Page, ViewportSize

Colours = Literal["light", "dark"]
CORNER: Final = (0, 0)
LATER: Final = "ms => { const now = Date.now; Date.now = () => now() + ms; }"


async def turn_to(page: Page) -> None:
    """Somebody comes back to this window. A page of the console looks at once then; while it is in sight it
    looks every five seconds, which tests wait for where that is what they show.
    """
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


async def later(page: Page, seconds: int) -> None:
    """So many seconds go by on this page's clock at once; its timers go on as they were."""
    await page.evaluate(LATER, seconds * 1_000)


class Windows:
    """The windows of one browser: who needs one gets one that was left, on an empty page.

    A new window is a tab and two processes that have nothing compiled and no letter drawn yet, which is more
    than half of what it costs to look at a page (0.55 of a core's seconds, 0.25 in a window that is there;
    Chromium 156).
    """

    def __init__(self, browser: BrowserContext, rest: str) -> None:
        """`rest` is the address of an empty page on the server whose pages are looked at: for one of another
        server Chromium would start another process.
        """
        self.browser = browser
        self._rest = rest
        self._left: list[Page] = []

    async def open(self, size: ViewportSize, colours: Colours = "light") -> Page:
        """A window of this size (in pixels) whose machine has these colours."""
        page = self._left.pop() if self._left else await self.browser.new_page()
        await page.set_viewport_size(size)
        await page.emulate_media(color_scheme=colours)
        return page

    async def leave(self, page: Page) -> None:
        """Nothing of the test is in it any more. One that can't be emptied is closed."""
        if page.is_closed():
            return
        await page.unroute_all(behavior="ignoreErrors")
        with suppress(Error):
            await page.goto(self._rest)
            await page.mouse.move(*CORNER)
            self._left.append(page)
            return
        await page.close()
