"""Signing in and out in a real browser, and what the shell of every page does."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Complaints, Visit
from tests.browser.consoles import PASSWORD, Console
from tests.browser.readable import check

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_people_come_in_and_go_and_their_choices_stay(
    console: Console, browser: Browser, complaints: Complaints, modules: Page
) -> None:
    context = await browser.new_context(base_url=console.url, viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    complaints.listen_to(page)
    await page.goto("/audit?kind=export")
    await page.get_by_label("用户名").fill("passing")
    await page.get_by_label("密码").fill("wrong")
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("alert")).to_have_text("用户名或密码不正确。")
    await expect(page.get_by_label("用户名")).to_have_value("passing")
    await check(page, modules)
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("alert")).to_have_text("User name or password is wrong.")

    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/audit?kind=export")
    await expect(page.locator("h1")).to_have_text("Audit log")
    await page.keyboard.press("D")
    await page.reload()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_contain_text("to the filters")
    await page.keyboard.press("Escape")
    await page.keyboard.press("g")
    await page.keyboard.press("t")
    await page.wait_for_url(f"{console.url}/")

    link = await context.new_page()
    await link.goto("/sign-in?next=/audit")
    await link.wait_for_url("**/audit")

    await page.locator(".me summary").click()
    await page.get_by_role("button", name="Sign out everywhere").click()
    await page.wait_for_url("**/sign-in")
    await link.reload()
    assert "/sign-in" in link.url
    await context.close()


async def test_it_works_without_a_script(console: Console, browser: Browser) -> None:
    context = await browser.new_context(base_url=console.url, java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/sign-in")
    await page.get_by_label("用户名").fill("viewer")
    await page.get_by_label("密码").fill(PASSWORD)
    await page.get_by_role("button", name="登录").click()
    await expect(page.locator(".me .name")).to_have_text("viewer")
    await page.locator(".me summary").click()
    await page.get_by_role("button", name="退出", exact=True).click()
    await expect(page).to_have_url(f"{console.url}/sign-in")
    await context.close()


async def test_what_is_typed_outlives_its_session(console: Console, visit: Visit) -> None:
    """The session ends in the middle of a form; a hand slips; somebody signs in again in another window."""
    page = await visit("administrator", "/accounts")
    context = page.context
    await expect(page.locator("tbody tr").first).to_be_visible()
    await page.keyboard.press("c")
    sheet = page.get_by_role("dialog", name="新账号")
    name = sheet.get_by_label("姓名")
    await name.fill("夜班")
    await page.mouse.click(5, 400)
    await page.keyboard.press("Escape")
    await expect(sheet).to_contain_text("填写的内容还没有提交")

    await context.clear_cookies(name="shanliu_console")
    await sheet.get_by_role("button", name="创建").click()
    again = page.get_by_role("dialog", name="登录已过期")
    await expect(again.get_by_label("administrator 的密码")).to_be_focused()
    await page.keyboard.press("Escape")
    await page.keyboard.type("wrong\n")
    await expect(again.get_by_role("alert")).to_have_text("用户名或密码不正确。")
    await again.get_by_label("administrator 的密码").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(again).to_have_count(0)
    await expect(name).to_have_value("夜班")

    await context.request.post(f"{console.url}/sign-in", form={"person": "viewer", "password": PASSWORD})
    await sheet.get_by_role("button", name="创建").click()
    await expect(sheet.get_by_role("alert")).to_contain_text("重新载入")
    await context.request.post(
        f"{console.url}/sign-in", form={"person": "administrator", "password": PASSWORD}
    )
    await sheet.get_by_role("button", name="创建").click()
    await expect(page.locator(".password")).to_be_visible()


async def test_who_is_no_administrator_chooses_a_password_too(
    console: Console, browser: Browser, complaints: Complaints
) -> None:
    administrator = await console.person("administrator")
    new = {"person": "choosing", "roles": ["viewer"], "grants": []}
    given = (await administrator.post("console/accounts", new)).json()["password"]
    context = await browser.new_context(base_url=console.url, locale="zh-CN")
    page = await context.new_page()
    complaints.listen_to(page)
    for password in (given, PASSWORD):
        await page.goto("/sign-in")
        await page.get_by_label("用户名").fill("choosing")
        await page.get_by_label("密码").fill(password)
        await page.get_by_role("button", name="登录").click()
        await expect(page.locator(".me .name")).to_have_text("choosing")
        if password == given:
            await page.locator(".me summary").click()
            await page.get_by_role("button", name="改我的密码").click()
            sheet = page.get_by_role("dialog", name="改我的密码")
            await sheet.get_by_label("现在的密码").fill(given)
            await sheet.get_by_label("新密码").fill("短")
            await sheet.get_by_role("button", name="更改").click()
            await expect(sheet).to_contain_text("密码须为 12 至 128 个字符")
            await sheet.get_by_label("新密码").fill(PASSWORD)
            await sheet.get_by_role("button", name="更改").click()
            # With `next` when the page that is left has just asked for something and was refused.
            await expect(page).to_have_url(re.compile(r"/sign-in(\?next=%2F)?$"))
    await context.close()
