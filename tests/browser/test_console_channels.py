"""The channels page: registering, keys, pausing, and a bank's statement, each by whose job it is."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Page, expect

from tests.browser import funds
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.readable import for_everybody

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

STATEMENT = Path(__file__).parents[2] / "docs" / "statements" / "bank.csv"


async def registered(console: Console, **new: Any) -> str:
    """A channel of its own, registered by the administrator."""
    await console.needs("donation")
    administrator = await console.person("administrator")
    name = f"c{uuid4().hex[:10]}"
    answer = await administrator.post("donation/v1/channels", {"channel": name, "title": "长沙银行", **new})
    assert answer.status_code == 201, answer.text
    return name


async def state_of(console: Console, name: str) -> dict[str, Any]:
    viewer = await console.person("viewer")
    found: dict[str, Any] = (await viewer.get(f"donation/v1/channels/{name}")).json()
    return found


async def kept(page: Page) -> str:
    """The secret that is shown once, and put away."""
    sheet = page.get_by_role("dialog")
    await expect(sheet.locator(".secret")).to_contain_text("whsec_")
    await page.keyboard.press("Escape")
    secret = await sheet.locator(".secret").inner_text()
    await sheet.get_by_role("button", name="已妥善保存").click()
    await expect(sheet).to_have_count(0)
    return secret


async def test_an_administrator_registers_changes_and_pauses_a_channel(
    console: Console, visit: Visit
) -> None:
    await console.needs("donation")
    name = f"c{uuid4().hex[:10]}"
    page = await visit("administrator", f"/channels?name={name}")
    await expect(page.locator(".empty")).to_contain_text("没有符合条件")

    await page.keyboard.press("a")
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("名称").fill("芙蓉区扫码箱")
    await sheet.get_by_label("渠道 *").fill("Not A Name")
    await sheet.get_by_role("button", name="登记渠道").click()
    await expect(sheet.locator("#field-channel-said")).to_have_class("said bad")
    await sheet.get_by_label("渠道 *").fill(name)
    await sheet.get_by_role("button", name="登记渠道").click()
    first = await kept(page)
    row = page.locator("tbody tr")
    await expect(row).to_contain_text("芙蓉区扫码箱")

    await page.locator("h1").click()
    await page.keyboard.press("Enter")
    await sheet.get_by_role("button", name="更换密钥").click()
    await sheet.get_by_role("button", name="更换密钥").click()
    assert await kept(page) != first

    await page.keyboard.press("Enter")
    await expect(sheet).to_contain_text("添加密钥")
    await sheet.get_by_role("button", name="修改").click()
    await sheet.get_by_label("每秒上限").fill("50")
    await sheet.get_by_role("button", name="保存").click()
    await expect(sheet).to_contain_text("每秒上限：20000 → 50")
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="撤销").click()
    await expect(row).to_contain_text("20,000")

    await page.locator("h1").click()
    await page.keyboard.press("s")
    await sheet.get_by_label("原因").fill("对账不符")
    await sheet.get_by_role("button", name="暂停").click()
    await expect(row).to_contain_text("已暂停")
    assert (await state_of(console, name))["paused_reason"] == "对账不符"
    await page.locator(".notice", has_text="已暂停").get_by_role("button", name="撤销").click()
    await expect(row).to_contain_text("启用")
    assert (await state_of(console, name))["state"] == "active"


async def test_finance_uploads_looks_at_and_books_a_statement(console: Console, visit: Visit) -> None:
    name = await registered(console, scheme="files", settings={"profile": "bank-csv"})
    page = await visit("finance", "/channels")
    await page.get_by_role("link", name="账单导入").click()
    await page.locator("h1").click()
    await page.keyboard.press("a")
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("渠道").select_option(name)
    await sheet.get_by_role("button", name="上传账单").click()
    await expect(sheet).to_contain_text("请选择账单文件")
    await sheet.get_by_label("账单文件").set_input_files(STATEMENT)
    await sheet.get_by_role("button", name="上传账单").click()
    await sheet.get_by_role("button", name="确认入账").click(timeout=30_000)
    await expect(sheet).to_contain_text("已入账", timeout=30_000)
    await page.keyboard.press("Escape")
    await page.locator("#filter-channel").fill(name)
    await page.keyboard.press("Enter")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(page.locator("tbody tr")).to_contain_text("已入账")


async def test_ids_are_chosen_from_what_there_is_by_their_titles(console: Console, visit: Visit) -> None:
    await console.needs("donation", "campaign")
    await funds.register(console)
    for campaign_id, title in (("channels-drive", "第二十五届慈善一日捐"), ("channels-gala", "新年晚会")):
        await funds.draft(console, campaign_id, title=title)
    name = f"c{uuid4().hex[:10]}"
    page = await visit("administrator", f"/channels?name={name}")
    await page.locator("#known-campaigns option[value=channels-gala]").wait_for(state="attached")
    await page.locator("#known-organisations option").first.wait_for(state="attached")
    await page.keyboard.press("a")
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("渠道 *").fill(name)
    await sheet.get_by_label("名称").fill("芙蓉区扫码箱")
    for campaign_id in ("channels-gala", "channels-drive", "channels-gala"):
        await sheet.get_by_label("从列表加入").select_option(campaign_id)
    await expect(sheet.locator("#field-campaigns")).to_have_value("channels-gala, channels-drive")
    await expect(sheet.locator("#field-campaigns-said")).to_have_text("新年晚会、第二十五届慈善一日捐")
    proposed = sheet.locator("#field-organisation_id")
    assert await proposed.evaluate("node => [...node.list.options].map(each => [each.value, each.text])") == [
        [funds.CITY, "苏州市慈善总会"]
    ]
    await proposed.fill(funds.CITY)
    await sheet.get_by_role("button", name="登记渠道").click()
    await kept(page)
    row = page.locator("tbody tr", has_text=name)
    await expect(row).to_contain_text("第二十五届慈善一日捐、新年晚会")
    await expect(row).to_contain_text("苏州市慈善总会")
    assert (await state_of(console, name))["campaigns"] == ["channels-drive", "channels-gala"]


async def test_who_may_only_look_is_offered_nothing_else(console: Console, visit: Visit) -> None:
    name = await registered(console)
    page = await visit("viewer", f"/channels?view=statements&name={name}", lang="en")
    await expect(page.locator("tbody tr")).to_contain_text("active")
    await expect(page.locator("h1")).to_have_text("Channels")
    await expect(page.get_by_role("link", name="Statements")).to_be_hidden()
    await expect(page.get_by_role("button", name="Register")).to_be_hidden()
    await expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    await page.locator("tbody tr").click()
    sheet = page.get_by_role("dialog")
    await expect(sheet).to_contain_text("signing")
    assert await sheet.get_by_role("button").all_inner_texts() == ["Close"]
    words = await page.locator("main, dialog").all_inner_texts()
    assert "undefined" not in str(words)
    viewer = await console.person("viewer")
    refused = await viewer.post(f"donation/v1/channels/{name}/pause", {"reason": "没有权限"})
    assert refused.status_code == 403, refused.text


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, visit: Visit) -> None:
    name = await registered(console)
    page = await visit("administrator", f"/channels?name={name}")
    await page.locator("tbody tr td").nth(1).click()
    await expect(page.get_by_role("dialog")).to_contain_text("变更记录")
    await for_everybody(page)
