"""The page of donors' personal data: finance finds, gives out and asks; an approver erases or refuses."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from shared.events import CampaignLaunched
from tests.browser import funds
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.gifts import Gifts, gifts_of
from tests.browser.readable import for_everybody
from tests.services.donation.builders import a_donor, new_id

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CAMPAIGN = "personal-data-2027"
WORDS = (
    "[...document.querySelectorAll('h1, [data-text], th, label, select option, dt, .said, #main button')]"
    ".map(each => each.textContent).join()"
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gifts(console: Console) -> AsyncIterator[Gifts]:
    async with gifts_of(console) as gifts:
        await gifts.tell(CampaignLaunched, CAMPAIGN, title="2027 新年慈善晚会")
        yield gifts


async def given(gifts: Gifts, phone: str, **changes: Any) -> str:
    """A donation of somebody who is reached at this number."""
    donor = a_donor(**{"name": "钱多多", "contact": {"phone": phone}} | changes)
    _, donation_id = await gifts.given(campaign_id=CAMPAIGN, donor=donor, message="愿平安")
    return donation_id


async def asked(console: Console, donation_id: str, person: str = "finance") -> str:
    """A request that waits; its number."""
    reference = new_id("PIPL")
    body = {"donation_ids": [donation_id], "reference": reference}
    await funds.done((await console.person(person)).post("donation/v1/erasures", body), 201)
    return reference


async def sought(page: Page, by: str, value: str) -> None:
    await page.get_by_label("按什么找").select_option(by)
    await page.get_by_label("捐赠人说的").fill(value)
    await page.get_by_label("捐赠人说的").press("Enter")


async def decided(page: Page, reference: str, button: str) -> None:
    """Take a step with the request, after a slip of the hand."""
    sheet = page.get_by_role("dialog")
    await page.locator("tbody tr", has_text=reference).click()
    await sheet.get_by_role("button", name=button).click()
    typed = sheet.get_by_label("照原样输入申请编号")
    await typed.fill(reference[:-1])
    await page.keyboard.press("Enter")
    await expect(sheet.locator(".said.bad")).to_have_text("与申请编号不同")
    await typed.fill(reference)
    await page.keyboard.press("Enter")
    await expect(page.locator("dialog")).to_have_count(0)


async def test_finance_finds_a_donor_and_gives_out_what_is_known(
    console: Console, gifts: Gifts, tmp_path: Path, visit: Visit
) -> None:
    one, other = await given(gifts, "13900010001"), await given(gifts, "13900010001", display="anonymous")
    stranger = await given(gifts, "13900010002", name="孙不识")
    page = await visit("finance", "/personal-data")
    rows, sheet = page.locator("tbody tr"), page.get_by_role("dialog")
    await sought(page, "phone", "0512 1234")
    await expect(page.locator(".said.bad")).to_have_text("不是内地手机号")
    await sought(page, "phone", "13900019999")
    await expect(page.locator("#table .empty")).to_contain_text("换一种说法再找")
    await sought(page, "phone", "139 0001 0001")
    await expect(rows).to_have_count(2)
    assert "1390001" not in page.url
    await page.locator("h1").click()
    await page.keyboard.press("X")
    await sought(page, "donation_id", stranger)  # what is chosen stays
    await expect(rows).to_have_count(3)
    await expect(page.locator(".count")).to_have_text("已选 2 条")
    await page.get_by_role("button", name="查阅、复制").click()
    for told in ("2 笔捐赠", "钱多多", "+8613900010001", "愿平安", "不公开", "Kafka"):
        await expect(sheet).to_contain_text(told)
    await expect(sheet).not_to_contain_text("孙不识")
    async with page.expect_download() as download:
        await sheet.get_by_role("button", name="下载给捐赠人").click()
    await (await download.value).save_as(tmp_path / "given.json")
    given_out = json.loads((tmp_path / "given.json").read_text("utf-8"))
    assert {each["donation_id"] for each in given_out["donations"]} == {one, other}
    assert {each["donor_name"] for each in given_out["donations"]} == {"钱多多"}
    log = (await (await console.person("administrator")).get("console/audit", limit=200)).json()["items"]
    assert {"phone", "donation_ids"} <= {each["summary"] for each in log}
    assert "1390001" not in json.dumps(log), "who has looked is written down, not for whom"


async def test_what_finance_asks_for_another_person_erases(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    donation_id, reference = await given(gifts, "13900010006"), new_id("PIPL")
    page = await visit("finance", f"/personal-data?donation_id={donation_id}")
    rows, sheet = page.locator("tbody tr"), page.get_by_role("dialog")
    await expect(rows).to_have_count(1)
    await page.locator("h1").click()
    await page.keyboard.press("e")
    await sheet.get_by_label("申请编号").fill("钱 多多")
    await page.keyboard.press("Enter")
    await expect(sheet.locator(".said.bad")).to_contain_text("不含空格")
    await sheet.get_by_label("申请编号").fill(reference)
    await page.keyboard.press("Enter")
    await expect(page.locator("#notices")).to_contain_text(f"{reference} 已提出")
    await page.get_by_role("link", name="删除申请").click()
    await rows.filter(has_text=reference).click()
    await expect(sheet).to_contain_text("等审批人执行或拒绝")
    assert await sheet.get_by_role("button", name="执行删除").count() == 0
    await page.keyboard.press("Escape")

    approver = await visit("approver", "/personal-data?view=find&state=asked")
    assert await approver.locator("#seek").is_hidden()
    await decided(approver, reference, "执行删除")
    await expect(approver.locator("#notices")).to_contain_text(f"{reference} 已删除")
    await expect(rows.filter(has_text=reference)).to_contain_text("已删除")  # without a reload
    export = {"donation_ids": [donation_id]}
    finance = await console.person("finance")
    (known,) = (await funds.done(finance.post("donation/v1/personal-data/export", export)))["donations"]
    assert (known["donor_name"], known["contact"], known["message"]) == (None, None, None)


async def test_a_request_is_refused_and_nobody_carries_out_their_own(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    donation_id = await given(gifts, "13900010003")
    reference = await asked(console, donation_id, "administrator")
    page = await visit("administrator", "/personal-data?view=erasures&state=asked")
    sheet = page.get_by_role("dialog")
    await page.locator("tbody tr", has_text=reference).click()
    await expect(sheet).to_contain_text("您提出的，须由另一位审批人执行")
    assert await sheet.get_by_role("button", name="执行删除").count() == 0
    await page.keyboard.press("Escape")
    await decided(page, reference, "拒绝")
    await expect(page.locator("#notices")).to_contain_text("没有删除任何信息")
    await expect(page.locator("tbody tr", has_text=reference)).to_have_count(0)
    await page.get_by_label("状态").select_option("refused")
    await expect(page.locator("tbody tr", has_text=reference)).to_contain_text("已拒绝")


async def test_only_finance_and_approvers_have_the_page(console: Console, gifts: Gifts) -> None:
    donation_id = await given(gifts, "13900010004")
    for name in ("viewer", "desk", "moderator", "county"):
        person = await console.person(name)
        assert (await person.client.get("/personal-data")).status_code == 403
        assert (
            await person.post("donation/v1/personal-data/export", {"donation_ids": [donation_id]})
        ).status_code == 403
        assert (await person.get("donation/v1/erasures")).status_code == 403
    approver = await console.person("approver")
    assert (
        await approver.post("donation/v1/personal-data/find", {"donation_id": donation_id})
    ).status_code == 403


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, gifts: Gifts, visit: Visit) -> None:
    donation_id = await given(gifts, "13900010005", name="Ada Lovelace")
    reference = await asked(console, donation_id)
    page = await visit("administrator", lang="en")
    sheet = page.get_by_role("dialog")

    async def looked_at() -> None:
        words = (await page.evaluate(WORDS)).replace("2027 新年慈善晚会", "")
        assert "undefined" not in words
        assert not any("\u4e00" <= character <= "\u9fff" for character in words), words
        await for_everybody(page, dark="desk")

    await page.goto(f"/personal-data?donation_id={donation_id}")  # as the donation's record leads here
    await expect(page.locator("tbody tr")).to_have_count(1)
    await looked_at()
    await page.locator("tbody tr").click()
    await expect(sheet).to_contain_text("Ada Lovelace")
    await looked_at()
    await page.goto("/personal-data?view=erasures")
    await page.locator("tbody tr", has_text=reference).click()
    await sheet.get_by_role("button", name="Erase").click()
    await looked_at()
