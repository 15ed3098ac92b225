"""The reconciliation page: a bill imported, what differs seen, one booked and one resolved with a reason."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import FilePayload, Page, expect
from sqlalchemy import text

from services.donation.reconciliation.bill_formats import Format, read_bill
from services.donation.reconciliation.bill_lines import BillUnusable, require_whole
from services.donation.statements.profiles import Profile, written_out
from services.donation.statements.reading import open_table
from services.donation.statements.unreadable import Unreadable
from shared.database import create_engine, disposing
from shared.events import CampaignLaunched
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.evening import until
from tests.browser.gifts import gifts_of
from tests.browser.readable import for_everybody

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

DAY = (datetime.now(UTC).astimezone(ZoneInfo("Asia/Shanghai")) - timedelta(days=2)).date().isoformat()


def bill_of(*payments: tuple[str, int | str]) -> FilePayload:
    """A bill of DAY in our own format; nobody knows what the payments were for."""
    lines = [f"{number},payment,{fen},,{DAY}T20:15:00+08:00,," for number, fen in payments]
    head = "transaction_id,kind,amount_fen,fee_fen,occurred_at,reversal_id,campaign_id"
    return {"name": "bill.csv", "mimeType": "text/csv", "buffer": "\n".join([head, *lines, ""]).encode()}


async def a_channel(console: Console) -> str:
    await console.needs("donation")
    administrator = await console.person("administrator")
    name = f"b{uuid4().hex[:10]}"
    answer = await administrator.post("donation/v1/channels", {"channel": name, "title": "湘江银行"})
    assert answer.status_code == 201, answer.text
    return name


async def breaks_of(console: Console, name: str, state: str) -> list[dict[str, Any]]:
    viewer = await console.person("viewer")
    answer = await viewer.get("donation/v1/reconciliation/breaks", channel=name, state=state)
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_finance_imports_a_bill_and_closes_what_differs(console: Console, visit: Visit) -> None:
    name = await a_channel(console)
    async with gifts_of(console) as gifts:
        await gifts.tell(CampaignLaunched, "booked-gala")
        await gifts.given(campaign_id="booked-gala")
    page = await visit("finance", f"/reconciliation?channel={name}")
    await page.locator("h1").click()
    await page.keyboard.press("a")
    sheet = page.get_by_role("dialog")
    await sheet.get_by_label("渠道").select_option(name)
    await sheet.get_by_label("日期").fill(DAY)
    await sheet.get_by_label("格式").select_option("plain")
    await sheet.get_by_label("账单文件").set_input_files(bill_of(("lost-1", "66.00"), ("lost-2", 0)))
    await sheet.get_by_role("button", name="导入对账单").click()
    await expect(sheet.locator("#field-body-said")).to_have_text("整份没有收下，这些行有误：")
    await expect(sheet.locator(".wrong-lines li")).to_have_text(
        [
            "第 2 行：amount_fen 须为整数（分）",
            "第 3 行：amount_fen 须大于 0，且不超过一笔捐赠的上限",
        ]
    )
    await sheet.get_by_label("格式").select_option("")
    await sheet.get_by_label("账单文件").set_input_files(bill_of(("lost-1", 6_600), ("lost-2", 700)))
    await sheet.get_by_role("button", name="导入对账单").click()
    await expect(sheet.locator(".wrong")).to_have_text("与这个渠道没有约定账单格式，请选择格式。")
    await sheet.get_by_label("格式").select_option("plain")
    await sheet.get_by_label("已人工核对").check()
    await sheet.get_by_role("button", name="导入对账单").click()
    await expect(page.locator(".notice")).to_contain_text("2 笔 ¥73.00")

    day = page.locator("tbody tr")
    await expect(day).to_contain_text("我们缺 2", timeout=30_000)
    await expect(day).to_contain_text("73.00")
    await day.click()
    await expect(page).to_have_url(f"{console.url}/reconciliation?view=breaks&channel={name}&day={DAY}")
    rows = page.locator("tbody tr")
    await expect(rows).to_have_count(2)

    await page.locator("h1").click()
    await page.keyboard.press("e")
    await sheet.get_by_label("原因").fill("渠道测试款，已确认")
    await sheet.get_by_role("button", name="了结").click()
    await expect(rows).to_have_count(1)
    assert [each["reason"] for each in await breaks_of(console, name, "resolved")] == ["渠道测试款，已确认"]

    await rows.locator("td").nth(2).click()
    await expect(sheet).to_contain_text("lost-2")
    await sheet.get_by_role("button", name="补记").click()
    await sheet.get_by_label("活动").fill("gala-nobody-filed")
    await sheet.get_by_role("button", name="补记").click()
    await expect(sheet.locator("#field-campaign_id-said")).to_have_text("没有这个活动，请先登记。")
    await sheet.get_by_label("活动").fill("booked-gala")
    await sheet.get_by_role("button", name="补记").click()
    await expect(rows).to_have_count(0, timeout=30_000)
    assert [each["transaction_id"] for each in await breaks_of(console, name, "settled")] == ["lost-2"]
    await page.locator("#filter-state").select_option("resolved")
    await expect(rows).to_contain_text("渠道测试款，已确认")


HEADING = "transaction_id,kind,amount_fen,fee_fen,occurred_at,reversal_id,campaign_id\n"
NOON = f"{DAY}T12:00:00+08:00"
UNUSABLE: list[tuple[Format, str, str]] = [
    ("plain", "transaction_id,kind\n", "gb18030"),
    ("plain", "账单", "gb18030"),
    ("plain", HEADING + f",payment,1,,{NOON},,\n", "utf-8"),
    ("plain", HEADING + f"a,payment,1.5,,{NOON},,\n", "utf-8"),
    ("plain", HEADING + f"a,payment,0,,{NOON},,\n", "utf-8"),
    ("plain", HEADING + f"a,gift,1,,{NOON},,\n", "utf-8"),
    ("plain", HEADING + "a,payment,1,,yesterday,,\n", "utf-8"),
    ("plain", HEADING + f"a,payment,1,,{NOON},,\na,payment,1,,{NOON},,\n", "utf-8"),
    ("plain", HEADING + "a,payment,1,,2026-01-01T12:00:00+08:00,,\n", "utf-8"),
    ("wechatpay", "交易时间,微信订单号\n", "utf-8"),
    ("alipay", "别的表\n", "gb18030"),
    ("alipay", "支付宝交易号,业务类型,完成时间,订单金额（元）,退款批次号/请求号,服务费（元）\n", "gb18030"),
]


def said_of(form: Format, content: bytes) -> list[str]:
    """What the service says of a bill that it does not take."""
    with pytest.raises(BillUnusable) as refused:
        require_whole(read_bill(content, form), "bank", datetime.fromisoformat(DAY).date())
    lines: Any = refused.value.facts.get("lines", [])
    return [refused.value.detail, *lines]


UNREADABLE: list[bytes] = [
    b"",
    b"a,b\n1,2\n",
    b"<x/>",
    b"PK\x03\x04 no workbook",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an old one",
]


def said_of_file(content: bytes) -> str:
    """What it says of a statement's file."""
    layout = Profile.model_validate(
        written_out("tencent-charity") | {"campaign": {"otherwise": "x"}}
    ).layout()
    with pytest.raises(Unreadable) as refused:
        open_table(content, layout)
    return refused.value.detail


async def test_what_is_wrong_with_a_bill_is_said_in_chinese(modules: Page) -> None:
    said = [said_of(form, content.encode(encoding))[-1] for form, content, encoding in UNUSABLE]
    said += [said_of_file(content) for content in UNREADABLE]
    rule = "async said => said.map((await import('/static/bill-words.js')).billRule)"
    spoken = await modules.evaluate(rule, said)
    unspoken = [one for one, other in zip(said, spoken, strict=True) if one == other or " is " in other]
    assert unspoken == []


RANGES = [
    ("none", [], []),
    ("one", ["2026-03-01"], [["2026-03-01", "2026-03-01"]]),
    (
        "over-a-month",
        ["2026-02-28", "2026-03-01", "2026-03-03"],
        [["2026-02-28", "2026-03-01"], ["2026-03-03", "2026-03-03"]],
    ),
    ("over-a-year", ["2025-12-31", "2026-01-01"], [["2025-12-31", "2026-01-01"]]),
]


@pytest.mark.parametrize(("days", "spans"), [case[1:] for case in RANGES], ids=[case[0] for case in RANGES])
async def test_days_in_a_row_are_said_as_one(modules: Page, days: list[str], spans: list[list[str]]) -> None:
    found = await modules.evaluate("async days => (await import('/static/reconciled.js')).ranges(days)", days)
    assert found == spans


async def test_the_share_counts_days_without_a_bill_and_says_who_lacks_what(
    console: Console, visit: Visit
) -> None:
    unagreed, owing = f"u{uuid4().hex[:10]}", await a_channel(console)
    finance = await console.person("finance")
    first = (datetime.fromisoformat(DAY) - timedelta(days=2)).date().isoformat()
    terms = {"format": "plain", "due_from": first}
    answer = await finance.send("PUT", f"donation/v1/reconciliation/terms/{owing}", terms)
    assert answer.status_code == 200, answer.text
    async with gifts_of(console) as gifts:
        await gifts.tell(CampaignLaunched, "reconciled-gala")
        noon = f"{DAY}T12:00:00+08:00"
        await gifts.given(
            channel=unagreed, campaign_id="reconciled-gala", amount_fen=30_000, occurred_at=noon
        )

    empty = text("DELETE FROM reconciled_days WHERE channel = :channel AND ours_fen = 0")
    database = console.services.wiring.databases["donation"]
    async with disposing(create_engine(database, "test")) as engine:

        async def stated() -> bool:
            shares = (await finance.get("donation/v1/reconciliation/shares")).json()
            if any(each["channel"] == unagreed and each["ours_fen"] == 30_000 for each in shares):
                return True
            # Judged before the money came, a day is looked at again only after an hour.
            async with engine.begin() as connection:
                await connection.execute(empty, {"channel": unagreed})
            return False

        await until("the day is judged", stated)
    shares = (await finance.get("donation/v1/reconciliation/shares")).json()
    ours, matched = (sum(each[name] for each in shares) for name in ("ours_fen", "matched_fen"))
    page = await visit("finance", f"/reconciliation?channel={unagreed}")
    share = f"{matched * 10_000 // ours / 100:.2f}".removesuffix(".00")
    await expect(page.locator("#share .value")).to_have_text(f"{share} %")
    await expect(page.locator("#share")).to_contain_text("账单未到的算未对平")
    lines = page.locator("#owed li")
    await expect(lines.filter(has_text=unagreed)).to_have_text(f"{unagreed} 缺 1 天： {DAY}未约定账单")
    await expect(lines.filter(has_text=owing)).to_contain_text(f"{first} 至 ")
    await expect(lines.filter(has_text=owing)).not_to_contain_text("未约定")
    await expect(page.locator("tbody tr")).to_contain_text("未约定账单")
    await expect(page.locator("tbody tr")).to_contain_text("0 %")


async def test_who_may_only_look_is_offered_nothing_else(console: Console, visit: Visit) -> None:
    await console.needs("donation")
    page = await visit("viewer", "/reconciliation?view=breaks", lang="en")
    await expect(page.locator("h1")).to_have_text("Reconciliation")
    await expect(page.locator("#missing .value")).not_to_be_empty()
    await expect(page.get_by_role("button", name="Import")).to_be_hidden()
    await expect(page.get_by_role("button", name="Resolve")).to_have_count(0)
    assert "undefined" not in await page.locator("main").inner_text()
    viewer = await console.person("viewer")
    refused = await viewer.post("donation/v1/reconciliation/breaks/1/resolve", {"reason": "没有权限"})
    assert refused.status_code == 403, refused.text


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, visit: Visit) -> None:
    await console.needs("donation")
    page = await visit("finance", "/reconciliation")
    await expect(page.locator("#missing .value")).not_to_be_empty()
    await page.locator("h1").click()
    await page.keyboard.press("a")
    await expect(page.get_by_role("dialog")).to_contain_text("账单文件")
    await for_everybody(page)
