"""What open screens take over without being loaded again: the ranking of companies, another theme."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Page

from tests.browser.conftest import Another
from tests.browser.evening import DESK_TOKEN, Evening, until
from tests.browser.test_layouts import LAYOUTS, OUTSIDE
from tests.browser.test_screen import open_screen, shows

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LONG = "苏州工业园区某某高新技术产业投资控股（集团）股份有限公司第一分公司"
RANKED = """() => [...document.querySelectorAll("#companies .rank:not([hidden])")].map(row =>
    [...row.children].map(cell => cell.textContent))"""
TURN = "document.getElementById('lists').dataset.shown = 'companies'"
OCEAN = {"ground": "#04213a", "glow": "#0b4a78", "text": "#f2f9ff", "accent": "#8fd3ff", "number": "#ffffff"}
GROUND = "getComputedStyle(document.documentElement).getPropertyValue('--ground').trim()"


async def ranked(screen: Page, expected: list[list[str]]) -> None:
    async def there() -> bool:
        return bool(await screen.evaluate(RANKED) == expected)

    await until(f"ranked: {expected}", there)


async def test_companies_are_ranked_and_one_whose_money_went_back_falls(
    another: Another, evening: Evening
) -> None:
    campaign, channel = "companies", evening.channel()
    page, wide = await another(), await another()
    gifts: list[Any] = [
        channel.received(3_000_000_01, campaign_id=campaign, name=LONG, kind="company"),
        channel.received(2_000_000_00, campaign_id=campaign, name="乙银行", kind="company"),
        channel.received(9_000_000_00, campaign_id=campaign, name="张三"),
        channel.received(8_000_000_00, campaign_id=campaign, kind="company"),
    ]
    await evening.happens(evening.campaigns.launched(campaign), *gifts)
    await evening.counted(campaign, 22_000_000_01)
    for layout, screen in {"hall": page, "wide": wide}.items():
        width, height = LAYOUTS[layout]
        await screen.set_viewport_size({"width": width, "height": height})
        await open_screen(screen, evening.reporting.url, campaign, f"?layout={layout}")
        await shows(screen, 22_000_000_01)
        await ranked(screen, [[LONG, "3,000,000.01"], ["乙银行", "2,000,000.00"]])
        await screen.evaluate(TURN)
        assert await screen.evaluate(OUTSIDE, ["#companies .rank", "#companies .rank-amount"]) == [], layout
    await evening.happens(channel.reversed(1_500_000_00, number=int(gifts[0].sequence), campaign_id=campaign))
    for screen in (page, wide):
        await ranked(screen, [["乙银行", "2,000,000.00"], [LONG, "1,500,000.01"]])


async def test_another_theme_is_worn_by_open_screens_and_by_a_frozen_one(
    page: Page, another: Another, evening: Evening
) -> None:
    campaign = "another-theme"
    gift = evening.channel().received(5_00, campaign_id=campaign, name="某某公司", kind="company")
    await evening.happens(evening.campaigns.launched(campaign), gift)
    await evening.counted(campaign, 5_00)
    headers = {"authorization": f"Bearer {DESK_TOKEN}"}
    async with httpx.AsyncClient(base_url=evening.reporting.url, headers=headers) as desk:

        async def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = await desk.post(path, json=body, headers={"idempotency-key": str(uuid4())})
            assert answer.is_success, answer.text
            return dict(answer.json())

        body = {"screen_id": campaign, "title": "墙", "campaign_id": campaign, "layout": "wide"}
        link = (await post("/v1/screens", body))["link"]
        frozen = await another()
        await frozen.goto(evening.reporting.url + str(link))
        await open_screen(page, evening.reporting.url, campaign, "?layout=hall")
        for screen in (page, frozen):
            await shows(screen, 5_00)
            await ranked(screen, [["某某公司", "5"]])
            await screen.evaluate("window.sameLoad = true")
            assert not await screen.locator("#code-donate").is_visible()
        await post(f"/v1/screens/{campaign}/air", {"action": "freeze", "reason": "节目换场"})

        async def decide(version: int, theme: dict[str, Any]) -> None:
            answer = await desk.put(
                f"/v1/campaigns/{campaign}/theme", json=theme, headers={"if-match": f'"{version}"'}
            )
            assert answer.is_success, answer.text

        async def worn(screen: Page, ground: str, *, codes: bool) -> None:
            async def there() -> bool:
                shown = await screen.locator("#code-donate").is_visible()
                sheets = await screen.locator("link[data-theme]").count()
                return (await screen.evaluate(GROUND), shown, sheets) == (ground, codes, 1)

            await until(f"worn: {ground}", there, within_s=10)
            assert await screen.evaluate("window.sameLoad") is True

        await decide(0, {**OCEAN, "donation_url": "https://give.example.org/", "rankings": "none"})
        await asyncio.gather(*(worn(screen, OCEAN["ground"], codes=True) for screen in (page, frozen)))
        assert await page.locator("#code-donate img").evaluate("image => image.decode().then(() => true)")
        await ranked(page, [])
        await decide(1, {})
        await asyncio.gather(*(worn(screen, "#2a0307", codes=False) for screen in (page, frozen)))
        await ranked(page, [["某某公司", "5"]])
