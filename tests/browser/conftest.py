"""Chromium for the tests of this folder: Debian's (or whoever's) own, driven by Playwright's library.

What many tests share lives as long as this folder's are run: the services behind the console take a tenth of
a core when nobody asks them for anything, and the tests after these are short of it.
"""

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Route,
    ViewportSize,
    async_playwright,
    expect,
)

import services.console
import services.reporting
import shared
from deploy.local.processes import Keeper
from deploy.topics import apply_topics
from shared.broker import KafkaSettings
from tests.browser.consoles import Console
from tests.browser.consoles import start as start_console
from tests.browser.evening import Evening, Wire, operators_file
from tests.browser.evening import evening as start_evening
from tests.browser.windows import Windows
from tests.databases import Databases

PAGES: Final = [
    Path(each.__file__ or "").parent / "pages" for each in (services.reporting, services.console, shared)
]
CHROMIUM_NAMES: Final = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
"""The first is the same without a window of its own. With one, tabs and buttons are laid out and painted for
nobody: half of what the browser's own process does, a third of what is drawn (Chromium 156).
"""
OMNIBOX: Final = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup", "WebUIOmniboxFullPopup")
"""What a window's address bar suggests is two pages more, each in a process of its own, for every page that a
test opens: two thirds of the processor's time (Chromium 156).
"""
IN_RESERVE: Final = "SpareRendererForSitePerProcess"
"""A process for the page that somebody may open next: a sixth of what it costs to open one (Chromium 156)."""
PLAYWRIGHTS: Final = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
)
"""What Playwright has Chromium leave out (its chromiumSwitches.ts): of two lists the last one holds."""
# Nothing but the page under test: no updates, no synchronisation, no calls home; root in a container has no
# sandbox; HTTP/3 would hide the cut of a connection that the tests make.
CHROMIUM_ARGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join((*PLAYWRIGHTS, *OMNIBOX, IN_RESERVE))}",
)
HALL: Final[ViewportSize] = {"width": 1920, "height": 1080}
NO_BROWSER: Final = (
    "NO BROWSER: the pages are NOT tested. Install Chromium and Chinese fonts"
    " (Debian: apt-get install chromium-headless-shell fonts-noto-cjk),"
    " or name a browser in SHANLIU_CHROMIUM."
)
MODULES_ADDRESS: Final = "http://pages.test"


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is. Without one the tests are skipped loudly, which tests/conftest.py fails on CI."""
    named = [os.environ.get("SHANLIU_CHROMIUM", ""), *CHROMIUM_NAMES]
    found = next((path for path in map(shutil.which, filter(None, named)) if path), None)
    if found is None:
        pytest.skip(NO_BROWSER)
    return found


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    # A page asks every 5 s, and a busy machine answers late.
    expect.set_options(timeout=20_000)
    async with async_playwright() as playwright:
        # Staff have their browser in Chinese: it writes the days of its own fields as they do.
        chinese: dict[str, str | float | bool] = {**os.environ, "LANGUAGE": "zh_CN"}
        browser = await playwright.chromium.launch(
            executable_path=chromium_path, args=CHROMIUM_ARGS, env=chinese
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def _hall(
    browser: Browser, motion: Literal["reduce", "no-preference"]
) -> AsyncIterator[BrowserContext]:
    """A hall's player: 1920 × 1080, far from Shanghai on purpose."""
    context = await browser.new_context(
        viewport=HALL,
        locale="en-US",
        timezone_id="America/New_York",
        reduced_motion=motion,
    )
    context.set_default_timeout(15_000)
    yield context
    await context.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def hall(browser: Browser, evening: Evening) -> AsyncIterator[Windows]:
    """A hall's player without motion: without a graphics card sixty pictures a second are the processor's.
    One for all tests, so that it has the pages' files already; nothing else is kept in it.
    """
    async with _hall(browser, "reduce") as context:
        yield Windows(context, f"{evening.reporting.url}/livez")


class Complaints(list[str]):
    """What a page has complained about: uncaught errors, and everything its policy has blocked."""

    def listen_to(self, page: Page) -> None:
        """Note the complaints of a page."""
        page.on("pageerror", self._note_error)
        page.on("console", self._note)

    def leave(self, page: Page) -> None:
        """Hear no more of it."""
        page.remove_listener("pageerror", self._note_error)
        page.remove_listener("console", self._note)

    def _note_error(self, error: Error) -> None:
        self.append(str(error))

    def _note(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "violates" in message.text:
            self.append(message.text)


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """No page may end a test with an uncaught error or against its Content-Security-Policy."""
    complaints = Complaints()
    yield complaints
    assert complaints == []


class Another(Protocol):
    """`await another()`: one more window of the hall's player, empty. Its complaints are heard."""

    async def __call__(self) -> Page: ...


@pytest_asyncio.fixture(loop_scope="session")
async def another(hall: Windows, complaints: Complaints) -> AsyncIterator[Another]:
    """Windows side by side."""
    pages: list[Page] = []

    async def another() -> Page:
        page = await hall.open(HALL)
        pages.append(page)
        complaints.listen_to(page)
        return page

    yield another
    for page in pages:
        complaints.leave(page)
        await hall.leave(page)


@pytest_asyncio.fixture(loop_scope="session")
async def page(another: Another) -> Page:
    """An empty page whose complaints are heard."""
    return await another()


@asynccontextmanager
async def _apart(
    browser: Browser, motion: Literal["reduce", "no-preference"], complaints: Complaints
) -> AsyncIterator[Page]:
    async with _hall(browser, motion) as own:
        page = await own.new_page()
        complaints.listen_to(page)
        yield page


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(browser: Browser, complaints: Complaints) -> AsyncIterator[Page]:
    """The same in a browser of its own, which has no file yet, and whose clock may be set."""
    async with _apart(browser, "reduce", complaints) as page:
        yield page


@pytest_asyncio.fixture(loop_scope="session")
async def moving(browser: Browser, complaints: Complaints) -> AsyncIterator[Page]:
    """The same with motion, for those tests that motion makes a difference to."""
    async with _apart(browser, "no-preference", complaints) as page:
        yield page


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def modules(browser: Browser) -> AsyncIterator[Page]:
    """A page that can import the pages' own modules, for the rules in them that need no service."""

    async def serve(route: Route) -> None:
        asked = route.request.url.removeprefix(f"{MODULES_ADDRESS}/")
        found = next((path for each in PAGES if (path := each / asked).is_file()), None)
        await (route.fulfill(path=found) if found else route.fulfill(body="<!doctype html>"))

    page = await browser.new_page()
    await page.route(f"{MODULES_ADDRESS}/**", serve)
    await page.goto(f"{MODULES_ADDRESS}/")
    yield page
    await page.close()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def evening(
    chromium_path: str, kafka: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Evening]:
    """One reporting service for all tests; each has a campaign and channels of its own."""
    folder = tmp_path_factory.mktemp("reporting")
    namespace = f"t{secrets.token_hex(4)}."
    await apply_topics(kafka, namespace)
    environment = {
        "DATABASE_URL": databases.fresh("reporting"),
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_NAMESPACE": namespace,
        "OPERATORS_FILE": str(operators_file(folder)),
    }
    settings = KafkaSettings(kafka_bootstrap_servers=kafka, kafka_namespace=namespace)
    async with start_evening(environment, settings, folder / "reporting.log") as evening:
        yield evening


@pytest_asyncio.fixture(loop_scope="session")
async def wire(evening: Evening) -> AsyncIterator[Wire]:
    """A network of its own between this test's browser and the server."""
    async with Wire(evening.reporting.port) as wire:
        yield wire


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def console(
    browser: Browser,
    kafka: str,
    databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
    keeper: Keeper,
) -> AsyncIterator[Console]:
    """One console for all tests of its pages; services behind it by `await console.needs("campaign")`."""
    folder = tmp_path_factory.mktemp("console")
    console = await start_console(browser, kafka, databases, folder, keeper, f"t{secrets.token_hex(4)}.")
    yield console
    await console.close()


class Visit(Protocol):
    """`await visit("desk", "/held", lang="en")`: the page as this person sees it; without a path it is empty.
    Its complaints are heard, and it is left after the test.
    """

    async def __call__(
        self,
        name: str,
        path: str | None = None,
        *,
        width: int = 1280,
        height: int = 800,
        dark: bool = False,
        lang: str = "zh",
    ) -> Page: ...


@pytest_asyncio.fixture(loop_scope="session")
async def visit(console: Console, complaints: Complaints) -> AsyncIterator[Visit]:
    """The console's pages, as somebody who is signed in sees them."""
    pages: list[tuple[str, Page]] = []

    async def visit(name: str, path: str | None = None, **look: Any) -> Page:
        page = await console.page(name, **look)
        pages.append((name, page))
        complaints.listen_to(page)
        if path is not None:
            await page.goto(path)
        return page

    yield visit
    for name, page in pages:
        complaints.leave(page)
        await console.leave(name, page)
