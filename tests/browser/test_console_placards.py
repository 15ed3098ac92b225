"""The placards page: one enters a line, another reads it back; corrections leave a trace; late is seen."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from services.campaign.days import DONOR_TIME
from tests.browser import funds
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.readable import for_everybody
from tests.services.campaign.store import a_gift

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GALA, LATE = "placards-gala", "placards-late"
WORDS = (
    "[...document.querySelectorAll('[data-text], th, label, option, summary, .figure, .filter, .actions')]"
    ".filter(e => !e.closest('#filter-campaign_id') && !e.querySelector('#filter-campaign_id'))"
    ".map(e => e.textContent).join()"
)


def day(days: int) -> str:
    return (datetime.now(DONOR_TIME).date() + timedelta(days=days)).isoformat()


async def entered(console: Console, campaign_id: str, amount_fen: int, **changes: Any) -> str:
    """A pledge that `desk` has entered by the API."""
    body = {"company": "某某公司", "amount_fen": amount_fen, "due_on": day(30)} | changes
    desk = await console.person("desk")
    answer = await funds.done(desk.post(f"campaign/v1/campaigns/{campaign_id}/pledges", body), 201)
    return str(answer["pledge_id"])


async def pledged(console: Console, campaign_id: str, amount_fen: int, **changes: Any) -> str:
    """The same, read back by another person."""
    pledge_id = await entered(console, campaign_id, amount_fen, **changes)
    read = {"amount_fen": amount_fen}
    await funds.step(console, "desk-two", f"pledges/{pledge_id}", "confirm", read)
    return pledge_id


async def pledge_of(console: Console, company: str) -> str:
    """The id of the company's pledge to the gala."""
    viewer = await console.person("viewer")
    found = await funds.done(viewer.get(f"campaign/v1/campaigns/{GALA}/pledges", limit=200))
    return next(str(each["pledge_id"]) for each in found["items"] if each["company"] == company)


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def galas(console: Console) -> None:
    """One gala to work on, and one with a promise of each sort."""
    await console.needs("campaign")
    await funds.register(console)
    for campaign_id in (GALA, LATE):
        await funds.launched(console, campaign_id)
    long_ago = {"promised_on": day(-40), "due_on": day(-10)}
    await pledged(console, LATE, 200_000_000, company="逾期纺织有限公司", placard="1", **long_ago)
    goods = {"description": "药品", "quantity": 200, "unit": "箱", "basis": "agreed"}
    kept = await pledged(console, LATE, 100_000_000, company="守信药业", placard="2", goods=goods)
    delivery = {"quantity": 200, "value_fen": 100_000_000, "delivered_on": day(0), "reason": "送货单 7"}
    await funds.step(console, "desk", f"pledges/{kept}", "delivery", delivery, 201)
    await funds.step(console, "finance", f"pledges/{kept}", "delivery/confirm")
    await entered(console, LATE, 50_000_000, company="待复核实业", placard="3")


async def opened(visit: Visit, name: str, query: str, **look: Any) -> Page:
    """The page, read, as one person sees it."""
    page = await visit(name, f"/placards?{query}", **look)
    await expect(page.locator("#figures")).to_be_visible()
    return page


def row_of(page: Page, text: str) -> Locator:
    return page.locator("tbody tr", has_text=text)


async def enter(page: Page, number: str, company: str, amount: str) -> None:
    """Type one line and send it, from wherever the keyboard is."""
    await page.keyboard.press("e")
    await expect(page.locator("#entry-placard")).to_be_focused()
    for field, text in (("placard", number), ("company", company), ("amount_fen", amount)):
        await page.locator(f"#entry-{field}").fill(text)
    await page.locator("#entry-amount_fen").press("Enter")


async def leave_the_line(page: Page) -> None:
    """Out of the entry line, so that the next key is for the list."""
    await expect(page.locator("#entry-company")).to_have_value("")
    await expect(page.locator("#entry-placard")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator("#entry-placard")).not_to_be_focused()


async def sheet_gone(page: Page) -> None:
    await expect(page.locator("dialog")).to_have_count(0)


async def test_one_enters_a_line_and_another_reads_it_back(console: Console, visit: Visit) -> None:
    page = await opened(visit, "desk", f"campaign_id={GALA}")
    await enter(page, "17", "金鸡湖科技有限公司", "50万")
    await expect(page.locator("#notices")).to_contain_text("17 号 金鸡湖科技有限公司：500,000 元已录入")
    row = row_of(page, "金鸡湖科技")
    await expect(row).to_contain_text("500,000")
    await expect(row).to_contain_text("待复核")
    await leave_the_line(page)
    await page.keyboard.press("c")  # nobody confirms what they wrote
    await expect(page.locator("#notices")).to_contain_text("是您录入的，须由另一位同事照牌复核")
    await sheet_gone(page)
    await enter(page, "17", "太湖实业", "1亿")  # the number is there already: said at the field
    await expect(page.locator("#entry-placard-said")).to_contain_text("这个牌号已录入过")

    second = await opened(visit, "desk-two", f"campaign_id={GALA}")
    waiting = row_of(second, "金鸡湖科技")
    await expect(waiting).to_contain_text("待读牌")
    await expect(waiting).not_to_contain_text("500,000")
    await second.keyboard.press("c")
    sheet = second.get_by_role("dialog")
    await expect(sheet.get_by_label("牌上的金额")).to_be_focused()
    await expect(sheet).to_contain_text("金鸡湖科技有限公司")
    await sheet.get_by_label("牌上的金额").fill("5万")
    await second.keyboard.press("Enter")
    await expect(sheet).to_contain_text("与录入的金额不同")
    await sheet.get_by_label("牌上的金额").fill("50万")
    await expect(sheet).to_contain_text("¥500,000.00 · 50万")
    await second.keyboard.press("Enter")
    await expect(second.locator("#notices")).to_contain_text("500,000 元已确认")
    await sheet_gone(second)
    await expect(waiting).to_have_count(0)
    await second.keyboard.press("2")
    await expect(waiting).to_contain_text("500,000")
    for told in ("已确认", "desk", "desk-two"):
        await expect(waiting).to_contain_text(told)
    # The other window has it without a reload: promised, and nothing received.
    await expect(page.locator(".figure").nth(0)).to_contain_text("¥50万")
    await expect(page.locator(".figure").nth(1)).to_contain_text("¥0")


async def test_a_correction_is_decided_by_another_and_leaves_its_trace(
    console: Console, visit: Visit
) -> None:
    await pledged(console, GALA, 3_000_000_000, company="多写零集团", placard="21")
    page = await opened(visit, "desk", f"campaign_id={GALA}&view=confirmed")
    row = row_of(page, "多写零集团")
    await row.get_by_role("checkbox").check()
    await page.keyboard.press("r")
    sheet = page.get_by_role("dialog")
    await expect(sheet.get_by_label("金额")).to_have_value("30,000,000")
    await sheet.get_by_label("金额").fill("300万")
    await sheet.get_by_label("哪里错了").fill("多写了一个零")
    await sheet.get_by_role("button", name="提出更正").click()
    await expect(page.locator("#notices")).to_contain_text("更正已提出，等另一人确认")
    await sheet_gone(page)
    await row.click()
    await expect(sheet).to_contain_text("您提出的，须由另一人决定")
    await expect(sheet.get_by_role("button", name="确认更正")).to_have_count(0)
    await page.keyboard.press("Escape")
    await sheet_gone(page)

    finance = await opened(visit, "finance", f"campaign_id={GALA}")
    await expect(row_of(finance, "多写零集团")).to_contain_text("更改待决定")
    await row_of(finance, "多写零集团").click()
    deciding = finance.get_by_role("dialog")
    await expect(deciding.locator(".waits")).to_contain_text("多写了一个零")
    await expect(deciding).not_to_contain_text(
        "¥3,000,000.00"
    )  # it is read off the placard, not off the page
    await deciding.get_by_role("button", name="确认更正").click()
    for typed in ("3000万", "300万"):
        await deciding.get_by_label("牌上的金额").fill(typed)
        await finance.keyboard.press("Enter")
        if typed == "3000万":
            await expect(deciding).to_contain_text("与录入的金额不同")
    await expect(finance.locator("#notices")).to_contain_text("更正已确认")
    await sheet_gone(finance)
    await expect(row_of(finance, "多写零集团")).to_have_count(0)
    await expect(row).to_contain_text("3,000,000")
    await row.click()
    last = sheet.locator(".trace > li").last
    for told in ("finance", "确认更正", "多写了一个零", "¥30,000,000.00", "¥3,000,000.00"):
        await expect(last).to_contain_text(told)


async def test_what_was_entered_by_mistake_is_taken_back_or_cancelled(console: Console, visit: Visit) -> None:
    page = await opened(visit, "desk", f"campaign_id={GALA}")
    await enter(page, "31", "误录公司", "1万")
    await expect(row_of(page, "误录公司")).to_be_visible()
    await leave_the_line(page)
    await page.locator("#notices").get_by_role("button", name="撤销").click()
    await expect(row_of(page, "误录公司")).to_have_count(0)
    await enter(page, "31", "另录公司", "1万")
    await leave_the_line(page)
    row = row_of(page, "另录公司")
    await row.get_by_role("checkbox").check()
    await page.keyboard.press("d")
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("取消原因").fill("看错了牌")
    await sheet.get_by_role("button", name="取消").click()
    await sheet_gone(page)
    await expect(row).to_have_count(0)
    await page.keyboard.press("6")
    await row.click()
    await expect(sheet.locator(".trace")).to_contain_text("看错了牌")


async def test_who_is_to_read_a_placard_back_does_not_see_its_amount_by_correcting_it(
    console: Console, visit: Visit
) -> None:
    await entered(console, GALA, 66_600_000, company="照牌实业", placard="66")
    page = await opened(visit, "desk-two", f"campaign_id={GALA}")
    await row_of(page, "照牌实业").get_by_role("checkbox").check()
    await page.keyboard.press("r")
    sheet = page.get_by_role("dialog")
    await expect(sheet.get_by_label("企业或个人")).to_have_value("照牌实业")
    await expect(sheet.get_by_label("金额")).to_have_value("")
    await sheet.get_by_role("button", name="更正").click()
    await expect(sheet.locator(".said.bad")).to_have_count(1)  # nothing is sent without an amount
    await sheet.get_by_label("金额").fill("66.7万")
    await sheet.get_by_role("button", name="更正").click()
    await expect(page.locator("#notices")).to_contain_text("已更正，等另一人复核")
    await sheet_gone(page)
    await expect(row_of(page, "照牌实业")).to_contain_text("667,000")  # now it is theirs


async def test_goods_come_in_and_the_rest_of_a_promise_is_released(console: Console, visit: Visit) -> None:
    desk = await console.person("desk")
    gift = await funds.done(
        desk.post(f"campaign/v1/campaigns/{GALA}/goods-gifts", a_gift(donor="同心制药", display="name")), 201
    )
    await funds.step(
        console, "finance", f"goods-gifts/{gift['gift_id']}", "confirm", {"value_fen": gift["value_fen"]}
    )
    goods = {"description": "药品", "quantity": 10, "unit": "箱", "basis": "agreed"}
    await pledged(console, GALA, 50_000_000, company="同心制药", placard="71", goods=goods)
    page = await opened(visit, "desk", f"campaign_id={GALA}&view=confirmed")
    sheet = page.get_by_role("dialog")
    await row_of(page, "同心制药").click()
    await sheet.get_by_role("button", name="登记到货").click()
    for label, text in (("数量", "6"), ("价值（元）", "30万"), ("送货单号或接收人", "送货单 9")):
        await sheet.get_by_label(label).fill(text)
    await sheet.get_by_label("对应的入库物资").select_option(gift["gift_id"])
    await sheet.get_by_role("button", name="登记到货").last.click()
    await expect(page.locator("#notices")).to_contain_text("到货已登记，等另一人确认")

    finance = await opened(visit, "finance", f"campaign_id={GALA}")
    deciding = finance.get_by_role("dialog")
    await row_of(finance, "同心制药").click()
    await expect(deciding.locator(".waits")).to_contain_text("6 箱 · ¥300,000.00")
    await deciding.get_by_role("button", name="确认到货").click()
    await expect(finance.locator("#notices")).to_contain_text("到货已确认")
    await finance.keyboard.press("2")
    await row_of(finance, "同心制药").click()
    await expect(deciding.get_by_role("heading", name="同心制药")).to_be_visible()
    await deciding.get_by_role("button", name="申请免除").click()
    for label, text in (
        ("报告文号", "苏民〔2026〕8 号"),
        ("报告的民政部门", "苏州市民政局"),
        ("经济状况如何显著恶化", "停产"),
        ("公开说明", "企业停产，依法不再履行"),
    ):
        await deciding.get_by_label(label).fill(text)
    await deciding.get_by_role("button", name="提出申请").click()
    await expect(finance.locator("#notices")).to_contain_text("免除已申请，等审批人批准")

    approver = await opened(visit, "approver", f"campaign_id={GALA}")
    approving = approver.get_by_role("dialog")
    await row_of(approver, "同心制药").click()
    for told in ("苏州市民政局", "企业停产，依法不再履行", "停产"):
        await expect(approving.locator(".waits")).to_contain_text(told)
    await approving.get_by_role("button", name="批准免除").click()
    await expect(approver.locator("#notices")).to_contain_text("免除已批准")
    await approver.keyboard.press("5")
    await row_of(approver, "同心制药").click()
    await expect(approving.locator(".sum")).to_contain_text("¥200,000.00")
    steps = await funds.done(desk.get(f"campaign/v1/pledges/{await pledge_of(console, '同心制药')}/steps"))
    assert steps["deliveries"][0]["gift_id"] == gift["gift_id"]


async def test_late_and_kept_promises_are_told_apart(console: Console, visit: Visit) -> None:
    page = await opened(visit, "viewer", f"campaign_id={LATE}&view=overdue")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(row_of(page, "逾期纺织")).to_contain_text(re.compile("逾期 1[01] 天"))  # promised before
    for i, told in enumerate(("¥300万", "¥100万", "¥200万", "1 块", "1 块")):
        await expect(page.locator(".figure .value").nth(i)).to_have_text(told)
    await page.keyboard.press("4")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await expect(row_of(page, "守信药业")).to_contain_text("药品 200 箱")
    await expect(row_of(page, "守信药业")).to_contain_text("已兑现")
    # A viewer only looks.
    assert await page.locator("#enter").is_hidden()
    assert await page.locator(".actions button").count() == 0
    viewer = await console.person("viewer")
    body = {"company": "某某公司", "amount_fen": 100, "due_on": day(30)}
    assert (await viewer.post(f"campaign/v1/campaigns/{LATE}/pledges", body)).status_code == 403
    nobody = await console.person("nobody")
    assert (await nobody.client.get("/placards")).status_code == 403


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, visit: Visit) -> None:
    page = await opened(visit, "desk-two", f"campaign_id={LATE}&view=every", lang="en")
    await expect(page.locator("tbody tr")).to_have_count(3)
    await page.locator(".more summary").click()
    words = await page.evaluate(WORDS)
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words.replace("50万", "")), words
    await for_everybody(page, dark="desk")
    for opened_by in ("c", "r", "Enter"):
        await row_of(page, "待复核实业").get_by_role("checkbox").check()
        await page.locator("h1").click()
        await page.keyboard.press(opened_by)
        await expect(page.get_by_role("dialog")).to_be_visible()
        await for_everybody(page, dark="desk")
        await page.keyboard.press("Escape")
        await sheet_gone(page)
