"""Can everybody read the screens and the public pages?"""

import pytest
from playwright.async_api import Page, expect

from tests.browser.evening import Evening, until
from tests.browser.readable import check, cut_cells
from tests.browser.test_screen import open_screen, shows
from tests.reports import a_correction, a_document
from tests.services.reporting.test_reports import published

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

KINDS = ("person", "company")
TRANSLATED = "[data-text], th, dt, .kinds a"
WRITTEN_ALREADY = """async () => {
    const written = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html');
    const [server, shown] = [written, document].map((each) => each.body.textContent.replace(/\\s+/g, ' '));
    return server === shown;
}"""
"""Whether the page says in Chinese what the server has written: these texts stand in two places."""


def no_chinese(texts: list[str]) -> bool:
    return not any("\u4e00" <= letter <= "\u9fff" for text in texts for letter in text)


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
    assert await page.evaluate(WRITTEN_ALREADY)
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


async def test_a_report_can_be_read_in_both_languages_and_on_a_phone_no_figure_of_it_is_cut(
    page: Page, modules: Page, evening: Evening
) -> None:
    first = published(evening.campaigns, a_document())
    before = first.data.report_id
    event = published(evening.campaigns, a_correction(str(before)), corrects=before)
    await evening.happens(first, event)
    reports = f"{evening.reporting.url}/reports"

    async def there() -> bool:
        answer = await page.goto(f"{reports}/{event.data.report_id}")
        return answer is not None and answer.status == 200

    await until("the report is public", there)
    await check(page, modules)
    assert await cut_cells(page) == 0
    assert await page.evaluate(WRITTEN_ALREADY)
    await page.get_by_role("link", name="English").click()
    heading = page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Flood relief: full report after the end")
    await expect(page.locator("[data-label='Amount (CNY)']").first).to_be_visible()
    assert no_chinese(await page.locator(TRANSLATED).all_text_contents())
    await check(page, modules)
    await page.get_by_role("link", name="The report before").click()
    await page.wait_for_url(f"**/{before}?lang=en")
    await expect(page.get_by_role("note")).to_contain_text("This report has been corrected")

    await page.get_by_role("link", name="Disclosure").click()
    await page.get_by_role("link", name="Full report").click()
    await page.wait_for_url("**/reports?kind=final&lang=en")
    entry = page.get_by_role("listitem").filter(has_text="Version 2 (correction)").first
    await expect(entry).to_contain_text("2023-08-02 to 2023-10-31")
    assert no_chinese(await page.locator(TRANSLATED).all_text_contents())
    await check(page, modules)
    await page.goto(f"{reports}/nothing?lang=en")
    await expect(page.get_by_role("note")).to_contain_text("No such report was published")
    await page.get_by_role("link", name="中文").click()
    await expect(heading).to_have_text("信息公开")
    assert await page.evaluate(WRITTEN_ALREADY)
