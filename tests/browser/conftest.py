"""Chromium for the tests of this folder: Debian's (or whoever's) own, driven by Playwright's library."""

import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Route,
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
from tests.databases import Databases

PAGES: Final = [
    Path(each.__file__ or "").parent / "pages" for each in (services.reporting, services.console, shared)
]
CHROMIUM_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
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
)
HALL: Final = {"width": 1920, "height": 1080}
NO_BROWSER: Final = (
    "NO BROWSER: the pages are NOT tested. Install Chromium and Chinese fonts"
    " (Debian: apt-get install chromium fonts-noto-cjk), or name a browser in SHANLIU_CHROMIUM."
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """One Chromium for all tests; each test has a context of its own in it."""
    # A page asks every 5 s, and a busy machine answers late.
    expect.set_options(timeout=20_000)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=CHROMIUM_ARGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A hall's player: 1920 × 1080, far from Shanghai on purpose."""
    context = await browser.new_context(viewport=HALL, locale="en-US", timezone_id="America/New_York")  # type: ignore[arg-type]
    context.set_default_timeout(15_000)
    yield context
    await context.close()


class Complaints(list[str]):
    """What a page has complained about: uncaught errors, and everything its policy has blocked."""

    def listen_to(self, page: Page) -> None:
        """Note the complaints of a page."""
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "violates" in message.text:
            self.append(message.text)


@pytest.fixture
def complaints() -> Iterator[Complaints]:
    """No page may end a test with an uncaught error or against its Content-Security-Policy."""
    complaints = Complaints()
    yield complaints
    assert complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(context: BrowserContext, complaints: Complaints) -> Page:
    """An empty page whose complaints are heard."""
    page = await context.new_page()
    complaints.listen_to(page)
    return page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
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
