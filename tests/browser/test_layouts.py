"""An evening on each layout: a hall's wall of 16:9 and of 32:9, a lower third, a phone."""

import io
from typing import Any, Final

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from shared.events import CampaignClosed
from tests.browser.conftest import Another
from tests.browser.evening import Evening, Wire, until
from tests.browser.readable import too_faint, violations
from tests.browser.test_screen import RECOVERY_S, SILENT_S, open_screen, shows, state_is, text_of
from tests.browser.windows import later

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LAYOUTS: Final = {
    "hall": (1920, 1080),
    "wide": (3840, 1080),
    "lower": (1920, 1080),
    "phone": (390, 844),
}
LONG_TITLE: Final = "苏州市慈善总会第三十六届“情暖苏城”新年慈善晚会暨助医恤病专项募捐活动"
LAW: Final = ("苏州市慈善总会", "53320500MJ0000000A", "53320500MJ0000000A26001", "0512-12345", "慈善中国")
OUTSIDE: Final = """names => names.filter(name => [...document.querySelectorAll(name)].some(element => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.left < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1);
}))"""
OVER_NUMBER: Final = """id => {
    const [box, number] = [id, 'number'].map((each) => document.getElementById(each).getBoundingClientRect());
    const beside = box.right <= number.left || box.left >= number.right;
    return !(beside || box.bottom <= number.top || box.top >= number.bottom);
}"""
SILENCE_S: Final = 10
"""After so long a screen is not sure; that it waits for it is tested by test_screen.py."""
PARTS: Final = ["#number", "#title", ".promise", ".legal", ".codes img", ".donor:not(.vacant)", "#goal"]


async def screens_of(another: Another, address: str, campaign: str) -> dict[str, Page]:
    """The campaign on a screen of each layout, in the layout's own size."""
    screens = {}
    for layout, (width, height) in LAYOUTS.items():
        screen = await another()
        await screen.set_viewport_size({"width": width, "height": height})
        await open_screen(screen, address, campaign, f"?layout={layout}")
        screens[layout] = screen
    return screens


async def test_an_evening_with_a_refund_a_cut_and_a_restart_on_each_layout(
    another: Another, modules: Page, evening: Evening
) -> None:
    campaign, channel = "layouts", evening.channel()
    gift = channel.received(
        1_234_567_890_12, campaign_id=campaign, name="某某集团股份有限公司", kind="company"
    )
    plan: dict[str, Any] = {"goal_fen": 2_000_000_000_00, "title": LONG_TITLE}
    await evening.happens(evening.campaigns.launched(campaign, **plan), gift)
    await evening.counted(campaign, 1_234_567_890_12)
    async with Wire(evening.reporting.port) as wire:
        screens = await screens_of(another, wire.url, campaign)
        for layout, screen in screens.items():
            await shows(screen, 1_234_567_890_12)
            await state_is(screen, "实时")
            await screen.evaluate("window.sameLoad = true")
            for text in LAW:
                assert await screen.get_by_text(text, exact=True).is_visible(), f"{layout}: {text}"
            high = "document.documentElement.scrollHeight"
            if layout != "phone":
                assert await screen.evaluate(OUTSIDE, PARTS) == [], layout
                assert await screen.evaluate(high) <= LAYOUTS[layout][1], f"{layout} scrolls"
            assert await screen.evaluate("document.documentElement.scrollWidth") <= LAYOUTS[layout][0]
            assert await violations(screen) == [], layout
            if layout != "lower":  # what lies behind it is the broadcast's
                assert not await too_faint(screen, modules), layout

        assert {
            layout for layout, screen in screens.items() if await screen.locator("#check").is_visible()
        } == {"phone"}
        await screens["phone"].locator("#check").click()
        await screens["phone"].wait_for_url("**/verify**")
        await screens["phone"].get_by_text("1,234,567,890.12").first.wait_for()
        await screens["phone"].go_back()
        await screens["phone"].evaluate("window.sameLoad = true")
        await shows(screens["phone"], 1_234_567_890_12)

        await evening.happens(channel.reversed(7_890_12, number=int(gift.sequence), campaign_id=campaign))
        for layout, screen in screens.items():
            await shows(screen, 1_234_560_000_00)
            assert "7,890.12" in await text_of(screen, "step_back"), layout
            assert await screen.locator("#step_back").is_visible(), layout
        assert not await screens["lower"].evaluate(OVER_NUMBER, "step_back")

        wire.refuse()
        await evening.reporting.stop()
        await evening.happens(channel.received(99, campaign_id=campaign))
        for screen in screens.values():
            await later(screen, SILENCE_S)
            await state_is(screen, "正在确认", within_s=SILENT_S)
        await evening.reporting.start()
        wire.mend()
        for layout, screen in screens.items():
            await shows(screen, 1_234_560_000_99, within_s=RECOVERY_S)
            await state_is(screen, "实时")
            assert await screen.evaluate("window.sameLoad") is True, layout

        await evening.happens(evening.campaigns.launched(campaign, kind=CampaignClosed, **plan))
        lower = screens["lower"]
        await lower.keyboard.press("l")
        await expect(lower.locator("#announcement")).to_have_text(
            "Campaign closed · thank you for every gift"
        )
        assert not await lower.evaluate(OVER_NUMBER, "announcement")
        assert await lower.evaluate(OUTSIDE, ["#announcement"]) == []


async def test_a_lower_third_lets_the_broadcast_through_and_stays_in_its_safe_area(
    page: Page, evening: Evening
) -> None:
    campaign = "broadcast"
    await evening.happens(evening.campaigns.launched(campaign))
    await evening.counted(campaign, 0)
    await open_screen(page, evening.reporting.url, campaign, "?layout=lower")
    await shows(page, 0)
    picture = Image.open(io.BytesIO(await page.screenshot(omit_background=True))).getchannel("A")
    seen = picture.getbbox()
    assert seen is not None
    left, top, right, bottom = seen
    assert left >= 96, "5 % of each edge are not safe (EBU R 95)"
    assert right <= 1920 - 96
    assert bottom <= 1080 - 54
    assert top > 1080 * 0.65, "it is a lower third"
    assert await page.evaluate("getComputedStyle(document.body).cursor") == "none"


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_preview_cannot_be_mistaken_for_the_live_number(
    page: Page, evening: Evening, layout: str
) -> None:
    width, height = LAYOUTS[layout]
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto(f"{evening.reporting.url}/screens/unknown/preview?layout={layout}&fen=14123456789")
    await shows(page, 14_123_456_789)
    await state_is(page, "示例")
    assert await page.get_by_text("示例 · 非真实善款").is_visible()
    await page.keyboard.press("l")
    assert await page.get_by_text("Sample · not real money").is_visible()


async def test_a_code_leads_a_phone_to_the_same_number(page: Page, evening: Evening) -> None:
    campaign = "scanned"
    await evening.happens(evening.campaigns.launched(campaign))
    await evening.counted(campaign, 0)
    await open_screen(page, evening.reporting.url, campaign)

    async def drawn() -> bool:
        return bool(await page.locator(".codes img:visible").evaluate("image => image.naturalWidth > 0"))

    await until("the code is drawn", drawn)
    png = await page.locator(".codes img:visible").screenshot()
    code = Image.open(io.BytesIO(png)).convert("L")
    shades = code.histogram()
    assert sum(shades[:16]) > 0.2 * code.width * code.height, "the code is not black"
    assert sum(shades[240:]) > 0.4 * code.width * code.height, "the code is not on white"
