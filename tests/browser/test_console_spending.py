"""The spending page: finance asks with line items, another person approves, the guardrail answers, money is
paid and comes back.
"""

import hashlib
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from playwright.async_api import FilePayload, Locator, Page, expect

from services.campaign.days import today_of
from tests.browser import funds
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.readable import for_everybody
from tests.browser.windows import turn_to

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

GALA = "spending-gala"


@pytest_asyncio.fixture(scope="module", loop_scope="session", autouse=True)
async def gala(console: Console) -> None:
    """A launched gala with 1,000,000 yuan, and a stated last year."""
    await console.needs("campaign")
    await funds.register(console)
    await funds.launched(console, GALA)
    await funds.received(console, GALA, 60_000_000, 40_000_000)


async def at_work(
    console: Console, visit: Visit, campaign_id: str, received_fen: int, *people: str
) -> list[Page]:
    """A campaign of the test's own with money in its fund, and its page as each of these people sees it."""
    await funds.launched(console, campaign_id)
    await funds.received(console, campaign_id, received_fen)
    pages = [await visit(person, f"/spending?campaign_id={campaign_id}") for person in people]
    for page in pages:
        await expect(page.locator("#fund .left")).to_contain_text(f"¥{received_fen // 100:,}.00")
    return pages


def row_of(page: Page, text: str) -> Locator:
    return page.locator("tbody tr", has_text=text)


async def ask(page: Page, particular: str, lines: list[tuple[str, str, str, str]]) -> None:
    """Fill and send the request."""
    await page.keyboard.press("c")
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("募捐活动").select_option(GALA)
    await expect(sheet.locator(".known")).to_contain_text("基金可批余额")
    await sheet.get_by_label("用途").fill("助学圆梦")
    await sheet.get_by_label("具体事项").fill(particular)
    await sheet.get_by_label("收款方").fill("苏州市某某中学")
    await sheet.get_by_label("受益数量").fill("1217")
    for i, line in enumerate(lines):
        if i > 0:
            await sheet.get_by_role("button", name="加一行").click()
        for name, text in zip(("what", "count", "unit", "amount"), line, strict=True):
            await sheet.locator(".line").nth(i).locator(f".{name}").fill(text)
    await sheet.get_by_role("button", name="申请拨付").click()


async def test_money_is_asked_for_approved_by_another_paid_and_partly_returned(visit: Visit) -> None:
    page = await visit("finance", f"/spending?campaign_id={GALA}")
    await expect(page.locator("#fund .left")).to_contain_text("¥1,000,000.00")
    await ask(page, "冬季助学", [("学费", "100", "人", "30万"), ("书本", "", "", "2万")])
    row = row_of(page, "冬季助学")
    await expect(row).to_contain_text("320,000.00")
    await expect(row).to_contain_text("待批准")
    assert await page.get_by_role("button", name="批准 (a)").count() == 0, "finance does not approve"
    await row.click()
    sheet = page.get_by_role("dialog")
    await expect(sheet).to_contain_text("须由另一位审批人批准")
    await expect(sheet.locator("table.items")).to_contain_text("学费")
    await expect(sheet.get_by_role("button", name="批准", exact=True)).to_have_count(0)
    await page.keyboard.press("Escape")

    approver = await visit("approver", "/spending?state=requested")
    assert await approver.get_by_role("button", name="申请拨付").count() == 0
    await row_of(approver, "冬季助学").click()
    await expect(approver.get_by_role("dialog")).to_contain_text("¥680,000.00")
    await approver.get_by_role("dialog").get_by_role("button", name="批准", exact=True).click()
    await expect(approver.locator("#notices")).to_contain_text("已批准")
    await expect(row_of(approver, "冬季助学")).to_have_count(0)

    # The other window has it without a reload.
    await expect(row).to_contain_text("待付款")
    await row.click()
    await sheet.get_by_role("button", name="今日已付款").click()
    await expect(row).to_contain_text("已付款")
    await row.click()
    await sheet.get_by_role("button", name="登记退回").click()
    await sheet.get_by_label("退回金额").fill("5万")
    await sheet.get_by_label("理由").fill("两名学生已转学")
    await sheet.locator("form").get_by_role("button", name="登记退回").click()
    await approver.goto("/spending?return_waits=true")
    await row_of(approver, "冬季助学").click()
    await approver.get_by_role("dialog").get_by_role("button", name="确认退回").click()
    await turn_to(page)
    await expect(row).to_contain_text("部分退回")
    await expect(page.locator("#fund .left")).to_contain_text("¥730,000.00")


async def test_the_guardrail_says_why_and_what_is_left(console: Console, visit: Visit) -> None:
    viewer = await console.person("viewer")
    left = (await viewer.get(f"campaign/v1/campaigns/{GALA}/balance")).json()["balance_fen"]
    await funds.requested(console, GALA, left + 1, title="超出余额的一笔")
    page = await visit("approver", f"/spending?campaign_id={GALA}&state=requested")
    await row_of(page, "超出余额的一笔").locator("input").check()
    await page.get_by_role("button", name="批准 (a)").click()
    await page.get_by_role("dialog").get_by_role("button", name="批准", exact=True).click()
    answer = page.locator(".guardrail")
    await expect(answer).to_contain_text("护栏拒绝：基金余额不够")
    yuan = f"¥{left // 100:,}.{left % 100:02}"
    await expect(answer.locator("div", has_text="还剩").last).to_contain_text(yuan)
    sheet = page.get_by_role("dialog")
    await sheet.get_by_role("button", name="驳回").click()
    await sheet.get_by_label("理由").fill("余额不够，请减少")
    await sheet.locator("form").get_by_role("button", name="驳回").click()
    await expect(row_of(page, "超出余额的一笔")).to_have_count(0)

    page = await visit("finance", f"/spending?campaign_id={GALA}", lang="en")
    await page.get_by_role("button", name="Request money (c)").click()
    sheet = page.get_by_role("dialog")
    for field, text in {
        "use": "另一种用途",
        "payee": "某某",
        "beneficiaries": "1",
        "amount_fen": "100",
    }.items():
        await sheet.locator(f"#field-{field}").fill(text)
    await sheet.get_by_role("button", name="Request money").click()
    await expect(sheet.locator(".guardrail")).to_contain_text("the plan has no such use")
    await expect(sheet.locator(".guardrail")).to_contain_text("助医恤病")
    words = await page.evaluate(
        "[...document.querySelectorAll('[data-text]')].map(e => e.textContent).join(' ')"
    )
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words


async def filled(page: Page, amounts: dict[str, str], reason: str) -> None:
    """Open the budget's form, fill and send it."""
    sheet = page.get_by_role("dialog")
    await page.keyboard.press("b")
    await sheet.get_by_role("button", name="提出预算").click()
    for use, amount in amounts.items():
        await sheet.get_by_label(use).fill(amount)
    await sheet.get_by_label("理由").fill(reason)
    await sheet.locator("form").get_by_role("button", name="提出预算").click()


async def test_a_budget_is_put_forward_and_confirmed_by_another(console: Console, visit: Visit) -> None:
    page, approver = await at_work(console, visit, "spending-budget", 50_000_000, "finance", "approver")
    sheet, other_sheet = page.get_by_role("dialog"), approver.get_by_role("dialog")
    await filled(page, {}, "按用途分配")
    await expect(sheet.locator(".wrong")).to_contain_text("至少给一个用途写上金额")
    await sheet.get_by_label("助医恤病").fill("30万")
    await sheet.get_by_label("助学圆梦").fill("5万")
    await expect(sheet.locator(".known")).to_have_text("预算合计 ¥350,000.00 · 基金可批余额 ¥500,000.00")
    await sheet.locator("form").get_by_role("button", name="提出预算").click()
    await expect(page.locator("#notices")).to_contain_text("已提出预算")
    await expect(page.locator("#fund")).to_contain_text("预算待另一人确认")
    await page.keyboard.press("b")
    await expect(sheet).to_contain_text("须由另一位审批人确认")
    await expect(sheet.get_by_role("button", name="确认预算")).to_have_count(0)
    await page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)
    await turn_to(approver)
    await expect(approver.locator("#fund")).to_contain_text("预算待另一人确认")
    await approver.keyboard.press("b")
    await expect(other_sheet.locator(".waiting")).to_contain_text("¥300,000.00")
    await other_sheet.get_by_role("button", name="确认预算").click()
    await expect(approver.locator("#notices")).to_contain_text("预算已生效")
    await turn_to(page)
    await expect(page.locator("#fund .budget")).to_contain_text("300,000.00")


async def test_the_budget_holds_requests_and_is_not_set_below_what_is_spent(
    console: Console, visit: Visit
) -> None:
    campaign_id = "spending-held"
    page, approver = await at_work(console, visit, campaign_id, 50_000_000, "finance", "approver")
    finance = await console.person("finance")
    budget = {"lines": [{"use": "助学圆梦", "amount_fen": 5_000_000}], "reason": "按用途分配"}
    await funds.done(finance.post(f"campaign/v1/campaigns/{campaign_id}/budget", budget), 201)
    await funds.step(console, "approver", f"campaigns/{campaign_id}/budget", "confirm")
    paid = await funds.requested(console, campaign_id, 4_000_000, title="占用预算")
    await funds.step(console, "approver", f"disbursements/{paid}", "approve")
    for each in (page, approver):
        await turn_to(each)
        await expect(each.locator("#fund .budget")).to_contain_text("10,000.00")
    sheet, other_sheet = page.get_by_role("dialog"), approver.get_by_role("dialog")
    await page.keyboard.press("c")
    await sheet.get_by_label("募捐活动").select_option(campaign_id)
    await expect(sheet.locator(".known")).to_contain_text("助学圆梦 ¥10,000.00")
    wanted = {"use": "助学圆梦", "payee": "某某中学", "beneficiaries": "9", "amount_fen": "1.5万"}
    for field, text in wanted.items():
        await sheet.locator(f"#field-{field}").fill(text)
    await sheet.get_by_role("button", name="申请拨付").click()
    await expect(sheet.locator(".guardrail")).to_contain_text("护栏拒绝：超出预算")
    await expect(sheet.locator(".guardrail")).to_contain_text("¥10,000.00")
    await page.keyboard.press("Escape")
    await expect(sheet).to_contain_text("还没有提交")
    await page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)

    await filled(page, {"助学圆梦": "3万"}, "减少")
    await expect(page.locator("#notices")).to_contain_text("已提出预算")
    await turn_to(approver)
    await expect(approver.locator("#fund")).to_contain_text("预算待另一人确认")
    await approver.keyboard.press("b")
    await other_sheet.get_by_role("button", name="确认预算").click()
    await expect(other_sheet.locator(".guardrail")).to_contain_text("预算低于已用")
    await expect(other_sheet.locator(".guardrail")).to_contain_text("助学圆梦")
    await expect(other_sheet.locator(".guardrail")).to_contain_text("¥40,000.00")
    await other_sheet.get_by_role("button", name="撤回预算").click()
    await expect(approver.locator("#notices")).to_contain_text("预算已撤回")


async def test_invoices_are_added_to_a_request_and_kept_with_their_hash(
    console: Console, visit: Visit
) -> None:
    campaign_id = "spending-invoices"
    content = b"%PDF-1.4\n" + b"x" * 2_000
    (page,) = await at_work(console, visit, campaign_id, 1_000_000, "finance")
    for title in ("有发票的一笔", "重复报销的一笔"):
        await funds.requested(console, campaign_id, 30_000, title=title)
    sheet = page.get_by_role("dialog")
    await row_of(page, "有发票的一笔").click()

    async def add(name: str, media_type: str, buffer: bytes, **said: str) -> None:
        await sheet.get_by_role("button", name="添加发票").first.click()
        file: FilePayload = {"name": name, "mimeType": media_type, "buffer": buffer}
        form = sheet.locator("form")
        await form.get_by_label("发票文件").set_input_files(file)
        for label, text in said.items():
            await form.get_by_label(label).fill(text)
        await form.get_by_role("button", name="添加发票").click()

    await sheet.get_by_role("button", name="添加发票").click()
    await sheet.locator("form").get_by_role("button", name="添加发票").click()
    await expect(sheet.locator(".said.bad")).to_have_count(1)
    await add("a.pdf", "application/pdf", b"no invoice")
    await expect(sheet.locator(".guardrail")).to_contain_text("不是 PDF、PNG 或 JPEG")
    number = "24412000000012345678"
    await add("a.pdf", "application/pdf", content, 名称="助学金.pdf", 发票号码=number, 发票金额="250.5")
    await expect(page.locator("#notices")).to_contain_text("已添加发票")
    line = sheet.locator("table.invoices tbody tr")
    digest = hashlib.sha256(content).hexdigest()
    for told in ("助学金.pdf", number, "250.50"):
        await expect(line).to_contain_text(told)
    await expect(line.locator("code")).to_have_attribute("title", digest)
    await expect(sheet).to_contain_text("发票合计 250.50 元 · 申请 300.00 元")
    await add("again.pdf", "application/pdf", content)
    await expect(sheet.locator(".guardrail")).to_contain_text("这份文件已经有了")
    async with page.expect_download() as download:
        await line.get_by_role("link").click()
    kept = await (await download.value).path()
    assert kept.read_bytes() == content

    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")  # the file that was refused is still in its field
    await row_of(page, "重复报销的一笔").click()
    await add("b.pdf", "application/pdf", content + b"y", 发票号码=number, 发票金额="300.01")
    await expect(sheet.locator("table.invoices")).to_contain_text("号码别处也用过")
    await expect(sheet.locator(".alarm-text")).to_contain_text("发票合计 300.01 元")


async def test_the_two_shares_of_the_year_stand_beside_what_the_law_asks(
    console: Console, visit: Visit
) -> None:
    year = today_of(datetime.now(UTC)).year
    body = {
        "year": year - 1,
        "income_fen": 20_000_000,
        "programme_fen": 18_000_000,
        "management_fen": 500_000,
        "spending_fen": 19_000_000,
        "reference": f"苏审〔{year}〕12号",
    }
    finance = await console.person("finance")
    stated = await funds.done(finance.post(f"campaign/v1/organisations/{funds.CITY}/stated-years", body), 201)
    await funds.step(console, "approver", f"stated-years/{stated['statement_id']}", "confirm")
    paid = await funds.requested(console, GALA, 15_000_000)
    await funds.step(console, "approver", f"disbursements/{paid}", "approve")
    await funds.step(console, "finance", f"disbursements/{paid}", "pay")
    shares = await funds.done(finance.get(f"campaign/v1/organisations/{funds.CITY}/ratios", year=year))
    page = await visit("viewer", f"/spending?of={funds.CITY}&year={year}")
    meters = page.locator(".meter")
    await expect(meters).to_have_count(3)
    basis_points = shares["spent_of_last_bp"]
    await expect(meters.nth(0)).to_contain_text(f"{basis_points // 100}.{basis_points % 100:02}\u00a0% 达标")
    await expect(meters.nth(2)).to_contain_text("不超过 10\u00a0%")
    assert await page.get_by_role("button", name="申请拨付").count() == 0, "a viewer looks"


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, visit: Visit) -> None:
    await funds.requested(console, GALA, 100_000, title="无障碍检查")
    page = await visit("finance", f"/spending?campaign_id={GALA}")
    await expect(row_of(page, "无障碍检查").first).to_be_visible()
    await for_everybody(page)
    await page.keyboard.press("c")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await for_everybody(page)
