"""A number from a photograph is checked in a browser, on the page where anybody may."""

import os

import pytest
from playwright.async_api import Page

from tests.browser.evening import Evening, until
from tests.browser.readable import violations

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_photographed_number_is_checked_by_the_server_and_by_the_browser(
    page: Page, evening: Evening
) -> None:
    campaign, channel = "photographed", evening.channel()
    await evening.happens(
        evening.campaigns.launched(campaign), channel.received(1_234_567_89, campaign_id=campaign)
    )
    await evening.counted(campaign, 1_234_567_89)
    totals = f"{evening.reporting.url}/v1/campaigns/{campaign}/totals"
    digest = (await (await page.request.get(totals)).json())["digest"]
    verify = f"{evening.reporting.url}/verify"

    async def kept() -> bool:
        answer = await page.request.get(verify, params={"campaign": campaign, "digest": digest})
        return answer.status == 200

    await until("the number is kept", kept)
    await page.goto(verify)
    await page.locator("select").select_option(campaign)
    await page.get_by_label("摘要").fill(f"{digest[:6].upper()} {digest[6:12]}")
    await page.locator("button").click()
    await page.locator(".found").wait_for()
    assert await page.locator(".number b").text_content() == "1,234,567.89"
    await page.get_by_text("本机浏览器也重新计算了一遍，摘要相同。").wait_for()
    assert await violations(page) == []
    if folder := os.environ.get("SHOTS"):
        for name, width in (("wide", 1280), ("phone", 390)):
            await page.set_viewport_size({"width": width, "height": 900})
            await page.screenshot(path=f"{folder}/verify-{name}.png", full_page=True)
    await page.keyboard.press("l")
    await page.get_by_text("This number was shown").wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="Check").click()  # and stays in English
    await page.wait_for_url("**lang=en**")
    await page.get_by_text("This number was shown").wait_for()
