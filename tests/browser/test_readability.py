"""Can everybody read it? axe on every page, and contrast measured on the picture itself.

axe leaves text on gradients and pictures undecided; the measurement takes, behind each text, the pixel
that is hardest on it.
"""

import base64
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.browser.evening import Evening, until
from tests.browser.test_screen import open_screen, shows
from tests.reports import a_correction
from tests.services.reporting.test_reports import published

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HALL, PHONE = (1920, 1080), (390, 844)
SERIOUS = {"serious", "critical"}
KINDS = ("person", "company")
AA = 4.5
AA_LARGE = 3.0
NUMBER = 7.0  # AAA: it is read from 30 m

TEXTS = """() => {
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const style = getComputedStyle(node.parentElement);
        if (!node.textContent.trim() || style.visibility === 'hidden') continue;
        const range = document.createRange();
        range.selectNodeContents(node);
        const box = range.getBoundingClientRect();
        if (box.width < 2 || box.right > innerWidth || box.bottom > innerHeight || box.top < 0) continue;
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        texts.push({text: node.textContent.trim().slice(0, 30), box: box.toJSON(), color: style.color, large,
                    number: node.parentElement.closest('#number') !== null});
    }
    return texts;
}"""

# A constructed sheet: the pages' policy rightly refuses the style element that Playwright would add.
HIDE_TEXT = """() => {
    const sheet = new CSSStyleSheet();
    const hidden = 'color: transparent !important; text-shadow: none !important; animation: none !important;';
    sheet.replaceSync(`*, *::before, *::after { ${hidden} }`);
    document.adoptedStyleSheets = [sheet];
}"""
SHOW_TEXT = "() => { document.adoptedStyleSheets = []; }"

CONTRASTS = """async ({png, texts}) => {
    const image = new Image();
    image.src = 'data:image/png;base64,' + png;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    const linear = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const luminance = (r, g, b) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    return texts.map(({text, box, color, large, number}) => {
        const own = luminance(...color.match(/[\\d.]+/g).slice(0, 3).map(Number));
        // A typeface's box is higher than its digits: what lies above them is not behind them.
        const [above, below] = number ? [0.28, 0.15] : [0, 0];
        const [top, high] = [box.y + box.height * above, box.height * (1 - above - below)];
        const area = [box.x, top, Math.max(1, box.width), Math.max(1, high)].map(Math.round);
        const pixels = context.getImageData(...area).data;
        let worst = 21;
        for (let i = 0; i < pixels.length; i += 4) {
            const behind = luminance(pixels[i], pixels[i + 1], pixels[i + 2]);
            worst = Math.min(worst, (Math.max(own, behind) + 0.05) / (Math.min(own, behind) + 0.05));
        }
        return {text, large, number, contrast: worst};
    });
}"""


async def violations(page: Page) -> list[str]:
    report: dict[str, Any] = (await Axe().run(page, options={"resultTypes": ["violations"]})).response
    found = [violation for violation in report["violations"] if violation["impact"] in SERIOUS]
    return [f"{violation['id']}: {[node['target'] for node in violation['nodes']]}" for violation in found]


async def too_faint(page: Page, modules: Page) -> list[dict[str, Any]]:
    """Texts whose contrast at the worst pixel behind them is below what WCAG 2.2 asks."""
    texts = await page.evaluate(TEXTS)
    assert len(texts) > 5
    await page.evaluate(HIDE_TEXT)
    hidden = await page.screenshot()
    await page.evaluate(SHOW_TEXT)
    found = await modules.evaluate(CONTRASTS, {"png": base64.b64encode(hidden).decode(), "texts": texts})
    return [entry for entry in found if entry["contrast"] < _wanted(entry)]


def _wanted(entry: dict[str, Any]) -> float:
    if entry["number"]:
        return NUMBER
    return AA_LARGE if entry["large"] else AA


async def cut_cells(page: Page) -> int:
    """How many cells of tables reach over the page's edge, or are too small for what is in them."""
    found: int = await page.locator("td").evaluate_all(
        "cells => cells.filter(cell => cell.getBoundingClientRect().right > innerWidth"
        " || cell.scrollWidth > cell.clientWidth).length"
    )
    return found


async def check(page: Page, modules: Page) -> None:
    for width, height in (HALL, PHONE):
        await page.set_viewport_size({"width": width, "height": height})
        assert await violations(page) == []
        faint = await too_faint(page, modules)
        assert not faint, "\n".join(map(str, faint))


@pytest.mark.parametrize("query", ["", "?proof=1&lang=en"])
async def test_the_screen_can_be_read(page: Page, modules: Page, evening: Evening, query: str) -> None:
    campaign, channel = f"readable{len(query)}", evening.channel()
    await evening.happens(
        evening.campaigns.launched(campaign, goal_fen=1_000_000),
        *[
            channel.received(123_456, campaign_id=campaign, name=f"第{n}位", kind=KINDS[n % 2])
            for n in range(8)
        ],
        channel.reversed(100, campaign_id=campaign),
        evening.campaigns.goods_received(12_100_000_001, campaign),
    )
    await evening.counted(campaign, 8 * 123_456 - 100)
    await open_screen(page, evening.reporting.url, campaign, query)
    await shows(page, 8 * 123_456 - 100)
    await page.locator("#goods").wait_for()
    await check(page, modules)


async def test_an_empty_screen_can_be_read(page: Page, modules: Page, evening: Evening) -> None:
    await evening.happens(evening.campaigns.launched("readable-empty"))
    await open_screen(page, evening.reporting.url, "readable-empty")
    await shows(page, 0)
    await check(page, modules)


async def test_the_list_of_campaigns_can_be_read_and_leads_to_the_screens(
    page: Page, modules: Page, evening: Evening
) -> None:
    await evening.happens(evening.campaigns.launched("listed", title="名单上的晚会"))
    await evening.counted("listed", 0)
    await page.goto(evening.reporting.url)
    await check(page, modules)
    await page.get_by_role("link", name="English").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Campaigns")
    await page.locator("a[href*='/screens/listed']").click()
    await page.wait_for_url("**/screens/listed?lang=en")
    await shows(page, 0)


async def test_the_pages_of_organisations_can_be_read_and_lead_to_each_other(
    page: Page, modules: Page, evening: Evening
) -> None:
    source, channel = evening.campaigns, evening.channel()
    await evening.happens(
        source.registered("city", name="某某市慈善总会", name_en="The city", licence="A1", contact="0512"),
        source.registered("county", "city", name="某某县慈善会", name_en="The county"),
        source.launched("of-city", organisation_id="city"),
        source.launched("of-county", organisation_id="county"),
        source.goods_received(12_100_000_001, "of-county"),
        channel.received(75_300_000_001, campaign_id="of-county"),
    )
    await evening.counted("of-county", 75_300_000_001)
    await page.goto(f"{evening.reporting.url}/organisations")
    await check(page, modules)
    assert await cut_cells(page) == 0
    await page.get_by_role("link", name="English").click()
    await expect(page.locator("[data-label=Received]")).to_have_count(2)
    await page.get_by_role("link", name="The city").click()
    await page.wait_for_url("**/organisations/city?lang=en")
    assert await page.get_by_role("heading", level=1).text_content() == "The city"
    assert await page.locator(".promises dd").nth(2).inner_text() == "753,000,000.01 CNY"
    await check(page, modules)
    await page.get_by_role("link", name="The county").click()
    await page.wait_for_url("**/organisations/county?lang=en")
    assert await page.get_by_role("link", name="The city").count() == 1


async def test_a_report_can_be_read_and_on_a_phone_no_figure_of_it_is_cut(
    page: Page, modules: Page, evening: Evening
) -> None:
    event = published(evening.campaigns, a_correction())
    await evening.happens(event)
    address = f"{evening.reporting.url}/reports/{event.data.report_id}"

    async def there() -> bool:
        answer = await page.goto(address)
        return answer is not None and answer.status == 200

    await until("the report is public", there)
    await check(page, modules)
    assert await cut_cells(page) == 0
