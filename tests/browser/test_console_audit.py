"""The audit page in a real browser, on a real console before real services: the example for other pages."""

import csv
import io
from pathlib import Path

import openpyxl
import pytest
from playwright.async_api import Page, expect

from services.console.administration import Rights
from services.console.forwarding import summary_of
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.readable import for_everybody

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def something_was_done(console: Console) -> None:
    """A call through the console that the service refuses."""
    await console.needs("campaign")
    desk = await console.person("desk")
    refused = await desk.post("campaign/v1/campaigns/gala/launch", {"reason": "没有权限"})
    assert refused.status_code == 422, refused.text


async def test_the_log_is_read_filtered_opened_and_checked(console: Console, visit: Visit) -> None:
    await something_was_done(console)
    page = await visit("administrator", "/audit")
    rows = page.locator("tbody tr")
    await expect(rows.filter(has_text="/v1/campaigns/gala/launch").first).to_be_visible()
    assert "没有权限" not in await page.locator("tbody").inner_text(), "what stood in a field is not written"
    await expect(rows.filter(has_text="reason").first).to_be_visible()

    await page.get_by_label("人员").fill("desk")
    await page.get_by_label("事项").select_option("call")
    await expect(page).to_have_url(f"{console.url}/audit?person=desk&kind=call")
    await expect(rows.filter(has_not_text="desk")).to_have_count(0)
    await expect(rows.filter(has_text="desk").first).to_be_visible()

    await page.locator("h1").click()
    await page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog")
    await expect(sheet).to_contain_text("幂等键")
    await page.keyboard.press("Escape")

    await page.get_by_role("button", name="校验整条链").click()
    await expect(page.locator("#checked")).to_contain_text("完整")

    await page.get_by_role("button", name="English").click()
    await expect(page.locator("h1")).to_have_text("Audit log")
    words = await page.evaluate(
        "[...document.querySelectorAll('[data-text]')].map(e => e.textContent).join(' ')"
    )
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_what_the_filters_let_through_is_taken_as_a_file(
    console: Console, form: str, tmp_path: Path, visit: Visit
) -> None:
    await something_was_done(console)
    page = await visit("administrator", "/audit?person=desk&kind=call")
    async with page.expect_download() as download:
        await page.get_by_role("button", name=f"导出 {form.upper()}").click()
    path = tmp_path / f"audit.{form}"
    await (await download.value).save_as(path)
    if form == "csv":
        lines = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
    else:
        sheet = openpyxl.load_workbook(path).active
        assert sheet is not None
        lines = [[str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]
    assert lines[0][2] == "人员"
    assert {line[2] for line in lines[1:]} == {"desk"}
    administrator = await console.person("administrator")
    newest = (await administrator.get("console/audit", kind="export", limit=1)).json()["items"][0]
    assert newest["summary"] == f"audit, {len(lines) - 1} rows, {form}"


async def test_who_may_not_see_the_log_is_told_so(console: Console, visit: Visit) -> None:
    page = await visit("desk")
    answer = await page.goto("/audit")
    assert answer is not None
    assert answer.status == 403
    await expect(page.locator("h1")).to_have_text("您的账号不能查看此页")
    assert await page.get_by_role("link", name="审计").count() == 0
    assert (await (await console.person("desk")).get("console/audit")).status_code == 403


async def test_nothing_on_the_page_shuts_anybody_out(visit: Visit) -> None:
    page = await visit("administrator", "/audit")
    await expect(page.locator("tbody tr").first).to_be_visible()
    await for_everybody(page)
    await for_everybody(page, dark="desk")


async def test_what_the_console_writes_down_is_said_in_chinese(modules: Page) -> None:
    words = {
        "by password": "凭密码",
        "everywhere, 3 sessions": "所有设备，3 个会话",
        f"desk lin may now: {Rights(roles=['desk', 'viewer'])}": "desk lin 现可：desk, viewer",
        "audit, 50 rows, csv": "audit，50 行，csv",
        summary_of("application/pdf", b"%PDF-"): "5 字节，application/pdf",
        summary_of("application/json", b"{"): "1 字节，不是 JSON",
        summary_of("application/json", b"[1, 2]"): "2 项的列表",
        summary_of("application/json", b'{"reason": "", "use": ""}'): "reason, use",
    }
    script = "async all => all.map((await import('/static/texts/audit.js')).saidInChinese)"
    assert await modules.evaluate(script, list(words)) == list(words.values())
