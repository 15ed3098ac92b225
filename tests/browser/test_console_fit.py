"""Nothing on any page of the console is cut on a telephone, nor makes it scroll sideways: with the longest
names, messages and amounts that the services take.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from playwright.async_api import expect

from services.console.pages import existing
from shared.money import MAX_AMOUNT_FEN
from tests.browser import funds
from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.fitting import misfits
from tests.browser.gifts import gifts_of
from tests.services.donation.builders import a_donor

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

CAMPAIGN: Final = "a-campaign-whose-id-is-as-long-as-an-id-can-be-without-one-space"
COMPANY: Final = "Unabridgeable-Holdings-" * 4 + "太湖" * 20
"""Without a space at which a line could end, in both scripts."""
TOMORROW: Final = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()


async def longest(console: Console) -> None:
    """Of each sort one."""
    await console.needs("campaign", "donation", "notification", "reporting")
    await funds.register(console)
    await funds.launched(console, CAMPAIGN, title="情暖苏城" * 20, title_en="Warmth for Suzhou, " * 6)
    desk = await console.person("desk")
    promise = {"company": COMPANY, "amount_fen": MAX_AMOUNT_FEN, "placard": "八" * 20, "due_on": TOMORROW}
    await funds.done(desk.post(f"campaign/v1/campaigns/{CAMPAIGN}/pledges", promise), 201)
    screen = {"screen_id": "s" * 40, "title": COMPANY[:80], "campaign_id": CAMPAIGN, "layout": "hall"}
    await funds.done(desk.post("reporting/v1/screens", screen), 201)
    await funds.requested(console, CAMPAIGN, MAX_AMOUNT_FEN, title=COMPANY[:100], payee=COMPANY[:100])
    donor = a_donor(kind="company", name=COMPANY[:64])
    async with gifts_of(console) as gifts:
        await gifts.given("held", campaign_id="x" + CAMPAIGN[1:], amount_fen=MAX_AMOUNT_FEN, donor=donor)
        await gifts.put({"transaction_id": "9" * 64, "amount_fen": -1, "donor": donor})


async def test_the_longest_of_everything_fits_on_a_telephone(console: Console, visit: Visit) -> None:
    await longest(console)
    page = await visit("administrator", width=390, height=844, lang="en")
    found = {}
    for each in existing():
        await page.goto(each.path)
        if each.name != "personal-data":  # asks for nothing until somebody is looked for
            await expect(page.locator("#freshness")).to_have_attribute("data-state", "live")
        found[each.name] = await misfits(page)
    assert {name: those for name, those in found.items() if those} == {}
