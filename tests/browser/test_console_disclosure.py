"""The disclosure calendar: what is late stands first, finance drafts, another person reads and publishes."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import expect

from services.campaign.days import today_of
from tests.browser import funds
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.readable import for_everybody
from tests.browser.windows import turn_to

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FLOOD = "flood-appeal"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def appeal(console: Console) -> None:
    """An emergency appeal of 12 days ago with 549 万: two reports are late."""
    await console.needs("campaign")
    await funds.register(console)
    await funds.draft(console, FLOOD, kind="emergency_appeal", title="京津冀抗洪救灾")
    desk = await console.person("desk")
    began = {"on": str(today_of(datetime.now(UTC)) - timedelta(days=12))}
    await funds.done(desk.post(f"campaign/v1/campaigns/{FLOOD}/launch", began))
    await funds.received(console, FLOOD, 549_000_000)


async def test_a_late_report_is_drafted_read_by_another_and_published(visit: Visit) -> None:
    page = await visit("finance", f"/disclosure?campaign_id={FLOOD}")
    rows = page.locator("tbody tr")
    first = rows.first
    await expect(first).to_contain_text("已逾期")
    await expect(first).to_contain_text(re.compile("逾期 [78] 天"))  # the appeal began before this test
    await expect(page.locator("#counts .figure").first).to_contain_text("2")
    await first.click()
    sheet = page.get_by_role("dialog")
    await sheet.locator(".steps > button", has_text="起草报告").click()
    await sheet.locator("#field-remarks").fill("善款全部用于采购救灾物资")
    await sheet.locator(".steps form button.main").click()
    await expect(first).to_contain_text("有草稿")
    await first.click()
    await expect(sheet).to_contain_text("须由另一位审批人")
    assert await sheet.get_by_role("button", name="已阅，公布").count() == 0
    await page.keyboard.press("Escape")

    approver = await visit("approver", f"/disclosure?state=late&campaign_id={FLOOD}")
    await approver.locator("tbody tr", has_text="有草稿").click()
    report = approver.get_by_role("dialog")
    await expect(report.locator(".report")).to_contain_text("善款全部用于采购救灾物资")
    await expect(report.locator(".report table").first).to_be_visible()
    await report.get_by_role("button", name="已阅，公布").click()
    await expect(approver.locator("#notices")).to_contain_text("已公布")
    await expect(approver.locator("tbody tr")).to_have_count(1)
    await expect(first).to_contain_text("逾期公布")
    await expect(page.locator("#counts .figure").first).to_contain_text("1")

    await first.click()
    await expect(sheet.get_by_role("link", name="打开")).to_have_attribute(
        "href", re.compile(r"/reports/[0-9a-f-]{36}$")
    )
    await sheet.locator(".steps > button", has_text="起草更正").click()
    await sheet.locator("#field-reason").fill("说明有误")
    await sheet.locator(".steps form button.main").click()
    await expect(sheet.locator(".guardrail")).to_contain_text("没有不同")
    await sheet.locator("#field-remarks").fill("善款全部用于采购帐篷")
    await sheet.locator(".steps form button.main").click()
    await expect(first).to_contain_text("逾期公布 · 更正待公布")
    await approver.goto(f"/disclosure?campaign_id={FLOOD}")
    await approver.locator("tbody tr", has_text="更正待公布").click()
    await expect(report.locator(".report")).to_contain_text("善款全部用于采购帐篷")
    await report.get_by_role("button", name="已阅，公布").click()
    await turn_to(page)
    await expect(first).not_to_contain_text("更正待公布")


async def test_who_may_only_look_sees_what_is_due_in_english(visit: Visit) -> None:
    page = await visit("viewer", f"/disclosure?campaign_id={FLOOD}&state=late", lang="en")
    await page.locator("tbody tr").first.click()
    await expect(page.get_by_role("dialog")).to_contain_text("Charity Law art. 72")
    assert await page.locator(".steps button").count() == 0
    words = await page.evaluate(
        "[...document.querySelectorAll('[data-text]')].map(e => e.textContent).join(' ')"
    )
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words


async def test_nothing_on_the_page_shuts_anybody_out(visit: Visit) -> None:
    page = await visit("approver", f"/disclosure?campaign_id={FLOOD}")
    await page.locator("tbody tr").first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await for_everybody(page)
