"""The two pages for whoever has a receipt in hand: can they be read, on a phone and on a desk?"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
import pytest_asyncio
import uvicorn
from fastapi import FastAPI
from playwright.async_api import Page, expect

from services.donation.receipts.checking import admission, checking_router
from services.donation.trace.tracing import tracing_router
from shared import database
from tests.browser.evening import until
from tests.browser.readable import too_faint, violations
from tests.databases import Databases
from tests.services.donation.places import Place
from tests.services.donation.receipt_books import receipt_books
from tests.services.donation.tracing_books import TracingBooks

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DESK, PHONE, SMALL = (1280, 900), (390, 844), (320, 640)
PAUSE_S: Final = 0.25
"""An address may check 5 times a second, and every page is one."""
UNDER_A_FINGER: Final = 24  # px, WCAG 2.2 (2.5.8)

TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"
TOO_SMALL = """(least) => [...document.querySelectorAll('a, button, input:not([type=hidden])')]
    .filter((each) => each.getBoundingClientRect().height < least).map((each) => each.textContent)"""


class _Server(uvicorn.Server):
    """A server that leaves pytest's signal handlers alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class Papers:
    """Receipts, and where the two pages about them are."""

    url: str
    tracing: TracingBooks
    numbers: dict[str, str]

    async def open(self, page: Page, address: str, paper: str, lang: str = "zh") -> None:
        """Open one of the pages for one of the receipts."""
        number = self.numbers[paper]
        code = (await self.tracing.books.receipt(number)).check_code
        asked = f"?lang={lang}&number={number}&code={code}"

        async def answered() -> bool:
            answer = await page.goto(self.url + address + asked)
            await asyncio.sleep(PAUSE_S)
            return answer is not None and answer.status == 200

        await until("the page", answered)


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def papers(chromium_path: str, databases: Databases) -> AsyncIterator[Papers]:
    """A donation service's public pages over a real database: no topics, for these pages ask for none."""
    engine = database.create_engine(databases.fresh("donation"), "browser")
    app, admit = FastAPI(), admission()
    app.include_router(checking_router(engine, admit))
    app.include_router(tracing_router(engine, admit))
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False))
    async with database.disposing(engine):
        place = cast("Place", SimpleNamespace(engine=engine, settings=SimpleNamespace(partitions=1)))
        books = await receipt_books(place)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await until("the server", lambda: server.started)
            tracing = TracingBooks(books)
            yield Papers(
                f"http://127.0.0.1:{listener.getsockname()[1]}", tracing, await receipts_of_all_kinds(tracing)
            )
        finally:
            server.should_exit = True
            await task


async def receipts_of_all_kinds(tracing: TracingBooks) -> dict[str, str]:
    """Receipts by what is to be seen of them; the first has all that a trace can show."""
    books = tracing.books
    await books.know(books.campaign_id, 2, title="第二十二届“慈善一日捐”暨扶老助学帮困综合救助项目")
    drive = f"{books.campaign_id}-flood"
    await books.know(drive, title="京津冀抗洪救灾应急募捐")
    first = await books.donations(3, amount_fen=1_234_567)
    second = await books.donation(campaign_id=drive, amount_fen=88_888)
    await books.donations(5, amount_fen=200_000_000, donor_name="某公司")
    await books.donation(campaign_id=drive, amount_fen=549_000_000 - 88_888, donor_name="某公司")
    numbers = {"rich": await books.issue(*first, second), "void": await books.issue(await books.donation())}
    await books.refund(first[0], 34_567)
    homes = {("households", ""): 76, ("台", "烟感报警器"): 9614}
    visits = {("person_times", ""): 5069}
    await tracing.pays(55_140_000, use="助困", title="“情暖苏城”春节走访慰问", helped=visits)
    await tracing.pays(100_000_000, use="助老", title="困难老人家庭适老化改造", helped=homes)
    returned = await tracing.pays(
        16_700_000, use="助学", helped={("person_times", ""): 1217, ("schools", ""): 70}
    )
    await tracing.moves("return", 500_000, about=returned, moved_on=date(2026, 11, 1))
    await tracing.moves(
        "payment", 549_000_000, drive, use="采购救灾物资", helped={("person_times", ""): 12_000}
    )
    await tracing.moves("transfer_out", 30_000_000, other="苏州某信托有限公司")
    await tracing.moves("goods_in", 1_210_000_000)
    await tracing.moves("goods_lost", 1_000_000)
    await tracing.moves(
        "goods_out",
        1_209_000_000,
        use="药品援助",
        title="抗肿瘤药、胰岛素",
        helped={("person_times", ""): 3_100},
    )
    await tracing.count()
    late = await books.donation(amount_fen=66_600, received_at=datetime.now(UTC) - timedelta(seconds=5))
    numbers["new"] = await books.issue(late)
    await books.void(numbers["void"])
    return numbers


CASES: list[tuple[str, str, str, str]] = [
    ("/receipts/check", "rich", "zh", "待换开"),
    ("/receipts/check", "new", "en", "This receipt is genuine and valid."),
    ("/receipts/check", "void", "zh", "已作废"),
    ("/receipts/trace", "rich", "zh", "按比例"),
    ("/receipts/trace", "rich", "en", "pro rata"),
    ("/receipts/trace", "new", "zh", "稍后计入"),
    ("/receipts/trace", "void", "en", "The receipt is void"),
]


@pytest.mark.parametrize(("address", "paper", "lang", "said"), CASES)
async def test_the_pages_of_a_receipt_can_be_read(
    page: Page, modules: Page, papers: Papers, address: str, paper: str, lang: str, said: str
) -> None:
    await papers.open(page, address, paper, lang)
    assert said in await page.inner_text("main")
    for width, height in (DESK, PHONE, SMALL):
        await page.set_viewport_size({"width": width, "height": height})
        assert not await page.evaluate(TOO_WIDE), f"runs out of the screen at {width} px"
        assert await page.evaluate(TOO_SMALL, UNDER_A_FINGER) == []
        assert await violations(page) == []
        await page.evaluate("scrollTo(0, 0)")
        faint = await too_faint(page, modules)
        assert not faint, "\n".join(map(str, faint))


@pytest.mark.parametrize("address", ["/receipts/check", "/receipts/trace"])
async def test_who_mistypes_is_told_and_can_mend_it_by_keyboard(
    page: Page, modules: Page, papers: Papers, address: str
) -> None:
    number = papers.numbers["rich"]
    code: Any = (await papers.tracing.books.receipt(number)).check_code
    await asyncio.sleep(PAUSE_S)
    await page.goto(papers.url + address)
    await page.get_by_label("票据号码").fill(number.lower())
    await page.get_by_label("查验码").fill(code[:-1])
    await page.keyboard.press("Enter")
    alert = page.get_by_role("alert")
    await alert.wait_for()
    assert "查验码有一处输入有误" in await alert.inner_text()
    assert await violations(page) == []
    await page.get_by_label("查验码").fill(code.replace("-", ""))
    await asyncio.sleep(PAUSE_S)
    await page.keyboard.press("Enter")
    await page.get_by_text("¥37,925.89").first.wait_for()
    await asyncio.sleep(PAUSE_S)


async def test_the_check_leads_to_the_trace_and_back_in_the_language_that_was_chosen(
    page: Page, papers: Papers
) -> None:
    await papers.open(page, "/receipts/check", "rich", "en")
    await page.get_by_role("link", name="Where does this money stand?").click()
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Where your money stands")
    await asyncio.sleep(PAUSE_S)
    await page.get_by_role("link", name="Check this receipt").click()
    await expect(heading).to_have_text("Check a receipt")
    await asyncio.sleep(PAUSE_S)
