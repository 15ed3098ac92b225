"""What an evening does to a screen: milestones, a wrong clock, a sleep, hours of frames, a slow machine."""

import asyncio
import json
from typing import Any, Final

import pytest
from playwright.async_api import CDPSession, Page, Route

from tests.browser.evening import Evening, until
from tests.browser.test_layouts import LAYOUTS
from tests.browser.test_screen import open_screen, shows, state_is, text_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

FRAMES: Final = 1_500
"""Of one answer of the stream; a page takes them as they come."""
ROUNDS: Final = 6
FIRST: Final = 10_001
"""Of the versions: from here on their numbers are written with as many digits until the end."""
LISTED: Final = 8
"""Donors in a snapshot, as many as the page has rows: none is still to be filled when nodes are counted."""
MAX_GROWTH_BYTES: Final = 400_000
MAX_TRANSFERRED: Final = 300_000
THROTTLE: Final = 4
MOVED: Final = """() => document.getAnimations().flatMap(animation => {
    const ease = ['offset', 'computedOffset', 'easing', 'composite'];
    const moved = animation.effect.getKeyframes().flatMap(frame => Object.keys(frame));
    const {duration} = animation.effect.getComputedTiming();
    return [...new Set(moved.filter(name => !ease.includes(name)))].concat(duration < 334 ? ['flashes'] : []);
})"""
FEAST: Final = f"""words => new Promise(resolve => {{
    const box = name => document.querySelector(name).getBoundingClientRect().toJSON();
    const look = () => document.querySelector('#feast').textContent === words
        ? setTimeout(() => resolve([box('#feast'), box('#number'), ({MOVED})()]), 1500)
        : requestAnimationFrame(look);
    look();
}})"""
"""Where ribbon and number stand, and what moves; begun before the feast on every screen, for it is short."""
NOTE_STATES: Final = """() => {
    window.said = [];
    const [state, number] = ['state', 'number'].map(id => document.getElementById(id));
    const note = () => window.said.push(`${state.textContent} ${number.textContent}`);
    new MutationObserver(note).observe(state, {childList: true, characterData: true, subtree: true});
}"""
LIVE_AT: Final = """() => new Promise(resolve => {
    const look = () => document.body?.dataset.state === 'live' && document.querySelector('#number .digit')
        ? resolve(performance.now()) : requestAnimationFrame(look);
    look();
})"""


async def test_a_milestone_is_a_moment_and_never_covers_the_number(moving: Page, evening: Evening) -> None:
    campaign, channel = "milestone", evening.channel()
    plan: dict[str, Any] = {"goal_fen": 1_000_000_00, "milestones_fen": (300_000_00, 600_000_00)}
    await evening.happens(evening.campaigns.launched(campaign, **plan))
    await evening.happens(channel.received(299_999_99, campaign_id=campaign))
    await evening.counted(campaign, 299_999_99)
    screens = {}
    for layout, (width, height) in LAYOUTS.items():
        screen = screens[layout] = moving if layout == "hall" else await moving.context.new_page()
        await screen.set_viewport_size({"width": width, "height": height})
        await open_screen(screen, evening.reporting.url, campaign, f"?layout={layout}")
        await shows(screen, 299_999_99)
        assert await text_of(screen, "feast") == "", "what a page finds when it opens is no news"

    watches = {
        layout: asyncio.ensure_future(screen.evaluate(FEAST, "善款突破 60万 元"))
        for layout, screen in screens.items()
    }
    await evening.happens(channel.received(300_000_02, campaign_id=campaign))
    for layout, watch in watches.items():
        async with asyncio.timeout(60):
            feast, number, moved = await watch
        assert feast["width"] > 0, f"{layout}: it is over before it could be looked at"
        assert feast["y"] + feast["height"] <= number["y"] + number["height"] * 0.2, layout
        assert set(moved) <= {"transform", "opacity"}, layout
    for screen in screens.values():
        await shows(screen, 600_000_01)

        async def over(screen: Page = screen) -> bool:
            return await screen.evaluate("document.body.dataset.feast ?? null") is None

        await until("it is over", over, within_s=30)


async def test_without_motion_a_milestone_is_told_and_nothing_moves(page: Page, evening: Evening) -> None:
    campaign, channel = "calm", evening.channel()
    await evening.happens(evening.campaigns.launched(campaign, goal_fen=1_000_00))
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 0)
    await evening.happens(channel.received(1_000_00, campaign_id=campaign))
    await shows(page, 1_000_00)
    assert await text_of(page, "feast") == "募捐目标 1,000 元已达成"
    assert await page.locator("#feast").is_visible()
    assert await page.evaluate("document.getAnimations().length") == 0


async def test_a_wrong_clock_and_a_sleep_are_seen_and_mended_without_a_reload(
    stranger: Page, evening: Evening
) -> None:
    campaign, channel, page = "asleep", evening.channel(), stranger
    await evening.happens(evening.campaigns.launched(campaign), channel.received(5_000, campaign_id=campaign))
    await evening.counted(campaign, 5_000)
    await page.clock.set_fixed_time("2019-05-04T03:00:00Z")  # wrong by years; timers go on
    await open_screen(page, evening.reporting.url, campaign)
    await shows(page, 5_000)
    await state_is(page, "实时")

    async def the_servers() -> bool:
        return "2019" not in await text_of(page, "date")

    await until("the date is the server's", the_servers, within_s=30)
    await page.evaluate("window.sameLoad = true")
    await page.evaluate(NOTE_STATES)  # it may know again within a few milliseconds
    await page.clock.set_fixed_time("2019-05-04T06:00:00Z")  # as if it had slept for three hours
    await until("it is not sure", lambda: page.evaluate("window.said.includes('正在确认 50.00')"))
    await evening.happens(channel.received(700, campaign_id=campaign))
    await state_is(page, "实时", within_s=30)
    await shows(page, 5_700)
    assert await page.evaluate("window.sameLoad") is True


def frames_of(first: dict[str, Any], version: int) -> tuple[str, int]:
    """An answer of the stream: a snapshot and FRAMES changes, each with a gift, a message, a part's sum."""
    parts = []
    for number in range(FRAMES):
        at = version + number
        gifts = [
            {
                "donation_id": str(each),
                "name": f"第{each}位",
                "kind": "person",
                "amount_fen": 100,
                "at": first["as_of"],
                "channel": "x",
            }
            for each in range(at, at - (1 if number else LISTED), -1)
        ]
        said = {
            "campaign_id": first["campaign_id"],
            "version": at,
            "received_fen": at * 100,
            "net_fen": at * 100,
            "reversed_fen": 0,
            "donations": at,
            "digest": f"{at:064x}",
            "as_of": first["as_of"],
            "status": "launched",
            "recent": gifts,
        }
        kind, data = ("change", said) if number else ("snapshot", first | said)
        parts.append(f"event: {kind}\nid: {at}\ndata: {json.dumps(data)}\n\n")
    return "retry: 100\n\n" + "".join(parts), version + FRAMES


async def _held(session: CDPSession) -> dict[str, float]:
    """Nodes, listeners and bytes of a page after everything unused was given back."""
    await session.send("HeapProfiler.collectGarbage")
    found = (await session.send("Performance.getMetrics"))["metrics"]
    values = {each["name"]: float(each["value"]) for each in found}
    return {name: values[name] for name in ("Nodes", "JSEventListeners", "JSHeapUsedSize")}


async def test_a_long_evening_adds_no_nodes_no_listeners_and_no_memory(
    moving: Page, evening: Evening
) -> None:
    campaign, page = "long", moving
    await evening.happens(evening.campaigns.launched(campaign, goal_fen=10_000_000_00))
    first = await evening.counted(campaign, 0)
    version, answers, rounds_begun = FIRST, 0, asyncio.Semaphore(0)

    async def answer(route: Route) -> None:
        nonlocal version, answers
        if answers >= ROUNDS:
            return  # left open: the evening is over
        await rounds_begun.acquire()  # a number that the next round replaces at once could not be waited for
        body, version = frames_of(first, version)
        answers += 1
        await route.fulfill(content_type="text/event-stream", body=body)

    await page.route("**/long/stream*", answer)
    session = await page.context.new_cdp_session(page)
    await session.send("Performance.enable")
    await open_screen(page, evening.reporting.url, campaign)
    seen: list[dict[str, float]] = []
    for begun, rounds in ((0, 2), (2, ROUNDS)):
        for _ in range(begun, rounds):
            rounds_begun.release()
        await shows(page, (FIRST - 1 + rounds * FRAMES) * 100, within_s=60)
        await page.evaluate("() => new Promise(resolve => setTimeout(resolve, 200))")
        seen.append(await _held(session))
    early, late = seen
    print(f"\nafter {2 * FRAMES} frames {early}\nafter {ROUNDS * FRAMES} frames {late}")  # noqa: T201 - to be read
    assert late["Nodes"] <= early["Nodes"] + 5
    assert late["JSEventListeners"] <= early["JSEventListeners"] + 5
    assert late["JSHeapUsedSize"] <= early["JSHeapUsedSize"] + MAX_GROWTH_BYTES


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_screen_is_light_on_the_wire(stranger: Page, evening: Evening, layout: str) -> None:
    """The time until it is live on a processor four times slower is printed: it is this machine's."""
    campaign, page = f"light-{layout}", stranger
    await evening.happens(evening.campaigns.launched(campaign))
    await evening.counted(campaign, 0)
    session = await page.context.new_cdp_session(page)
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(float(event["encodedDataLength"])))
    await session.send("Network.enable")
    await session.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
    await open_screen(page, evening.reporting.url, campaign, f"?layout={layout}")
    live_ms = await page.evaluate(LIVE_AT)
    print(f"\n{layout}: live after {live_ms:.0f} ms at {THROTTLE}x throttle, {sum(sizes):.0f} bytes")  # noqa: T201
    assert len(sizes) > 10
    assert sum(sizes) < MAX_TRANSFERRED
