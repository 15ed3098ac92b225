"""The operations page and its sign-in, in a real browser on the real service."""

from datetime import UTC, datetime

import pytest
from playwright.async_api import Page

from shared.dead_letters import DeadLetter
from tests.browser.evening import OPERATOR_TOKEN, VISITOR_TOKEN, Evening, Wire, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LANGUAGE_LEFTOVERS = "[...document.querySelectorAll('[data-text]')].map(e => e.textContent).join(' ')"


async def sign_in(page: Page, address: str, token: str = OPERATOR_TOKEN) -> None:
    await page.goto(f"{address}/operations")
    await page.get_by_label("访问令牌").fill(token)
    await page.get_by_role("button", name="登录").click()


async def says(page: Page, element: str, text: str, *, within_s: float = 60.0) -> None:
    async def there() -> bool:
        return await page.locator(f"#{element}").text_content() == text

    await until(f"#{element} says {text!r}", there, within_s=within_s)


@pytest.mark.parametrize(
    ("token", "said"), [("wrong", "令牌不正确。"), (VISITOR_TOKEN, "令牌正确，但运营台涵盖全部组织，")]
)
async def test_only_those_who_may_see_the_desk_get_in(
    page: Page, evening: Evening, token: str, said: str
) -> None:
    await sign_in(page, evening.reporting.url, token)
    assert said in (await page.get_by_role("alert").text_content() or "")
    await page.goto(f"{evening.reporting.url}/operations")
    assert page.url.endswith("/login")


async def test_signing_out_ends_it(page: Page, evening: Evening) -> None:
    await sign_in(page, evening.reporting.url)
    await says(page, "state", "实时")
    await page.get_by_role("button", name="退出").click()
    await page.wait_for_url("**/login")
    await page.goto(f"{evening.reporting.url}/operations")
    assert page.url.endswith("/login")


async def test_the_desk_sees_the_evening_without_a_reload(page: Page, evening: Evening) -> None:
    campaign, channel = "desk", evening.channel()
    now = datetime.now(UTC)
    await evening.happens(evening.campaigns.launched(campaign, title="运营看的晚会"))
    await sign_in(page, evening.reporting.url)
    await says(page, "state", "实时")
    await page.evaluate("window.sameLoad = true")
    held = int(await page.locator("#held").text_content() or "")
    conflicts = int(await page.locator("#conflicts").text_content() or "")
    letters = int(await page.locator("#letters").text_content() or "")

    gifts = [channel.received(12_300, campaign_id=campaign, at=now, received_at=now) for _ in range(7)]
    await evening.happens(
        *gifts, channel.held(campaign_id=campaign), channel.conflicted(campaign_id=campaign)
    )
    await evening.bury(
        DeadLetter(
            reason="malformed-json",
            detail="The body is refused: <b>not JSON</b>",
            service="donation",
            topic=f"intake.{channel.channel}",
            partition=0,
            offset=1041,
            recorded_at=now,
            failed_at=now,
        )
    )

    await says(page, "held", str(held + 1))
    await says(page, "conflicts", str(conflicts + 1))
    await says(page, "letters", str(letters + 1))
    line = page.locator("#channels tr").filter(has_text=channel.channel)

    async def counted() -> bool:
        return await line.locator("td").all_text_contents() == [channel.channel, "0", "7", "861.00", "1", "1"]

    await until("the channel's line is right", counted)
    letter = page.locator("#letters-rows tr").filter(has_text=f"intake.{channel.channel}/0:1041")
    assert "JSON 格式错误 — The body is refused: <b>not JSON</b>" in (await letter.text_content() or "")

    entry = page.locator(".campaign").filter(has_text="运营看的晚会")
    await entry.get_by_role("button").click()

    async def peak() -> bool:
        return "峰值 7 笔" in (await page.locator("#spark-peak").text_content() or "")

    await until("the minutes are drawn", peak)
    assert "运营看的晚会" in (await page.locator("#spark-title").text_content() or "")
    assert await page.evaluate("window.sameLoad") is True


async def test_the_lag_of_the_services_is_known(page: Page, evening: Evening) -> None:
    await evening.happens(evening.campaigns.launched("lag"))
    await sign_in(page, evening.reporting.url)
    line = page.locator("#services tr").filter(has_text="campaign.events").filter(has_text="统计")

    async def caught_up() -> bool:
        return await line.count() == 1 and await line.locator("td").last.text_content() == "0"

    await until("reporting has caught up on campaign.events", caught_up)


async def test_a_desk_cut_off_says_so_and_recovers(page: Page, evening: Evening, wire: Wire) -> None:
    await sign_in(page, wire.url)
    await says(page, "state", "实时")
    wire.refuse()
    await says(page, "state", "已停更")
    assert "连不上统计服务" in (await page.locator("#alerts").text_content() or "")
    wire.mend()
    await says(page, "state", "实时")
    assert await page.locator("#alerts").text_content() == ""


async def test_the_desk_speaks_english_by_choice(page: Page, evening: Evening) -> None:
    await sign_in(page, evening.reporting.url)
    await says(page, "state", "实时")
    await page.get_by_role("link", name="English").click()
    await says(page, "state", "Live")
    texts = str(await page.evaluate(LANGUAGE_LEFTOVERS))
    assert "undefined" not in texts
    assert not any("\u4e00" <= character <= "\u9fff" for character in texts), texts


async def test_an_hour_at_the_desk_adds_no_nodes(page: Page, evening: Evening) -> None:
    campaign, channel = "long-desk", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign), channel.received(campaign_id=campaign))
    await evening.counted(campaign, 10_000)
    await sign_in(page, evening.reporting.url)
    await page.locator("#channels tr").filter(has_text=channel.channel).wait_for()
    nodes = "document.getElementsByTagName('*').length"
    rounds = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/v1/operations')).length"
    before, asked = await page.evaluate(nodes), await page.evaluate(rounds)
    await evening.happens(*[channel.received(campaign_id=campaign) for _ in range(200)])

    async def some_rounds_later() -> bool:
        return int(await page.evaluate(rounds)) >= int(asked) + 4

    await until("four more rounds", some_rounds_later)
    assert await page.evaluate(nodes) == before
