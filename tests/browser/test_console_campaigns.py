"""The campaigns page: a plan is written, its gaps named, filed, launched, paused and resumed, closed."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Page, expect

from services.campaign.days import today_of
from tests.browser import funds
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.readable import for_everybody
from tests.services.campaign.builders import WINDOW_END

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def step(page: Page, name: str, **fields: str) -> None:
    """Press a step of the open sheet, and send its small form when it has fields."""
    sheet = page.get_by_role("dialog")
    await sheet.locator(".steps > button", has_text=name).click()
    for field, text in fields.items():
        await sheet.locator(f".steps #field-{field}").fill(text)
    if fields:
        await sheet.locator(".steps form button.main").click()


async def test_from_a_plan_with_gaps_to_a_running_campaign(console: Console, visit: Visit) -> None:
    await console.needs("campaign")
    await funds.register(console)
    page = await visit("desk", "/campaigns")
    await expect(page.get_by_role("button", name="新建活动 (c)")).to_be_visible()
    await page.keyboard.press("c")
    sheet = page.get_by_role("dialog")
    for field, text in {
        "campaign_id": "winter-drive",
        "title": "情暖苏城 冬季募捐",
        "goal_fen": "551.4万",
        "window_start": "2026-01-01T08:00",
        "window_end": f"{WINDOW_END:%Y-%m-%dT%H:%M}",
        "purpose": "春节走访\n困难家庭",
        "beneficiaries": "低保家庭",
        "uses": "情暖苏城、助医恤病",
        "remainder": "用于相近项目",
        "area": "苏州市",
        "responsible_person": "王某某",
        "account": "工商银行 1102",
        "cost_fen": "0",
        "milestones": "50%、100%",
    }.items():
        await sheet.locator(f"#field-{field}").fill(text)
    await sheet.locator("form .main").click()
    checklist = page.locator(".checklist")
    await expect(checklist.locator("[data-missing]")).to_have_text(
        ["联系方式", "信息查询方法", "备案编号（民政部门给的）"]
    )
    await expect(page.get_by_role("dialog")).to_contain_text("还缺 3 项")
    await step(page, "登记备案编号", filing_number="53320500509190000A26001")
    await expect(page.locator(".guardrail")).to_contain_text("方案不齐全")
    await step(page, "修改方案")
    await expect(sheet.locator("#field-milestones")).to_have_value("50%、100%")
    await sheet.locator("#field-contact").fill("0512-65221234")
    await sheet.locator("#field-query_method").fill("慈善中国")
    await sheet.locator("form .main").click()
    await expect(checklist.locator("[data-missing]")).to_have_count(1)
    await step(page, "登记备案编号", filing_number="53320500509190000A26001")
    row = page.locator("tbody tr", has_text="winter-drive")
    await expect(row).to_contain_text("已备案")
    await row.click()
    await expect(page.get_by_role("dialog")).to_contain_text("齐全，可以启动")
    await step(page, "启动")
    await expect(row).to_contain_text("进行中")
    await row.click()
    await expect(page.locator(".milestones li")).to_have_text(["275.7万", "551.4万"])
    await step(page, "暂停")
    await expect(row).to_contain_text("已暂停")
    await page.get_by_role("button", name="撤销").last.click()
    await expect(row).to_contain_text("进行中")
    await row.click()
    await step(page, "结束募捐", on=str(today_of(datetime.now(UTC))))
    await expect(row).to_contain_text("已结束")


async def test_an_appeal_is_launched_first_and_its_days_to_file_are_counted(
    console: Console, visit: Visit
) -> None:
    await console.needs("campaign")
    await funds.register(console)
    today = today_of(datetime.now(UTC))
    await funds.draft(console, "quake", kind="emergency_appeal", title="甘肃抗震救灾")
    desk = await console.person("desk")
    began = {"on": str(today - timedelta(days=8))}
    await funds.done(desk.post("campaign/v1/campaigns/quake/launch", began))
    page = await visit("viewer", "/campaigns?state=launched", lang="en")
    await expect(page.locator("#filing")).to_contain_text("2 days left to file")
    await expect(page.locator("tbody tr", has_text="quake")).to_contain_text("2 days left to file")
    assert await page.get_by_role("button", name="New campaign").count() == 0, "a viewer looks"
    await page.locator("tbody tr", has_text="quake").click()
    await expect(page.get_by_role("dialog")).to_contain_text("Promised")
    assert await page.locator(".steps button").count() == 0
    words = await page.evaluate(
        "[...document.querySelectorAll('[data-text]')].map(e => e.textContent).join(' ')"
    )
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, visit: Visit) -> None:
    await console.needs("campaign")
    page = await visit("desk", "/campaigns")
    await expect(page.get_by_role("button", name="新建活动 (c)")).to_be_visible()
    await for_everybody(page, dark="desk")
    await page.keyboard.press("c")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await for_everybody(page, dark="desk")
