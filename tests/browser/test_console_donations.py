"""The donations page: finance finds a donation, sees its whole record and takes a part of it back."""

import csv
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Response, expect

from services.donation.reconciliation.days import day_of
from shared.events import CampaignLaunched
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.evening import until
from tests.browser.gifts import Gifts, gifts_of
from tests.browser.readable import for_everybody
from tests.services.donation.builders import OCCURRED_AT, a_donor, new_id

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

ORGANISATION = "姑苏市慈善总会"
WORDS = "[...document.querySelectorAll('[data-text], th, label, .table-bar')].map(e => e.textContent).join()"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gifts(console: Console) -> AsyncIterator[Gifts]:
    async with gifts_of(console) as gifts:
        await gifts.tell(CampaignLaunched, "gala-2027", title="2027 新年慈善晚会", organisation=ORGANISATION)
        yield gifts


async def a_gift(gifts: Gifts, **changes: Any) -> tuple[dict[str, Any], str]:
    return await gifts.given(**{"campaign_id": "gala-2027", **changes})


async def receipt_of(console: Console, donation_id: str) -> str:
    """A receipt that finance issues for it."""
    administrator, finance = await console.person("administrator"), await console.person("finance")
    await administrator.post(
        "donation/v1/receipt-organisations", {"organisation": ORGANISATION, "code": "GSCS"}
    )

    async def issued() -> Any:
        answer = await finance.post(
            "donation/v1/receipts", {"donation_ids": [donation_id], "handler": "陈会计"}
        )
        return answer.json().get("number")

    return str(await until("a receipt is issued", issued))


async def test_finance_finds_a_donation_and_takes_a_part_of_it_back(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    company = a_donor(kind="company", name="太湖实业有限公司")
    body, donation_id = await a_gift(gifts, amount_fen=5_000_000, donor=company)
    await a_gift(gifts, amount_fen=5_000_000, channel="alipay", donor=a_donor(display="anonymous"))
    number = await receipt_of(console, donation_id)
    page = await visit("finance", "/donations")
    rows, search = page.locator("tbody tr"), page.get_by_label("交易号、捐赠号、票据号或尾号")
    transaction = body["transaction_id"]
    for typed in (donation_id.upper(), transaction, transaction[-6:], number.lower()):
        await search.fill(typed)
        await page.keyboard.press("Enter")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text("太湖实业有限公司")
        await search.fill(new_id("nobody"))  # or the next one's row would be there before it is found
        await page.keyboard.press("Enter")
        await expect(rows).to_have_count(0)
    await search.fill("123")
    await page.keyboard.press("Enter")
    await expect(page.locator(".empty")).to_contain_text("至少填 4 位")
    await search.fill(transaction[-4:])
    await page.get_by_label("金额（元）").fill("5万")
    await page.get_by_label("捐赠日期").fill(day_of(OCCURRED_AT).isoformat())
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(1)
    assert "find=" in page.url
    assert "amount=" in page.url

    await page.locator("h1").click()
    await page.keyboard.press("Enter")
    sheet = page.get_by_role("dialog")
    for told in ("50,000.00", "5万", "入账", transaction, number, "等待渠道账单", "intake.wechat/"):
        await expect(sheet).to_contain_text(told)
    await sheet.get_by_text("退款（财务）").click()
    await sheet.get_by_label("金额（元）").fill("60000")
    await sheet.get_by_label("原因").fill("重复转账")
    await sheet.get_by_role("button", name="登记退款").click()
    await expect(sheet.locator(".said.bad")).to_have_text("最多还能退 50,000.00 元")
    await sheet.get_by_label("金额（元）").fill("2万")
    await sheet.get_by_role("button", name="登记退款").click()
    await expect(page.locator("#notices")).to_contain_text("已登记退回 20,000.00 元")
    await expect(sheet).to_contain_text("已扣减")
    await expect(sheet).to_contain_text("退回 20,000.00 · 退款")
    await expect(sheet).to_contain_text("30,000.00")
    await page.keyboard.press("Escape")
    await expect(rows).to_contain_text("已退 20,000")

    await page.keyboard.press("l")
    await expect(page.locator("h1")).to_have_text("Donations")
    words = await page.evaluate(WORDS)
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words


async def test_the_desk_sees_the_record_and_can_take_nothing_back(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    await console.needs("notification")
    _, donation_id = await a_gift(gifts)
    page = await visit("desk")
    answers: list[int] = []

    def note(answer: Response) -> None:
        if "/notification/" in answer.url:
            answers.append(answer.status)

    page.on("response", note)
    await page.goto(f"/donations?find={donation_id}")
    await page.locator("tbody tr").first.click()
    sheet = page.get_by_role("dialog")
    await expect(sheet).to_contain_text("尚未开票")
    await expect(sheet).to_contain_text("没有联系方式，未发送。")
    page.remove_listener("response", note)
    assert set(answers) == {200}
    assert await sheet.get_by_text("退款（财务）").count() == 0
    desk = await console.person("desk")
    path = f"donation/v1/donations/{donation_id}/reversals"
    assert (await desk.post(path, {"kind": "refund", "reason": "试"})).status_code == 403
    await page.goto("/donations?find=" + new_id("nobody"))
    await expect(page.locator(".empty")).to_contain_text("没有符合条件的记录")
    refused = await (await visit("nobody")).goto("/donations")
    assert refused is not None
    assert refused.status == 403


async def test_what_was_found_is_taken_as_a_file(gifts: Gifts, tmp_path: Path, visit: Visit) -> None:
    body, _ = await a_gift(gifts, amount_fen=123_456)
    page = await visit("viewer", f"/donations?find={body['transaction_id']}")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="导出 CSV").click()
    path = tmp_path / "donations.csv"
    await (await download.value).save_as(path)
    lines = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"))))
    assert lines[0][1] == "金额"
    assert [line[1] for line in lines[1:]] == ["1234.56"]


async def test_a_donor_who_takes_the_name_back_leaves_the_open_screen_and_the_receipts_check(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    await console.needs("reporting")
    name = "金鸡湖科技有限公司"
    _, donation_id = await a_gift(gifts, donor=a_donor(kind="company", name=name))
    number = await receipt_of(console, donation_id)
    address = f"{console.services.wiring.url('reporting')}/screens/gala-2027?layout=hall"
    screen = await visit("desk", address)
    await expect(screen.locator("body")).to_contain_text(name)

    page = await visit("desk", f"/donations?find={donation_id}")
    await page.locator("tbody tr").first.click()
    sheet = page.get_by_role("dialog")
    await sheet.get_by_text("撤回署名同意").click()
    await sheet.get_by_label("捐赠人怎样提出的").fill("来电，核对了交易号")
    await sheet.get_by_role("button", name="撤回署名").click()
    await expect(sheet.locator(".said.bad")).to_have_text("请先与捐赠人核实，再勾选")
    await sheet.get_by_label(f"已核实是“{name}”本人的意思").check()
    await sheet.get_by_role("button", name="撤回署名").click()
    await expect(page.locator("#notices")).to_contain_text("已撤回署名")
    for told in ("匿名 · 单位", "已入账", "已撤回署名", "经办：desk · 来电，核对了交易号"):
        await expect(sheet).to_contain_text(told)
    await expect(sheet.get_by_role("button", name="撤回署名")).to_have_count(0)
    await expect(sheet).not_to_contain_text(name)
    await page.keyboard.press("Escape")
    await expect(page.locator("tbody tr")).to_contain_text("匿名")
    await expect(screen.locator("body")).not_to_contain_text(name)

    finance = await console.person("finance")
    code = (await finance.get(f"donation/v1/receipts/{number}")).json()["check_code"]
    address = f"{console.services.wiring.url('donation')}/receipts/check?number={number}&code={code}"
    await page.goto(address)
    await expect(page.locator("body")).to_contain_text(number)
    await expect(page.locator("body")).not_to_contain_text(name)


async def test_nothing_on_the_page_shuts_anybody_out(gifts: Gifts, visit: Visit) -> None:
    _, donation_id = await a_gift(gifts)
    page = await visit("finance", f"/donations?find={donation_id}", lang="en")
    await page.locator("tbody tr").first.click()
    await page.get_by_role("dialog").get_by_text("Take back (finance)").click()
    await for_everybody(page, dark="desk")
