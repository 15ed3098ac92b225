"""The held page: finance releases and refuses what waits, and resolves conflicts; others only look."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from shared.events import CampaignFiled, CampaignLaunched, CampaignPaused
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.gifts import Gifts, gifts_of
from tests.browser.readable import for_everybody
from tests.browser.windows import turn_to
from tests.services.donation.builders import a_donor, a_reversal, new_id

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WORDS = (
    "[...document.querySelectorAll('[data-text], th, label, .tabs, .lead')].map(e => e.textContent).join()"
)
PAUSED, FILED, UNKNOWN = "paused-2027", "filed-2027", "unknown-2027"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gifts(console: Console) -> AsyncIterator[Gifts]:
    async with gifts_of(console) as gifts:
        await gifts.tell(CampaignLaunched, PAUSED)
        await gifts.tell(CampaignPaused, PAUSED)
        await gifts.tell(CampaignFiled, FILED)
        await gifts.given("held", campaign_id=PAUSED)  # the campaigns are known
        yield gifts


async def held(gifts: Gifts, campaign_id: str, **changes: Any) -> str:
    return (await gifts.given("held", campaign_id=campaign_id, **changes))[1]


async def choose(page: Page, *ids: str) -> None:
    for each in ids:
        await page.locator(f'tr[data-id="{each}"]').get_by_role("checkbox").check()


async def give_reason(page: Page, button: str, reason: str) -> None:
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("原因").fill(reason)
    await sheet.get_by_role("button", name=button).click()


async def test_finance_releases_and_refuses_what_waits_each_with_its_answer(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    company = a_donor(kind="company", name="金鸡湖科技有限公司")
    first = await held(gifts, PAUSED, amount_fen=5_000_000, donor=company)
    second = await held(gifts, PAUSED)
    early = await held(gifts, FILED)
    unknown = await held(gifts, UNKNOWN)
    page = await visit("finance", "/held")
    for donation_id, way in (
        (first, "活动恢复后自动入账"),
        (early, "活动启动后自动入账"),
        (unknown, "只能拒收"),
    ):
        await expect(page.locator(f'tr[data-id="{donation_id}"]')).to_contain_text(way)

    await choose(page, first, second, early)
    await page.keyboard.press("r")
    sheet = page.get_by_role("dialog")
    await expect(sheet.get_by_role("heading")).to_have_text("放行 2 笔，共 50,100 元")
    await expect(sheet).to_contain_text("所选另 1 笔不能这样处理")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_have_count(0)  # closed, and what closing it ends has ended
    await expect(page.locator(".count")).to_have_text("已选 3 条")
    await page.keyboard.press("r")
    await give_reason(page, "放行", "与银行核对无误")
    await expect(page.locator("#notices")).to_contain_text("2 条已完成")
    for donation_id in (first, second):
        await gifts.stands(donation_id, "received")
        await turn_to(page)
        await expect(page.locator(f'tr[data-id="{donation_id}"]')).to_have_count(0)
    await expect(page.locator(f'tr[data-id="{early}"]')).to_be_visible()

    await page.get_by_label("活动编号").fill(UNKNOWN)
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await page.locator("h1").click()
    finance = await console.person("finance")  # somebody else is quicker
    await page.keyboard.press("f")
    await finance.post("donation/v1/held/refuse", {"donation_ids": [unknown], "reason": "退回"})
    await give_reason(page, "拒收", "无此活动")
    await expect(sheet).to_contain_text("0 条完成，1 条没有")
    await expect(sheet).to_contain_text("已不在暂挂中")
    await page.keyboard.press("Escape")
    await expect(page.locator(".empty")).to_contain_text("没有符合条件的记录")
    await page.keyboard.press("l")
    await expect(page.locator("h1")).to_have_text("Held and conflicts")
    words = await page.evaluate(WORDS)
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words


async def test_a_conflict_is_seen_with_both_contents_and_resolved_with_a_reason(
    gifts: Gifts, visit: Visit
) -> None:
    body, donation_id = await gifts.given("held", campaign_id=PAUSED, amount_fen=88_800)
    await gifts.put({**body, "amount_fen": 8_880_000})
    page = await visit("finance", "/held")
    await expect(page.get_by_role("link", name=re.compile(r"^冲突 [1-9]"))).to_be_visible()
    await page.get_by_role("link", name="冲突").click()
    row = page.locator("tbody tr").filter(has_text=body["transaction_id"])
    for told in ("888.00", "88,800.00", "金额", "未处理"):
        await expect(row).to_contain_text(told)
    await row.click()
    link = page.get_by_role("dialog").get_by_role("link", name="查看捐赠全程")
    await expect(link).to_have_attribute("href", f"/donations?find={donation_id}")
    await page.keyboard.press("Escape")
    await row.get_by_role("checkbox").check()
    await page.keyboard.press("r")
    await give_reason(page, "处理完毕", "渠道确认第一份为准")
    await expect(row).to_have_count(0)
    await page.get_by_label("哪些").select_option("all")
    await expect(row).to_contain_text("finance：渠道确认第一份为准")


async def test_a_reversal_without_its_donation_is_seen_and_set_aside_with_a_reason(
    gifts: Gifts, visit: Visit
) -> None:
    body, _ = await gifts.given("held", campaign_id=PAUSED)
    mistyped = a_reversal(new_id("mistyped"), amount_fen=12_345)
    await gifts.put(mistyped)
    await gifts.put(a_reversal(body["transaction_id"]))
    page = await visit("finance", "/held")
    await expect(page.get_by_role("link", name=re.compile(r"^待冲回 [1-9]"))).to_be_visible()
    await page.get_by_role("link", name="待冲回").click()
    row = page.locator("tbody tr").filter(has_text=mistyped["transaction_id"])
    for told in ("123.45", "退款", "没有这笔捐赠"):
        await expect(row).to_contain_text(told)
    follows = page.locator("tbody tr").filter(has_text=body["transaction_id"])
    await expect(follows).to_contain_text("入账后自动冲回")
    await row.get_by_role("checkbox").check()
    await page.keyboard.press("s")
    await give_reason(page, "搁置", "交易号有误，渠道已重报")
    await expect(row).to_have_count(0)
    await expect(follows).to_have_count(1)


async def test_the_desk_only_looks(console: Console, gifts: Gifts, visit: Visit) -> None:
    waiting = await held(gifts, PAUSED)
    page = await visit("desk", "/held")
    await expect(page.locator(f'tr[data-id="{waiting}"]')).to_be_visible()
    assert await page.get_by_role("button", name="放行").count() == 0
    desk = await console.person("desk")
    for path in ("release", "refuse"):
        answer = await desk.post(f"donation/v1/held/{path}", {"donation_ids": [waiting], "reason": "试"})
        assert answer.status_code == 403, answer.text


async def test_nothing_on_the_page_shuts_anybody_out(gifts: Gifts, visit: Visit) -> None:
    waiting = await held(gifts, PAUSED, transaction_id=new_id())
    page = await visit("finance", "/held", lang="en")
    await choose(page, waiting)
    await for_everybody(page, dark="desk")
    await page.get_by_role("button", name="Release").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    await for_everybody(page, dark="desk")
