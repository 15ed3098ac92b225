"""The screens page: the desk registers a screen, acts on air with a reason, gives and takes links."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.evening import Evening
from tests.browser.readable import for_everybody
from tests.services.reporting.builders import CampaignSource, Source

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CAMPAIGN = "stage-2027"
WORDS = (
    "[...document.querySelectorAll('h1, [data-text], th, label, #main button, tbody .badge')]"
    ".map(each => each.textContent).join()"
)


class Stage:
    """A campaign with a number, of sources that are nobody else's."""

    def __init__(self, evening: Evening) -> None:
        self.evening = evening
        self.source = Source(channel="stage", first_number=9_000_000)

    async def begins(self) -> None:
        campaigns = CampaignSource(service="campaign/stage")
        now = datetime.now(UTC)
        gift = self.source.received(14_123_456_789, campaign_id=CAMPAIGN, at=now, received_at=now)
        await self.evening.happens(campaigns.launched(CAMPAIGN, title="2027 新年慈善晚会"), gift)
        await self.evening.counted(CAMPAIGN, 14_123_456_789)

    async def refunds(self, fen: int) -> None:
        await self.evening.happens(self.source.reversed(fen, campaign_id=CAMPAIGN))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(console: Console) -> AsyncIterator[Stage]:
    async with console.evening() as evening:
        stage = Stage(evening)
        await stage.begins()
        yield stage


async def register(console: Console, screen_id: str, title: str, **more: str) -> None:
    desk = await console.person("desk")
    new = {"screen_id": screen_id, "title": title, "campaign_id": CAMPAIGN, **more}
    answer = await desk.post("reporting/v1/screens", new)
    assert answer.status_code in {201, 409}, answer.text


async def done(page: Page, act: str) -> None:
    """Wait until an act is said to be done: a key that comes while it is under way is one too many."""
    await expect(page.locator("#notices")).to_contain_text(f"已{act} 1 块大屏")


async def rehearsed(page: Page, row: Locator) -> None:
    """A rehearsal begins, and ends."""
    await page.keyboard.press("t")
    await page.get_by_role("dialog").get_by_role("button", name="按流程").click()
    await expect(row).to_contain_text("彩排")
    await done(page, "彩排")
    await page.keyboard.press("e")
    await page.keyboard.press("5")
    await expect(row.get_by_text("彩排")).to_have_count(0)
    await done(page, "结束彩排")


async def test_a_screen_is_registered_put_on_air_and_its_link_ended(stage: Stage, visit: Visit) -> None:
    page = await visit("desk", f"/screens?campaign_id={CAMPAIGN}")
    await expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
    await page.keyboard.press("+")
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("编号").fill("Main Hall")
    await sheet.get_by_label("活动").fill(CAMPAIGN)
    await sheet.get_by_label("名称").fill("主会场大屏")
    await sheet.get_by_label("退款时").select_option("held")
    await sheet.get_by_role("button", name="登记，取得链接").click()
    await expect(sheet.locator(".said.bad")).to_be_visible()
    await sheet.get_by_label("编号").fill("main-hall")
    await sheet.get_by_role("button", name="登记，取得链接").click()
    link = await page.locator(".secret").inner_text()
    await page.get_by_role("dialog").locator("button.main").click()
    row = page.locator("tbody tr").filter(has_text="main-hall")
    await expect(row).to_contain_text("直播中")
    await expect(row).to_contain_text("141,234,567.89")
    async with httpx.AsyncClient() as http:
        assert (await http.get(link)).status_code == 200

        await page.keyboard.press("f")
        await page.keyboard.press("2")
        await expect(row).to_contain_text("已定格")
        await page.get_by_role("button", name="撤销").click()
        await expect(row).to_contain_text("直播中")

        await stage.refunds(1_000_000)
        await expect(row).to_contain_text("退款待换场")
        await expect(row).to_contain_text("141,234,567.89")
        await expect(row).to_contain_text("141,224,567.89")
        await page.keyboard.press("s")
        await page.get_by_label("其他原因").fill("第二幕开始")
        await page.keyboard.press("Enter")
        await expect(row.get_by_text("退款待换场")).to_have_count(0)
        await expect(row.get_by_text("141,234,567.89")).to_have_count(0)
        await done(page, "换场")

        await rehearsed(page, row)

        await page.keyboard.press("Shift+R")
        await page.keyboard.press("3")
        await expect(row).to_contain_text("没有链接")
        assert (await http.get(link)).status_code == 404
    await page.keyboard.press("Enter")
    record = page.locator(".record")
    for said in ("作废链接", "第二幕开始", "播出规则", "141,234,567.89 → 141,224,567.89", "撤销：定格"):
        await expect(record).to_contain_text(said)


async def test_who_only_looks_sees_the_screens_and_no_lever(
    console: Console, stage: Stage, visit: Visit
) -> None:
    await register(console, "lobby", "大堂手机页", layout="phone")
    page = await visit("viewer", f"/screens?campaign_id={CAMPAIGN}", lang="en")
    row = page.locator("tbody tr").filter(has_text="lobby")
    await expect(row).to_contain_text("live")
    assert await page.locator("#main button:visible").all_inner_texts() == [
        "Filter",
        "Clear",
        "Export CSV",
        "Export XLSX",
    ]
    words = await page.evaluate(WORDS)
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words
    viewer = await console.person("viewer")
    refused = await viewer.post("reporting/v1/screens/lobby/air", {"action": "hide", "reason": "没有权限"})
    assert refused.status_code == 403


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, stage: Stage, visit: Visit) -> None:
    await register(console, "wall", "舞台通屏", layout="wide")
    page = await visit("desk", f"/screens?campaign_id={CAMPAIGN}")
    await expect(page.locator("tbody tr").filter(has_text="wall")).to_be_visible()
    await for_everybody(page)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await for_everybody(page)
