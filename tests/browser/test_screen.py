"""The screen of a campaign, in a real browser, fed by a real reporting service on real Kafka."""

import json
import re
from typing import Any

import pytest
from playwright.async_api import Error, Page, Request, Route

from services.reporting.proof import digest_of
from services.reporting.totals import Amounts
from shared.events import CampaignClosed, CampaignFiled, CampaignLaunched, CampaignPaused
from shared.money import MAX_AMOUNT_FEN, format_yuan, parse_cn
from tests.browser.conftest import Another
from tests.browser.evening import Evening, Wire, until

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SIZES = [(1920, 1080), (3840, 1080), (1280, 800), (390, 844)]
SILENT_S = 25.0  # 10 s until it shows, and a margin for a busy machine
RECOVERY_S = 60.0
LOOK_MS = 50

READS = "([id, text]) => document.getElementById(id)?.textContent === text"

WATCH_NUMBER = """() => {
    window.shown = [];
    const number = document.getElementById('number');
    const look = () => {
        const text = number.textContent;
        if (text !== window.shown[window.shown.length - 1]) window.shown.push(text);
        requestAnimationFrame(look);
    };
    look();
}"""


async def reads(page: Page, element: str, text: str, *, within_s: float = 60.0) -> None:
    """Wait, in the page itself, until an element's text is this one."""
    try:
        await page.wait_for_function(READS, arg=[element, text], polling=LOOK_MS, timeout=within_s * 1_000)
    except Error:
        raise AssertionError(f"{element} is {await text_of(page, element)!r}, not {text!r}") from None


async def shows(page: Page, fen: int, *, within_s: float = 60.0) -> None:
    await reads(page, "number", format_yuan(fen), within_s=within_s)


async def text_of(page: Page, element: str) -> str:
    return await page.locator(f"#{element}").text_content() or ""


async def state_is(page: Page, text: str, *, within_s: float = 60.0) -> None:
    await reads(page, "state", text, within_s=within_s)


async def open_screen(page: Page, address: str, campaign: str, query: str = "") -> None:
    await page.goto(f"{address}/screens/{campaign}{query}")


async def donors_shown(page: Page) -> list[str]:
    return await page.locator(".donor:not(.vacant) .donor-name").all_text_contents()


async def test_the_number_reaches_the_exact_total_and_never_passes_it(moving: Page, evening: Evening) -> None:
    page = moving
    campaign, channel = "exact", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign))
    await evening.happens(channel.received(12_345, campaign_id=campaign))
    await evening.counted(campaign, 12_345)
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 12_345)
    await state_is(page, "实时")
    await page.evaluate(WATCH_NUMBER)

    total = 12_345
    for amount in (1, 99, 100_000_000, 7, 5_000, 123_456_789):
        total += amount
        await evening.happens(channel.received(amount, campaign_id=campaign))
    await shows(page, total)

    await until(
        "the watch has seen it too", lambda: page.evaluate(f"window.shown.includes('{format_yuan(total)}')")
    )
    shown = [parse_cn(text) for text in await page.evaluate("window.shown")]
    assert shown == sorted(shown), "the number went back without a reversal"
    assert shown[-1] == total
    assert len(shown) > 3, "the number jumped instead of running"


async def test_a_frame_never_shows_more_than_was_proved_before_it(modules: Page) -> None:
    """The running number against the proved one at each step, refunds in the middle of the run included."""
    await modules.evaluate("""async () => {
        const { Counter } = await import('/static/counter.js');
        window.seen = [];
        window.proved = 0n;
        const note = (shown) => seen.push([String(shown), String(proved)]);
        window.counter = new Counter(document.createElement('p'), String, { onShown: note });
        const frame = () => new Promise(requestAnimationFrame);
        for (const amount of [5n, 100000000000n, -70n, 1n, 2n ** 62n, -(2n ** 60n), 3n]) {
            proved += amount;
            counter.set(proved);
            for (let i = 0; i < 7; i += 1) await frame();
        }
    }""")
    arrives = "the running number arrives at the proved one"
    await until(arrives, lambda: modules.evaluate("counter.shown === proved"), within_s=10)
    steps = await modules.evaluate("seen")
    assert all(int(shown) <= int(proved) for shown, proved in steps)
    assert len(steps) > 20


async def test_a_refund_lowers_the_number_and_says_why(page: Page, evening: Evening) -> None:
    campaign, channel = "refund", evening.channel()
    gift = channel.received(1_000_000, campaign_id=campaign)
    await evening.happens(evening.campaigns.launched(campaign), gift)
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 1_000_000)
    assert await text_of(page, "step_back") == ""

    await evening.happens(channel.reversed(88_850, number=int(gift.sequence), campaign_id=campaign))
    await shows(page, 911_150)
    assert "888.50" in await text_of(page, "step_back")
    assert "888.50" in await text_of(page, "reversed_note")
    assert await text_of(page, "received") == "9,111.50"


async def test_a_cut_network_keeps_the_proved_number_and_says_so(another: Another, evening: Evening) -> None:
    """Two screens, side by side: one hears nothing any more, the other's connections are refused."""
    campaign, channel = "cut", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign), channel.received(5_000, campaign_id=campaign))
    async with Wire(evening.reporting.port) as pulled, Wire(evening.reporting.port) as off:
        screens = {wire: await another() for wire in (pulled, off)}
        for wire, screen in screens.items():
            await open_screen(screen, wire.url, campaign)
            await shows(screen, 5_000)
            await screen.evaluate("window.sameLoad = true")

        pulled.silence()
        off.refuse()
        await evening.happens(channel.received(700, campaign_id=campaign))
        await evening.counted(campaign, 5_700)
        for screen in screens.values():
            await state_is(screen, "正在确认", within_s=SILENT_S)
            assert await text_of(screen, "number") == "50.00"
            assert (await text_of(screen, "date")).startswith("数字截至")

        for wire, screen in screens.items():
            wire.mend()
            await state_is(screen, "实时", within_s=RECOVERY_S)
            await shows(screen, 5_700)
            assert await screen.evaluate("window.sameLoad") is True, "the page was loaded again"


async def test_a_restarted_server_is_found_again_and_the_stream_resumes(page: Page, evening: Evening) -> None:
    campaign, channel = "restart", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign), channel.received(5_000, campaign_id=campaign))
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 5_000)
    version = int(
        await page.evaluate("fetch('/v1/campaigns/restart/totals').then(r => r.json()).then(t => t.version)")
    )
    streams: list[Request] = []

    def note(request: Request) -> None:
        if "/stream" in request.url:
            streams.append(request)

    page.on("request", note)

    await evening.reporting.stop()
    await evening.happens(channel.received(1, campaign_id=campaign))
    await evening.reporting.start()

    await shows(page, 5_001, within_s=60)
    await state_is(page, "实时")
    page.remove_listener("request", note)
    assert streams, "the stream was not opened again"
    resumed = [await request.header_value("last-event-id") for request in streams]
    asked = [re.search(r"last_event_id=(\d+)", request.url) for request in streams]
    places = [int(header) for header in resumed if header] + [int(query[1]) for query in asked if query]
    assert version in places, "it did not say which version it had"


async def test_a_server_that_is_behind_cannot_take_the_number_back(
    page: Page, evening: Evening, wire: Wire
) -> None:
    """After a reconnect the screen meets a server with an older version, as one that is still catching up."""
    campaign, channel = "behind", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign), channel.received(5_000, campaign_id=campaign))
    await evening.counted(campaign, 5_000)
    await open_screen(page, wire.url, campaign)
    await shows(page, 5_000)
    older = await evening.totals(campaign) | {"version": 1, "received_fen": 900, "net_fen": 900, "recent": []}
    frame = f"event: snapshot\nid: 1\ndata: {json.dumps(older)}\n\n"

    async def answer(route: Route) -> None:
        await route.fulfill(content_type="text/event-stream", body=frame)

    await page.route("**/stream*", answer)
    wire.refuse()
    wire.mend()
    await state_is(page, "正在确认")
    assert await text_of(page, "number") == "50.00"

    await page.unroute("**/stream*")
    await state_is(page, "实时")
    await shows(page, 5_000)


async def test_hostile_names_are_text(page: Page, evening: Evening) -> None:
    campaign, channel = "hostile", evening.channel()
    names = [
        "<img src=x onerror=\"document.body.dataset.hacked='yes'\">",
        "<script>document.body.dataset.hacked='yes'</script>",
        "{{7*7}}${7*7}&lt;b&gt;",
        "\u202e善人\u202d",
        "很" * 64,
    ]
    title = "<svg onload=\"document.body.dataset.hacked='yes'\">晚会"
    await evening.happens(evening.campaigns.launched(campaign, title=title))
    await evening.happens(*[channel.received(100, campaign_id=campaign, name=name) for name in names])
    await evening.counted(campaign, 100 * len(names))
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 100 * len(names))
    shown = await donors_shown(page)
    assert set(shown) == {name.replace("\u202e", "").replace("\u202d", "") for name in names}
    assert await text_of(page, "title") == title
    assert await page.evaluate("document.body.dataset.hacked ?? null") is None
    assert await page.locator("main :not(figure) > img, main svg, main script").count() == 0

    await page.goto(evening.reporting.url)
    assert title in await page.locator("h2").all_text_contents()
    assert await page.evaluate("document.body.dataset.hacked ?? null") is None


async def test_only_agreed_names_are_shown_and_the_others_are_kind_hearts(
    page: Page, evening: Evening
) -> None:
    campaign, channel = "donors", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign))
    await open_screen(page, evening.reporting.url, campaign)
    await state_is(page, "实时")
    assert await page.locator(".nobody").is_visible()
    assert await donors_shown(page) == []

    await evening.happens(
        channel.received(10_000, campaign_id=campaign),
        channel.received(20_050, campaign_id=campaign, name="苏州某某有限公司", kind="company"),
    )
    await shows(page, 30_050)

    async def both() -> bool:
        return set(await donors_shown(page)) == {"苏州某某有限公司", "爱心人士"}

    await until("both donors are on the list", both)
    amounts = await page.locator(".donor:not(.vacant) .donor-amount").all_text_contents()
    assert set(amounts) == {"100", "200.50"}
    assert not await page.locator(".nobody").is_visible()


async def test_an_evening_adds_no_nodes_and_the_list_is_bounded(moving: Page, evening: Evening) -> None:
    page = moving
    campaign, channel = "evening", evening.channel()
    await evening.happens(
        evening.campaigns.launched(campaign), channel.received(11, campaign_id=campaign, name="一")
    )
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 11)
    await evening.happens(
        *[channel.received(1_000_000_000, campaign_id=campaign, name=f"第{n}位") for n in range(20)]
    )
    await shows(page, 20_000_000_011)
    nodes = "document.getElementsByTagName('*').length"
    before = await page.evaluate(nodes)

    total = 20_000_000_011
    for batch in range(30):
        gifts = [channel.received(500 + n, campaign_id=campaign, name=f"{batch}/{n}") for n in range(40)]
        total += sum(gift.data.amount_fen for gift in gifts)
        await evening.happens(*gifts)
    await shows(page, total)
    assert await page.evaluate(nodes) == before
    assert await page.locator(".donor").count() == 8


async def test_promised_received_and_disbursed_stand_apart_and_are_never_added(
    page: Page, evening: Evening
) -> None:
    campaign, channel = "promises", evening.channel()
    source = evening.campaigns
    await evening.happens(
        source.launched(campaign),
        source.pledged(5_475_000_000, campaign),
        channel.received(123_456, campaign_id=campaign),
    )
    await evening.counted(campaign, 123_456)
    await evening.happens(source.disbursed(41_290, campaign))
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 123_456)

    async def all_three() -> bool:
        texts = [await text_of(page, name) for name in ("promised_fen", "received", "disbursed_fen")]
        return texts == ["5475万", "1,234.56", "412.90"]

    await until("each promise has its own amount", all_three)
    assert await page.locator(".promise dt").all_text_contents() == ["认捐", "已到账", "已拨付"]
    for wrong in (5_475_000_000 + 123_456, 123_456 + 41_290, 123_456 - 41_290, 5_475_000_000 + 41_290):
        assert format_yuan(wrong) not in await page.locator("body").inner_text()


async def test_a_campaign_with_parts_says_what_they_make_together_beside_its_own_number(
    page: Page, evening: Evening
) -> None:
    campaign, parts, channel = "with-parts", ("team-one", "team-two"), evening.channel()
    await evening.happens(evening.campaigns.launched(campaign))
    for part in parts:
        await evening.happens(evening.campaigns.launched(part, parent_id=campaign, part_kind="team"))
    await evening.happens(channel.received(5_000_000, campaign_id=campaign))
    await evening.counted(campaign, 5_000_000)
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 5_000_000)
    await evening.happens(channel.received(7_345_600, campaign_id=parts[1]))

    async def there() -> bool:
        return "连同 2 个分活动共 123,456\u00a0元" in await text_of(page, "received_note")

    await until("the screen says what a part has got", there)
    await shows(page, 5_000_000)
    for width, height in ((1920, 1080), (390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        overflow = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(overflow) <= 0


async def test_goods_in_kind_have_a_line_of_their_own_where_there_are_any(
    page: Page, evening: Evening
) -> None:
    campaign, source, channel = "in-kind", evening.campaigns, evening.channel()
    await evening.happens(source.launched(campaign), channel.received(10_000, campaign_id=campaign))
    await evening.counted(campaign, 10_000)
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 10_000)
    assert not await page.locator("#goods").is_visible()
    await evening.happens(
        source.goods_received(12_100_000_000, campaign), source.goods_distributed(41_290, campaign)
    )

    async def there() -> bool:
        names = ("goods_received_fen", "goods_distributed_fen")
        return [await text_of(page, name) for name in names] == ["1.21亿", "412.90"]

    await until("goods have amounts of their own", there)
    await shows(page, 10_000)
    paid = source.disbursed(100, campaign)
    returned = source.returned(paid, 50)
    part = source.launched(f"{campaign}-part", parent_id=campaign, part_kind="county")
    back = channel.reversed(100, campaign_id=campaign)
    await evening.happens(paid, returned, part, back)  # as their source numbers them
    await shows(page, 9_900)
    # Every note that the boxes can have is there, and the line of goods still stands above the footer.
    for width, height in SIZES[:3]:
        await page.set_viewport_size({"width": width, "height": height})
        line, below = [await page.locator(name).bounding_box() for name in ("#goods", ".legal")]
        assert line is not None
        assert below is not None
        assert line["y"] + line["height"] <= below["y"], f"{width} x {height}"
    for wrong in (12_100_000_000 + 9_900, 12_100_000_000 + 41_290):
        assert format_yuan(wrong) not in await page.locator("body").inner_text()


async def test_totals_beyond_what_a_javascript_number_can_hold_are_exact(
    page: Page, evening: Evening
) -> None:
    campaign, channel = "large", evening.channel()
    gifts = [channel.received(MAX_AMOUNT_FEN, campaign_id=campaign) for _ in range(901)]
    total = 901 * MAX_AMOUNT_FEN + 1
    assert total > 2**53
    assert total % 2 == 1, "an odd number of fen cannot be a double there"
    await evening.happens(evening.campaigns.launched(campaign), *gifts)
    await evening.happens(channel.received(1, campaign_id=campaign))
    await evening.counted(campaign, total)
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, total)
    box = await page.locator("#number").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1920


async def test_the_states_of_a_campaign_are_announced(page: Page, evening: Evening) -> None:
    campaign, source = "states", evening.campaigns
    await evening.happens(source.launched(campaign, kind=CampaignFiled))
    await evening.counted(campaign, 0)
    await open_screen(page, evening.reporting.url, campaign)
    for kind, words in [
        (None, "募捐即将开始"),
        (CampaignLaunched, ""),
        (CampaignPaused, "募捐活动已暂停"),
        (CampaignLaunched, ""),
        (CampaignClosed, "募捐已圆满结束"),
    ]:
        if kind is not None:
            await evening.happens(source.launched(campaign, kind=kind))

        async def announced(words: str = words) -> bool:
            text = await text_of(page, "announcement")
            return text.startswith(words) if words else text == ""

        await until(f"the screen announces {words!r}", announced)
        assert await page.locator("#announcement").is_visible() is bool(words)
    await state_is(page, "实时")


async def test_a_screen_opened_before_its_campaign_shows_it_as_soon_as_it_is_there(
    page: Page, evening: Evening
) -> None:
    await open_screen(page, evening.reporting.url, "early-bird")
    assert await text_of(page, "title") == "正在等待活动资料"
    await evening.happens(evening.campaigns.launched("early-bird", title="早到的晚会"))

    async def there() -> bool:
        return await text_of(page, "title") == "早到的晚会"

    await until("the campaign is on the screen", there, within_s=40)
    await state_is(page, "实时")


async def test_the_goal_fills_with_its_milestones(page: Page, evening: Evening) -> None:
    campaign, channel = "goal", evening.channel()
    plan: dict[str, Any] = {"goal_fen": 100_000, "milestones_fen": (30_000, 60_000)}
    await evening.happens(
        evening.campaigns.launched(campaign, **plan), channel.received(59_999, campaign_id=campaign)
    )
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 59_999)
    assert await text_of(page, "percent") == "完成 59.9%"
    assert await page.locator("#milestones li.passed").all_text_contents() == ["300"]
    assert not await page.locator(".reached").is_visible()

    await evening.happens(channel.received(40_001, campaign_id=campaign))
    await shows(page, 100_000)
    assert await page.locator("#milestones li.passed").all_text_contents() == ["300", "600"]
    assert await text_of(page, "percent") == "完成 100.0%"
    assert await page.locator(".reached").is_visible()


async def test_what_the_law_wants_seen_is_on_every_size(page: Page, evening: Evening) -> None:
    """Charity Law art. 25: organisation, licence, filing number, contact, query method."""
    campaign, channel = "law", evening.channel()
    await evening.happens(
        evening.campaigns.launched(campaign), channel.received(4_123_456_789, campaign_id=campaign)
    )
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 4_123_456_789)
    wanted = ["苏州市慈善总会", "53320500MJ0000000A", "53320500MJ0000000A26001", "0512-12345", "慈善中国"]
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        for text in wanted:
            assert await page.get_by_text(text, exact=True).is_visible()
        wide, high = await page.evaluate(
            "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
        )
        assert wide <= width, "the page is wider than the screen"
        assert high <= height or width < 600, "a wall cannot scroll"


async def test_times_are_shanghais_wherever_the_screen_stands(page: Page, evening: Evening) -> None:
    """The browser of these tests says that it is in New York."""
    campaign, channel = "clock", evening.channel()
    await evening.happens(
        evening.campaigns.launched(campaign), channel.received(100, campaign_id=campaign, name="钟")
    )
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 100)
    assert await page.locator(".donor:not(.vacant) .donor-at").all_text_contents() == ["19:30"]
    shanghai = (
        "new Date().toLocaleTimeString('zh-CN', {timeZone: 'Asia/Shanghai', hour12: false}).slice(0, 2)"
    )

    async def same_hour() -> bool:
        return (await text_of(page, "time"))[:2] == str(await page.evaluate(shanghai))

    await until("the clock is Shanghai's", same_hour)


async def test_english_and_the_spoken_form_by_choice(page: Page, evening: Evening) -> None:
    campaign, channel = "words", evening.channel()
    await evening.happens(
        evening.campaigns.launched(campaign), channel.received(14_123_456_789, campaign_id=campaign)
    )
    await open_screen(page, evening.reporting.url, campaign, "?format=wan")

    async def spoken() -> bool:
        return await text_of(page, "number") == "1亿4123万4567.89"

    await until("the number is written as it is spoken", spoken)
    await page.keyboard.press("l")
    assert await text_of(page, "title") == "Fifth New Year Charity Gala"
    assert await text_of(page, "number") == "141,234,567.89"
    assert await text_of(page, "state") == "Live"
    assert await page.evaluate("document.documentElement.lang") == "en"
    await page.reload()
    await state_is(page, "Live")
    await page.keyboard.press("l")
    assert await text_of(page, "state") == "实时"


async def test_the_proof_is_shown_on_request_and_can_be_recomputed(page: Page, evening: Evening) -> None:
    campaign, channel = "proof", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign), channel.received(777, campaign_id=campaign))
    totals = await evening.counted(campaign, 777)
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 777)
    assert not await page.locator("#proof").is_visible()
    await page.keyboard.press("p")
    amounts = Amounts(received_fen=777, donations=1)
    assert digest_of(campaign, totals["positions"], amounts) in await text_of(page, "proof")
    await open_screen(page, evening.reporting.url, campaign, "?proof=1")

    async def shown() -> bool:
        return f"版本 {totals['version']} " in await text_of(page, "proof")

    await until("the version is shown", shown)


async def test_without_motion_the_number_is_simply_there(page: Page, evening: Evening) -> None:
    campaign, channel = "still", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign), channel.received(100, campaign_id=campaign))
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 100)
    await page.evaluate(WATCH_NUMBER)
    await evening.happens(channel.received(99_999_900, campaign_id=campaign))
    await shows(page, 100_000_000)
    await until("the watch has seen it too", lambda: page.evaluate("window.shown.includes('1,000,000.00')"))
    assert await page.evaluate("window.shown") == ["1.00", "1,000,000.00"]


async def test_a_screen_is_light_and_asks_nobody_else(stranger: Page, evening: Evening) -> None:
    campaign, page = "light", stranger
    await evening.happens(evening.campaigns.launched(campaign))
    await evening.counted(campaign, 0)
    requests: list[Request] = []

    def note(request: Request) -> None:
        requests.append(request)

    page.on("request", note)
    await open_screen(page, evening.reporting.url, campaign)
    await state_is(page, "实时")
    assert {request.url.split("/")[2] for request in requests} == {f"127.0.0.1:{evening.reporting.port}"}
    sizes = "performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.encodedBodySize, 0)"
    assert await page.evaluate(sizes) < 300_000
