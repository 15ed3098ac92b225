"""An administrator lets somebody in and keeps them out again, in a real browser."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_an_account_is_made_changed_and_disabled_with_an_undo(visit: Visit) -> None:
    page = await visit("administrator", "/accounts")
    await expect(page.locator("tbody tr").filter(has_text="moderator").first).to_be_visible()
    await page.keyboard.press("c")
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("姓名").fill("新来的")
    everywhere = sheet.get_by_role("group", name="在全部组织的角色")
    await expect(everywhere.get_by_label("查看")).to_be_checked()
    await everywhere.get_by_label("审核").check()
    await sheet.get_by_label("在某一组织的角色").fill("gusu:king")
    await sheet.get_by_role("button", name="创建").click()
    await expect(sheet.get_by_role("alert")).to_contain_text("grants")
    await sheet.get_by_label("在某一组织的角色").fill("gusu:desk")
    await sheet.get_by_role("button", name="创建").click()
    await expect(page.locator(".password")).to_have_text(re.compile(r"^[a-z2-9]{4}(-[a-z2-9]{4}){4}$"))
    await page.keyboard.press("Escape")

    row = page.locator("tbody tr").filter(has_text="新来的")
    await expect(row).to_contain_text("查看、审核 · 值班（gusu）")
    await row.click()
    await page.get_by_role("button", name="停用").click()
    await expect(row).to_contain_text("已停用")
    await page.get_by_role("button", name="撤销").click()
    await expect(row).to_contain_text("可用")
