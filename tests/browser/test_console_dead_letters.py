"""The dead letters page: the desk sends again what could not be used, finance sets it aside."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.evening import until
from tests.browser.gifts import Gifts, gifts_of
from tests.browser.readable import for_everybody
from tests.browser.windows import turn_to
from tests.services.donation.builders import a_donation

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

WORDS = "[...document.querySelectorAll('[data-text], th, label, .table-bar')].map(e => e.textContent).join()"
TOPIC = "intake.alipay"
PATH = "donation/v1/dead-letters"
THE_LIST = re.compile(r"/v1/dead-letters\?")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gifts(console: Console) -> AsyncIterator[Gifts]:
    async with gifts_of(console) as gifts:
        yield gifts


async def buried(console: Console, gifts: Gifts, *records: Any) -> list[dict[str, Any]]:
    """Records that can't be used, on the topic; their letters, the newest first."""
    viewer = await console.person("viewer")
    before = len((await viewer.get(PATH, topic=TOPIC, shown="all")).json())
    for record in records:
        await gifts.put(record, "alipay")

    async def there() -> Any:
        found = (await viewer.get(PATH, topic=TOPIC, shown="all")).json()
        return found[: len(records)] if len(found) >= before + len(records) else None

    return list(await until("the letters are there", there))


def row_id(letter: dict[str, Any]) -> str:
    return f"{letter['topic']}/{letter['partition']}:{letter['offset']}"


async def test_the_desk_sends_again_many_at_once_and_is_told_what_was_not_sent(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    letters = await buried(console, gifts, b"{oops", a_donation(amount_fen=0))
    page = await visit("desk", f"/dead-letters?topic={TOPIC}")
    rows = [page.locator(f'tr[data-id="{row_id(each)}"]') for each in letters]
    await expect(rows[0]).to_contain_text("字段不合规")
    await expect(rows[0]).to_contain_text("amount_fen")
    await expect(rows[1]).to_contain_text("JSON 格式错误")
    await rows[1].click()
    sheet = page.get_by_role("dialog")
    await expect(sheet).to_contain_text("请渠道改正后重新报来")
    assert await sheet.get_by_role("button", name="查看内容").count() == 0
    await page.keyboard.press("Escape")
    for row in rows:
        await row.get_by_role("checkbox").check()
    # What a colleague has sent would leave the list, and with it what is chosen, by the next look at it.
    await page.route(THE_LIST, lambda route: route.abort())
    one = {name: letters[0][name] for name in ("topic", "partition", "offset")}
    quicker = await (await console.person("desk-two")).post(f"{PATH}/replay", {"letters": [one]})
    assert quicker.status_code == 200, quicker.text
    await page.keyboard.press("s")
    await expect(page.locator("#notices")).to_contain_text("1 条已再次发送")
    await expect(sheet).to_contain_text("已有人再次发送")
    await page.keyboard.press("Escape")
    await page.unroute(THE_LIST)
    await turn_to(page)
    await expect(rows[0]).to_have_count(0)
    await page.get_by_label("哪些").select_option("all")
    await expect(rows[0]).to_contain_text("desk-two 已重发")
    await expect(rows[1]).to_contain_text("desk 已重发")


async def test_finance_looks_at_the_content_and_sets_it_aside_with_a_reason(
    console: Console, gifts: Gifts, visit: Visit
) -> None:
    (letter,) = await buried(console, gifts, b'{"donor": "<b>\xe7\x8e\x8b\xe5\xb0\x8f\xe6\x98\x8e</b>"')
    page = await visit("finance", "/dead-letters")
    row = page.locator(f'tr[data-id="{row_id(letter)}"]')
    assert await page.get_by_role("button", name="再次发送").count() == 0, "that is the desk's"
    await row.click()
    sheet = page.get_by_role("dialog")
    await expect(sheet).not_to_contain_text("王小明")
    await sheet.get_by_role("button", name="查看内容").click()
    await expect(sheet.locator("pre")).to_have_text('{"donor": "<b>王小明</b>"')
    await expect(sheet).to_contain_text("看过的人finance")
    await page.keyboard.press("Escape")
    await row.get_by_role("checkbox").check()
    await page.keyboard.press("a")
    await sheet.get_by_label("原因").fill("渠道已重新报来")
    await sheet.get_by_role("button", name="搁置").click()
    await expect(row).to_have_count(0)
    await page.get_by_label("哪些").select_option("set_aside")
    await expect(row).to_contain_text("finance 已搁置：渠道已重新报来")
    await page.keyboard.press("l")
    words = await page.evaluate(WORDS)
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words


async def test_a_viewer_only_looks(console: Console, gifts: Gifts, visit: Visit) -> None:
    (letter,) = await buried(console, gifts, b"{oops again")
    page = await visit("viewer", "/dead-letters")
    await expect(page.locator(f'tr[data-id="{row_id(letter)}"]')).to_be_visible()
    assert await page.locator(".actions button").count() == 0
    viewer = await console.person("viewer")
    place = {name: letter[name] for name in ("topic", "partition", "offset")}
    for path, body in (("replay", {}), ("set-aside", {"reason": "试"})):
        answer = await viewer.post(f"{PATH}/{path}", {"letters": [place], **body})
        assert answer.status_code == 403, answer.text
    assert (await viewer.get(f"{PATH}/{TOPIC}/{place['partition']}/{place['offset']}")).status_code == 403


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, gifts: Gifts, visit: Visit) -> None:
    (letter,) = await buried(console, gifts, b"{oops")
    page = await visit("administrator", "/dead-letters")
    row = page.locator(f'tr[data-id="{row_id(letter)}"]')
    await expect(row).to_be_visible()
    await for_everybody(page, dark="desk")
    await row.locator("td").nth(2).click()
    await page.get_by_role("button", name="查看内容").click()
    await expect(page.locator("pre")).to_be_visible()
    await for_everybody(page, dark="desk")
