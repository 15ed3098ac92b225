"""The page of the evening, in a real browser on the real console before a real reporting service."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from shared.dead_letters import DeadLetter
from tests.browser.conftest import Visit
from tests.browser.consoles import PARTITIONS, Console
from tests.browser.evening import Evening, until
from tests.browser.gifts import gifts_of
from tests.browser.readable import for_everybody
from tests.browser.windows import later, turn_to
from tests.services.reporting.builders import CampaignSource, Source

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

TEXTS = "[...document.querySelectorAll('[data-text], .hint, .badge')].map(e => e.textContent).join(' ')"
STALE_S = 8
"""After three rounds of two seconds without an answer, and a second, what a page shows is said to be old."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def happening(console: Console) -> AsyncIterator[Evening]:
    """The events of an evening, for the reporting service behind the console."""
    async with console.evening() as evening:
        await caught_up(console, evening)
        yield evening


async def caught_up(console: Console, evening: Evening) -> None:
    """Wait until what tests of other pages have brought about is counted: by an event on each partition."""
    mark, now = f"caught-up-{uuid4().hex[:8]}", datetime.now(UTC)
    letters = a_letter(f"intake.{mark}", now)
    for partition in range(PARTITIONS):
        campaign = f"{mark}-{partition}"
        campaigns = CampaignSource(partition, service=f"campaign/{mark}")
        gifts = Source(partition, channel=mark, first_number=700_000_000 + partition)
        await evening.happens(campaigns.launched(campaign), gifts.received(1, campaign_id=campaign))
        await evening.bury(letters.model_copy(update={"partition": partition}), partition)
    for partition in range(PARTITIONS):
        await evening.counted(f"{mark}-{partition}", 1)
    viewer = await console.person("viewer")

    async def buried() -> bool:
        found = (await viewer.get("reporting/v1/operations")).json()["dead_letters"]["counts"]
        counts = [int(each["count"]) for each in found if each["topic"] == letters.topic]
        return sum(counts) == PARTITIONS

    await until("all letters are counted", buried)


def a_letter(topic: str, at: datetime) -> DeadLetter:
    return DeadLetter(
        reason="malformed-json",
        detail="The body is refused: <b>not JSON</b>",
        service="donation",
        topic=topic,
        partition=0,
        offset=1041,
        recorded_at=at,
        failed_at=at,
    )


@pytest_asyncio.fixture(loop_scope="session")
async def tonight(happening: Evening, visit: Visit) -> AsyncIterator[Page]:
    """The page, open and live, of somebody who may only look."""
    page = await visit("viewer", "/")
    await live(page)
    yield page


async def live(page: Page) -> None:
    await expect(page.locator("#freshness")).to_have_attribute("data-state", "live", timeout=20_000)


async def soon(page: Page, element: Locator, text: str) -> None:
    """What the page asks for every third round only: somebody turns to it until it is there."""

    async def there() -> bool:
        await turn_to(page)
        return text in (await element.text_content() or "")

    await until(f"{text} is there", there)


async def shows(page: Page, element: str, text: str) -> None:
    await expect(page.locator(f"#{element}")).to_have_text(text, timeout=60_000)


async def test_the_desk_sees_the_evening_without_a_reload(tonight: Page, happening: Evening) -> None:
    page = tonight
    campaign, channel = "desk", happening.channel()
    now = datetime.now(UTC)
    await happening.happens(happening.campaigns.launched(campaign, title="运营看的晚会"))
    await page.evaluate("window.sameLoad = true")
    held, conflicts, letters = [
        int(await page.locator(f"#{name}").text_content() or "") for name in ("held", "conflicts", "letters")
    ]
    gifts = [channel.received(12_300, campaign_id=campaign, at=now, received_at=now) for _ in range(7)]
    await happening.happens(
        *gifts, channel.held(campaign_id=campaign), channel.conflicted(campaign_id=campaign)
    )
    await happening.bury(a_letter(f"intake.{channel.channel}", now))
    await shows(page, "held", str(held + 1))
    await shows(page, "conflicts", str(conflicts + 1))
    await shows(page, "letters", str(letters + 1))
    line = page.locator("#channels tr").filter(has_text=channel.channel)

    async def counted() -> bool:
        wanted = [channel.channel, "0", "7", "861.00", "1", "1", "1"]
        return await line.locator("td").all_text_contents() == wanted

    await until("the channel's line is right", counted)
    letter = page.locator("#letters-rows tr").filter(has_text=f"intake.{channel.channel}/0:1041")
    await expect(letter).to_contain_text("JSON 格式错误 — The body is refused: <b>not JSON</b>")

    await page.locator(".campaign").filter(has_text="运营看的晚会").get_by_role("button").click()
    await expect(page.locator("#spark-peak")).to_contain_text("峰值 7 笔", timeout=30_000)
    await expect(page.locator("#spark-title")).to_contain_text("运营看的晚会")
    assert await page.evaluate("window.sameLoad") is True


async def test_what_somebody_has_dealt_with_asks_for_no_hand(console: Console, tonight: Page) -> None:
    figure, hint = tonight.locator("#figure-conflicts"), tonight.locator("#conflicts-hint")
    async with gifts_of(console) as gifts:
        body, _ = await gifts.given("held", campaign_id="nobody-knows-it")
        await gifts.put({**body, "amount_fen": body["amount_fen"] + 1})
    await soon(tonight, hint, "条待处理")
    await expect(figure).to_have_attribute("data-level", "warn")
    finance = await console.person("finance")
    for each in (await finance.get("donation/v1/conflicts", limit=200)).json()["items"]:
        place = {name: each[name] for name in ("source", "sequence")}
        asked = {"conflicts": [place], "reason": "与渠道核对过"}
        assert (await finance.post("donation/v1/conflicts/resolve", asked)).status_code == 200
    await soon(tonight, hint, "都已处理")
    await expect(hint).to_have_text("都已处理")
    await expect(figure).to_have_attribute("data-level", "plain")


async def test_pace_stands_against_the_plan(tonight: Page, happening: Evening) -> None:
    now, channel = datetime.now(UTC), happening.channel()
    await happening.happens(
        happening.campaigns.launched(
            "planned",
            title="按计划的晚会",
            goal_fen=100_000,
            window_start=now - timedelta(hours=2),
            window_end=now + timedelta(hours=2),
        ),
        channel.received(20_000, campaign_id="planned", at=now, received_at=now),
    )
    plan = tonight.locator(".campaign").filter(has_text="按计划的晚会").locator(".plan")
    await soon(tonight, plan, "已达 20% · 时间已过 50")
    await expect(plan).to_have_attribute("data-level", "warn")
    await happening.happens(channel.received(60_000, campaign_id="planned", at=now, received_at=now))
    await expect(plan).to_have_attribute("data-level", "good", timeout=60_000)


async def test_the_lag_and_the_health_of_the_services_are_known(
    console: Console, tonight: Page, happening: Evening
) -> None:
    await happening.happens(happening.campaigns.launched("lag"))
    line = tonight.locator("#services tr").filter(has_text="campaign.events").filter(has_text="统计")
    await expect(line.locator("td").last).to_have_text("0", timeout=60_000)
    health = tonight.locator("#health")
    await expect(health.locator("li").filter(has_text="统计")).to_contain_text("就绪")
    started = console.services.children.get("notification")  # by another page's tests, or not
    told = "就绪" if started and started.running else "没有回答"
    await expect(health.locator("li").filter(has_text="通知")).to_contain_text(told)


async def test_a_service_that_is_away_is_said_to_be_and_comes_back(console: Console, tonight: Page) -> None:
    await asyncio.to_thread(console.services.leave, "reporting")
    alert = tonight.locator("#alerts")
    await expect(alert).to_contain_text("统计服务暂时没有回答", timeout=30_000)
    await later(tonight, STALE_S)
    await expect(tonight.locator("#freshness")).to_have_attribute("data-state", "stale", timeout=30_000)
    await expect(tonight.locator("#health li").filter(has_text="统计")).to_contain_text("没有回答")
    await asyncio.to_thread(console.services.restart, "reporting")
    await live(tonight)
    await expect(alert).to_have_text("")


async def test_nothing_is_asked_while_the_page_is_out_of_sight(tonight: Page) -> None:
    hide = """Object.defineProperty(document, 'hidden', {get: () => window.away, configurable: true});
              window.away = true"""
    count = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/operations')).length"
    await tonight.evaluate(hide)
    await expect(tonight.locator("#freshness")).to_have_attribute("data-state", "stale", timeout=30_000)
    before = await tonight.evaluate(count)
    await tonight.evaluate("window.away = false; document.dispatchEvent(new Event('visibilitychange'))")
    await live(tonight)
    assert await tonight.evaluate(count) > before


async def test_an_hour_at_the_desk_adds_no_nodes(tonight: Page, happening: Evening) -> None:
    campaign, channel = "long-desk", happening.channel()
    await happening.happens(happening.campaigns.launched(campaign), channel.received(campaign_id=campaign))
    await tonight.locator("#channels tr").filter(has_text=channel.channel).wait_for(timeout=60_000)
    nodes = "document.getElementsByTagName('*').length"
    rounds = "performance.getEntriesByType('resource').filter(e => e.name.endsWith('/operations')).length"
    before, asked = await tonight.evaluate(nodes), await tonight.evaluate(rounds)
    await happening.happens(*[channel.received(campaign_id=campaign) for _ in range(200)])

    async def some_rounds_later() -> bool:
        await turn_to(tonight)
        return int(await tonight.evaluate(rounds)) >= int(asked) + 4

    await until("four more rounds", some_rounds_later)
    assert await tonight.evaluate(nodes) == before


async def test_the_page_is_for_everybody(happening: Evening, visit: Visit) -> None:
    page = await visit("desk", "/", lang="en")
    await live(page)
    words = str(await page.evaluate(TEXTS))
    assert "undefined" not in words
    assert not any("\u4e00" <= character <= "\u9fff" for character in words), words
    await for_everybody(page)
    await for_everybody(page, dark="desk")


async def test_who_works_for_one_organisation_is_told_that_this_concerns_all(
    console: Console, visit: Visit
) -> None:
    await console.needs("reporting")
    page = await visit("county", "/")
    await expect(page.locator("#alerts")).to_contain_text("您的角色不能做这一步")
