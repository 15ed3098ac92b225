"""The messages page: a moderator approves and refuses by keyboard, takes it back, and sets list and rules."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from shared.events import CampaignLaunched
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.evening import until
from tests.browser.gifts import Gifts, gifts_of
from tests.browser.readable import for_everybody
from tests.services.donation.builders import a_donor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CAMPAIGN = "messages-2027"
WORDS = (
    "[...document.querySelectorAll('h1, [data-text], th, label, #rules, #main button')]"
    ".map(each => each.textContent).join()"
)
SAID = (
    ("愿山里的孩子们都有一间亮堂的教室", 10_000, {"display": "alias", "alias": "苏州阿姨"}),
    ("加我微信 liangyou88 有好项目", 500_000, {"display": "anonymous"}),
    ("祝奶奶的眼睛早日看见", 2_000_000, {"display": "name", "name": "陈建国"}),
    ("平安喜乐，一生顺遂", 8_800, {"display": "anonymous"}),
    ("致敬所有医护人员", 66_600, {"display": "name", "name": "李芳"}),
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gifts(console: Console) -> AsyncIterator[Gifts]:
    async with gifts_of(console) as gifts:
        await gifts.tell(CampaignLaunched, CAMPAIGN, title="2027 新年慈善晚会")
        for text, fen, shown in SAID:
            donor = a_donor(**shown)
            await gifts.given(campaign_id=CAMPAIGN, message=text, amount_fen=fen, donor=donor)
        moderator = await console.person("moderator")

        async def all_wait() -> bool:
            answer = await moderator.get("donation/v1/messages", campaign_id=CAMPAIGN)
            return len(answer.json()["items"]) == len(SAID)

        await until("the rules have looked at every message", all_wait)
        yield gifts


async def states(console: Console) -> dict[str, list[str]]:
    """The texts in each state, as the service has them."""
    moderator = await console.person("moderator")
    found = {}
    for state in ("waiting", "approved", "refused", "refused_by_rule", "withdrawn"):
        answer = await moderator.get("donation/v1/messages", campaign_id=CAMPAIGN, state=state)
        found[state] = sorted(item["text"] for item in answer.json()["items"])
    return found


async def refused(console: Console, gifts: Gifts) -> None:
    """A message that a moderator has refused."""
    _, message_id = await gifts.given(campaign_id=CAMPAIGN, message="买一送一", amount_fen=10_000)
    moderator = await console.person("moderator")
    verdict = {"message_id": message_id, "version": 0, "decision": "refuse", "reason": "advertising"}

    async def done() -> bool:
        answer = await moderator.post("donation/v1/messages/decisions", {"decisions": [verdict]})
        return bool(answer.json()["done"] == 1)

    await until("the message is refused", done)


async def opened(page: Page, query: str = "") -> Any:
    await page.goto(f"/messages?campaign_id={CAMPAIGN}{query}")
    await expect(page.locator("tbody tr").first).to_be_visible()
    return page.locator("tbody tr")


async def test_a_moderator_decides_in_batches_by_keyboard_and_takes_it_back(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    page = await visit("moderator")
    rows = await opened(page)
    await expect(rows).to_have_count(5)
    await expect(rows.filter(has_text="加我微信")).to_contain_text("像微信号")
    await expect(page.get_by_label("活动")).to_contain_text(f"{CAMPAIGN}（待审 5）")

    await rows.filter(has_text="加我微信").locator(".choose input").click()
    await page.keyboard.press("r")
    sheet = page.get_by_role("dialog")
    await expect(sheet).to_contain_text("拒绝 1 条")
    await page.keyboard.press("Escape")
    await expect(page.locator(".count")).to_have_text("已选 1 条")
    await page.keyboard.press("r")
    await page.keyboard.press("2")
    await expect(page.locator("#notices")).to_contain_text("已拒绝 1 条（广告）")
    await expect(rows).to_have_count(4)

    await page.keyboard.press("x")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await expect(page.locator(".count")).to_have_text("已选 2 条")
    chosen = sorted(await page.locator("tr[aria-selected=true] .message-text").all_inner_texts())
    assert len(chosen) == 2
    await page.keyboard.press("a")
    await expect(page.locator("#notices")).to_contain_text("已批准 2 条")
    await expect(rows).to_have_count(2)
    assert (await states(console))["approved"] == chosen
    await page.keyboard.press("u")
    await expect(page.locator("#notices")).to_contain_text("已撤销：2 条恢复为“待审”")
    await expect(rows).to_have_count(4)
    found = await states(console)
    assert (found["approved"], found["withdrawn"], found["refused"]) == ([], [], [SAID[1][0]])

    await page.keyboard.press("X")
    await expect(page.locator(".count")).to_have_text("已选 4 条")
    await page.keyboard.press("a")
    await expect(rows).to_have_count(0)
    await expect(page.locator("#table .empty")).to_contain_text("新的留言会自动出现")
    _, late = await gifts.given(campaign_id=CAMPAIGN, message="直播间的朋友们加油", amount_fen=100_000)
    await expect(rows).to_have_count(1)
    other = await console.person("administrator")
    verdict = {"message_id": late, "version": 0, "decision": "refuse", "reason": "other"}
    await page.route(re.compile(r"/v1/messages\?"), lambda route: route.abort())
    answer = await other.post("donation/v1/messages/decisions", {"decisions": [verdict]})
    assert answer.json()["done"] == 1, answer.text
    await expect(page.locator("#table")).to_have_attribute("aria-busy", "false")
    await page.keyboard.press("a")
    await expect(page.locator("#notices")).to_contain_text("同事已先处理")
    assert (await states(console))["refused"] == sorted([SAID[1][0], "直播间的朋友们加油"])


@pytest.mark.parametrize("key", ["a", "6"], ids=["approval", "refusal"])
async def test_undo_puts_each_message_back_to_what_it_was(
    console: Console, gifts: Gifts, key: str, visit: Visit
) -> None:
    campaign_id = f"messages-undo-{key}"
    await gifts.tell(CampaignLaunched, campaign_id, title="撤销")
    long = "好" * 101
    for text in ("愿平安", long):
        await gifts.given(campaign_id=campaign_id, message=text)
    moderator = await console.person("moderator")
    page = await visit("moderator")
    rows = page.locator("tbody tr")
    for state, text, word in (("waiting", "愿平安", "待审"), ("refused_by_rule", long, "规则已拒")):
        await page.goto(f"/messages?campaign_id={campaign_id}&state={state}")
        await expect(rows).to_have_count(1)
        await page.keyboard.press(key)
        await expect(rows).to_have_count(0)
        await page.keyboard.press("u")
        await expect(page.locator("#notices")).to_contain_text(f"已撤销：1 条恢复为“{word}”")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text(f"{word} · moderator")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_contain_text(f"moderator · 撤销上一决定 · 恢复为“{word}”")
        answer = await moderator.get("donation/v1/messages", campaign_id=campaign_id, state=state)
        (item,) = answer.json()["items"]
        assert (item["text"], item["version"]) == (text, 2)


async def test_what_may_be_personal_data_is_approved_by_itself_only(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    campaign_id = "messages-personal"
    await gifts.tell(CampaignLaunched, campaign_id, title="个人信息")
    delicate = ("找我 138 0000 0000", "祝2027年更好")
    for text in ("愿平安", *delicate, "加油"):
        await gifts.given(campaign_id=campaign_id, message=text)
    page = await visit("moderator", f"/messages?campaign_id={campaign_id}")
    rows, notices, dialog = page.locator("tbody tr"), page.locator("#notices"), page.get_by_role("dialog")
    await expect(rows).to_have_count(4)
    await page.keyboard.press("X")
    await expect(page.locator(".count")).to_have_text("已选 4 条")
    await page.keyboard.press("a")
    await expect(notices).to_contain_text("已批准 2 条")
    await expect(notices).to_contain_text("2 条可能含个人信息（像电话号码 1、有数字 2），没有批准")
    await expect(rows).to_have_count(2)
    await expect(page.locator("#table")).to_have_attribute("aria-busy", "false")
    await notices.evaluate("node => node.replaceChildren()")

    await page.keyboard.press("X")
    await expect(page.locator(".count")).to_have_text("已选 2 条")
    await page.keyboard.press("a")
    await expect(notices).to_contain_text("2 条可能含个人信息")
    await expect(page.locator(".count")).to_have_text("已选 2 条")
    await page.keyboard.press("X")
    await expect(page.locator(".count")).to_have_text("本页 2 条")

    await page.keyboard.press("a")
    await expect(dialog).to_contain_text("上了大屏的号码和地址收不回来")
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await expect(rows).to_have_count(2)
    await page.keyboard.press("a")
    await expect(dialog).to_contain_text(delicate[0])
    await page.keyboard.press("a")
    await expect(dialog).to_have_count(0)
    await expect(rows).to_have_count(1)
    await expect(page.locator("#table")).to_have_attribute("aria-busy", "false")

    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text(delicate[1])
    await page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await page.keyboard.press("a")
    await expect(rows).to_have_count(0)
    moderator = await console.person("moderator")
    answer = await moderator.get("donation/v1/messages", campaign_id=campaign_id, state="approved")
    assert sorted(item["text"] for item in answer.json()["items"]) == sorted(["愿平安", "加油", *delicate])


async def test_word_list_and_rules_are_set_and_set_back(console: Console, gifts: Gifts, visit: Visit) -> None:
    text = "欢迎来太湖钓鱼"
    await gifts.given(campaign_id=CAMPAIGN, message=text, amount_fen=12_000)
    page = await visit("moderator")
    rows = await opened(page)
    await expect(rows.filter(has_text=text)).to_have_count(1)
    await page.keyboard.press("w")
    field = page.get_by_label("每行一个词")
    await field.fill(f"{await field.input_value()}\n钓 鱼\n=VIP")
    await page.get_by_role("button", name="保存").click()
    await expect(page.locator("#notices")).to_contain_text("敏感词已保存")
    await expect(rows.filter(has_text=text)).to_have_count(0)
    assert text in (await states(console))["refused_by_rule"]
    await page.get_by_label("状态").select_option("refused_by_rule")
    await expect(rows.filter(has_text=text)).to_contain_text("命中敏感词：钓 鱼")
    await page.get_by_role("button", name="撤销").click()
    await expect(rows).to_have_count(0)

    await page.keyboard.press("c")
    await page.get_by_label("此金额起排在最前（元）").fill("1万")
    await page.get_by_label("最多字数").fill("300")
    await page.get_by_role("button", name="保存").click()
    await expect(page.locator(".said.bad")).to_be_visible()
    await page.get_by_label("最多字数").fill("60")
    await page.get_by_role("button", name="保存").click()
    await expect(page.locator("#rules")).to_have_text("全部人工审核 · 10,000 元起优先 · 最多 60 字")
    await page.keyboard.press("l")
    await expect(page.locator("#rules")).to_have_text(
        "a person decides about each · first from 10,000 CNY · 60 characters at most"
    )
    words = (await page.evaluate(WORDS)).replace("中文", "")
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words


async def test_who_does_not_moderate_reads_no_message(console: Console, gifts: Gifts, visit: Visit) -> None:
    page = await visit("viewer")
    answer = await page.goto("/messages")
    assert answer is not None
    assert answer.status == 403
    viewer = await console.person("viewer")
    assert (await viewer.get("donation/v1/messages/campaigns")).status_code == 403


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, gifts: Gifts, visit: Visit) -> None:
    await refused(console, gifts)
    page = await visit("moderator")
    await opened(page, "&state=refused")
    await for_everybody(page)
    await page.keyboard.press("w")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await for_everybody(page)
