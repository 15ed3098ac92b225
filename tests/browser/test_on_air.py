"""What an operator decides for registered screens, seen on a screen of each layout through its link."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Page

from tests.browser.conftest import Another
from tests.browser.evening import DESK_TOKEN, Evening, until
from tests.browser.test_layouts import LAYOUTS
from tests.browser.test_screen import donors_shown, shows, state_is, text_of

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


class Desk:
    """Who decides, for all these screens at once."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"idempotency-key": str(uuid4())}
        answer = await self._client.post(f"/v1/screens{path}", json=body, headers=headers)
        assert answer.is_success, answer.text
        return dict(answer.json())

    async def register(self, campaign: str, layout: str) -> str:
        """A screen of this layout, and its link."""
        body = {"screen_id": f"air-{layout}", "title": layout, "campaign_id": campaign, "layout": layout}
        return str((await self._post("", body))["link"])

    async def air(self, action: str) -> None:
        for layout in LAYOUTS:
            await self._post(f"/air-{layout}/air", {"action": action, "reason": "节目换场"})

    async def revoke(self) -> None:
        for layout in LAYOUTS:
            await self._post(f"/air-{layout}/revoke", {"reason": "散场"})


@asynccontextmanager
async def desk_of(evening: Evening) -> AsyncIterator[Desk]:
    headers = {"authorization": f"Bearer {DESK_TOKEN}"}
    async with httpx.AsyncClient(base_url=evening.reporting.url, headers=headers) as client:
        yield Desk(client)


async def opened(another: Another, evening: Evening, desk: Desk, campaign: str) -> list[Page]:
    """A registered screen of each layout, opened by its link."""
    screens = []
    for layout, (width, height) in LAYOUTS.items():
        screen = await another()
        await screen.set_viewport_size({"width": width, "height": height})
        await screen.goto(evening.reporting.url + await desk.register(campaign, layout))
        screens.append(screen)
    return screens


async def each(screens: list[Page], holds: Callable[[Page], Awaitable[Any]]) -> None:
    """`holds` of every screen, all at once."""
    await asyncio.gather(*map(holds, screens))


async def seen(screen: Page, *, number: bool, mark: bool = False) -> None:
    """Wait until number and mark are to be seen or not; the title always is, and the address for checking
    tells no number that is hidden.
    """

    async def there() -> bool:
        visible = [await screen.locator(place).is_visible() for place in ("#number", "#received", "#mark")]
        return visible == [number, number, mark] and await screen.locator("#title").is_visible()

    await until(f"number seen: {number}, mark seen: {mark}", there)
    await screen.keyboard.press("p")
    assert await screen.locator("#proof").is_visible() is number
    assert number or not await screen.locator("#check").is_visible()
    await screen.keyboard.press("p")


async def test_what_is_decided_is_what_is_seen_on_each_layout(another: Another, evening: Evening) -> None:
    campaign, channel = "on-air", evening.channel()
    gift = channel.received(1_000_000, campaign_id=campaign, name="王小明")
    await evening.happens(evening.campaigns.launched(campaign), gift)
    await evening.counted(campaign, 1_000_000)
    async with desk_of(evening) as desk:
        screens = await opened(another, evening, desk, campaign)
        await each(screens, lambda screen: shows(screen, 1_000_000))
        await each(screens, lambda screen: state_is(screen, "实时"))

        await evening.happens(channel.approved(70, "愿苏城温暖", campaign_id=campaign))
        await each(screens, lambda screen: says(screen, "愿苏城温暖"))
        await evening.happens(channel.withdrawn(70, campaign_id=campaign))
        await each(screens, lambda screen: says(screen, ""))

        await desk.air("freeze")
        await each(screens, lambda screen: state_is(screen, "画面定格"))
        number = int(gift.sequence)
        await evening.happens(channel.reversed(300_000, number=number, campaign_id=campaign))
        await each(screens, nobody_is_named)  # what has happened is known here,
        for screen in screens:  # and not shown
            assert await text_of(screen, "number") == "10,000.00"
            assert await text_of(screen, "step_back") == ""

        await desk.air("hide")
        await each(screens, lambda screen: state_is(screen, "暂停显示"))
        await each(screens, lambda screen: seen(screen, number=False))
        await desk.air("live")
        await each(screens, lambda screen: shows(screen, 700_000))
        await each(screens, lambda screen: seen(screen, number=True))
        for screen in screens:
            assert "−3,000 元" in await text_of(screen, "step_back")

        await desk.air("rehearse")
        await each(screens, lambda screen: state_is(screen, "彩排"))
        await each(screens, lambda screen: seen(screen, number=True, mark=True))
        await desk.air("hide")
        await each(screens, lambda screen: seen(screen, number=False, mark=True))
        await desk.air("live")
        await each(screens, lambda screen: seen(screen, number=True, mark=True))
        await desk.air("end_rehearsal")
        await each(screens, lambda screen: shows(screen, 700_000))
        await each(screens, lambda screen: seen(screen, number=True))

        await desk.revoke()
        await each(screens, lambda screen: screen.get_by_text("此屏幕链接已失效").first.wait_for())


async def says(screen: Page, text: str) -> None:
    """Wait until this is the only message; empty: until the panel of messages is gone."""

    async def there() -> bool:
        shown = await screen.locator(".message:not([hidden]) .message-text").all_text_contents()
        panel = await screen.locator("[data-panel=messages]").get_attribute("hidden")
        return (shown, panel) == (([text], None) if text else ([], ""))

    await until(f"the messages are {text!r}", there)


async def nobody_is_named(screen: Page) -> None:
    async def there() -> bool:
        return "王小明" not in await donors_shown(screen)

    await until("the donor whose gift was reversed is gone", there)
