"""What the console's pages are made of: files of this release that may be kept, and two sets of colours."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

import services
import shared
from services.console.pages import PAGES, existing
from services.donation.channels.schemas import CHANNEL
from services.donation.desk.schemas import PLACARD
from shared.events.fields import CAMPAIGN_ID
from shared.forms import SHA256
from shared.wrong_fields import rule_of
from tests.browser.conftest import Visit
from tests.browser.consoles import Console

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LINKED = re.compile(r'(?:src|href)="(/static/[^"]+)"')
LIGHT, DARK = "rgb(244, 243, 240)", "rgb(13, 15, 17)"


async def test_every_file_of_a_page_is_named_by_its_release_and_may_be_kept(console: Console) -> None:
    signed_in = (await console.person("administrator")).client
    found: set[str] = set()
    async with httpx.AsyncClient(base_url=console.url) as stranger:
        texts = {"/sign-in": (await stranger.get("/sign-in")).text}
    for page in existing():
        texts[page.path] = (await signed_in.get(page.path)).text
    for path, text in texts.items():
        linked = set(LINKED.findall(text))
        assert linked, path
        assert {each for each in linked if not each.startswith("/static/@")} == set(), path
        found |= linked
    for address in sorted(found):
        answer = await signed_in.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable", address


@pytest.mark.parametrize(
    ("dark", "chosen", "colour"),
    [
        (False, None, LIGHT),
        (True, None, DARK),
        (False, "dark", DARK),
        (True, "light", LIGHT),
    ],
    ids=["machine-light", "machine-dark", "dark-by-hand", "light-by-hand"],
)
async def test_the_colours_are_the_machines_unless_a_person_has_chosen(
    console: Console, visit: Visit, *, dark: bool, chosen: str | None, colour: str
) -> None:
    page = await visit("administrator", dark=dark)
    if chosen:
        await page.context.add_cookies([{"name": "shanliu_theme", "value": chosen, "url": console.url}])
    await page.goto("/accounts")
    await expect(page.locator("body")).to_have_css("background-color", colour)
    await page.locator("#theme").click()
    other = DARK if colour == LIGHT else LIGHT
    await expect(page.locator("body")).to_have_css("background-color", other)


async def test_a_telephone_shows_which_page_it_is_on(visit: Visit) -> None:
    page = await visit("administrator", "/accounts", width=390, height=844, lang="en")
    await expect(page.locator("#ways [aria-current]")).to_be_in_viewport(ratio=0.95)


async def test_who_may_not_see_a_page_is_told_who_may(visit: Visit) -> None:
    page = await visit("desk", "/messages")
    await expect(page.locator("main")).to_contain_text("此页需要角色：审核")


def no_match(pattern: str) -> dict[str, Any]:
    """What pydantic says of a text that is not of this form."""
    return {"type": "string_pattern_mismatch", "ctx": {"pattern": pattern}}


async def test_a_refusal_is_said_in_chinese_where_it_has_words(modules: Page) -> None:
    text = (PAGES / "static" / "texts" / "problems.js").read_text("utf-8").partition("const RULES")[0]
    codes = re.findall(r'^  "?([a-z-]+)"?: "', text, re.MULTILINE)
    assert len(codes) > 90
    places = [Path(path) for each in (services, shared) for path in each.__path__]
    sources = "".join(file.read_text("utf-8") for place in places for file in place.rglob("*.py"))
    assert [code for code in codes if f'"{code}"' not in sources] == [], "words for what nobody says"
    errors = [
        ({"type": "missing"}, "必填"),
        ({"type": "greater_than_equal", "ctx": {"ge": 1}}, "不能小于 1"),
        ({"type": "string_too_long", "ctx": {"max_length": 64}}, "最多 64 个字"),
        ({"type": "date_parsing"}, "须为日期，如 2026-12-31"),
        (no_match(CHANNEL), "须为 1 至 32 个字（小写字母、数字、-），以字母或数字开头，如 wechat-hall"),
        (no_match(CAMPAIGN_ID), "须为 1 至 64 个字（小写字母、数字、. _ -），首尾为字母或数字，如 gala-2027"),
        (no_match(PLACARD), "须为 1 至 8 个字母或数字，如 17"),
        (no_match(SHA256), "格式不对，例：e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ]
    said = [rule_of(error) for error, _ in errors] + ["amount_fen: must be at least 1", "another language"]
    told = [chinese for _, chinese in errors] + ["amount_fen：不能小于 1", "another language"]
    script = "async all => all.map((await import('/static/texts/problems.js')).ruleInChinese)"
    assert await modules.evaluate(script, said) == told
