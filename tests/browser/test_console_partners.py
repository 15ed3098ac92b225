"""The partners page: an endpoint registered, tested, replayed to, paused and deleted; what failed is seen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.browser.consoles import Console
from tests.browser.readable import for_everybody

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

RECEIVED = "org.shanliu.donation.received.v1"


@dataclass
class Partner:
    """A partner's server: how often it was called, and the status that it answers."""

    url: str = ""
    calls: int = 0
    status: int = 204


@asynccontextmanager
async def a_partner() -> AsyncIterator[Partner]:
    partner = Partner()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            partner.calls += 1
            writer.write(
                f"HTTP/1.1 {partner.status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
            )
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        partner.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hooks"
        yield partner


async def registered(console: Console, partner: Partner) -> tuple[str, str]:
    """The id and the name of an endpoint of its own."""
    await console.needs("notification")
    name = f"伙伴 {uuid4().hex[:8]}"
    body: dict[str, Any] = {"url": partner.url, "description": name, "owner_email": "it@partner.example"}
    administrator = await console.person("administrator")
    answer = await administrator.post(
        "notification/v1/webhook-endpoints", {**body, "event_types": [RECEIVED]}
    )
    assert answer.status_code == 201, answer.text
    return answer.json()["endpoint_id"], name


async def test_an_administrator_registers_tests_pauses_and_deletes_an_endpoint(
    console: Console, visit: Visit
) -> None:
    await console.needs("notification")
    name = f"长沙晚报 {uuid4().hex[:8]}"
    page = await visit("administrator")
    async with a_partner() as partner:
        await page.goto("/partners")
        await page.locator("h1").click()
        await page.keyboard.press("a")
        sheet = page.get_by_role("dialog")
        await sheet.locator("#field-description").fill(name)
        await sheet.locator("#field-url").fill("ftp://nowhere")
        await sheet.locator("#field-owner_email").fill("it@partner.example")
        await sheet.get_by_label("达到目标").check()
        await sheet.get_by_role("button", name="登记地址").click()
        await expect(sheet.locator("#field-url-said")).to_have_class("said bad")
        await sheet.locator("#field-url").fill(partner.url)
        await sheet.get_by_role("button", name="登记地址").click()
        await expect(sheet.locator(".secret")).to_contain_text("whsec_")
        await sheet.get_by_role("button", name="已妥善保存").click()

        row = page.locator("tbody tr", has_text=name)
        await row.locator("td").nth(1).click()
        await expect(sheet).to_contain_text("达到目标")
        await sheet.get_by_role("button", name="测试推送").click()
        await sheet.get_by_role("button", name="补发").click()  # and how the test went is told meanwhile
        await expect(page.locator(".notice", has_text=f"{name} 测试成功")).to_contain_text("204")
        await expect(page.locator(".notice", has_text="正在等回答")).to_have_count(0)
        assert partner.calls == 1
        await sheet.get_by_label("从哪天起").click()
        await sheet.get_by_role("button", name="补发").click()
        await expect(sheet).to_contain_text("补发记录")

        await sheet.get_by_role("button", name="暂停").click()
        await sheet.get_by_label("原因").fill("对方系统升级")
        await sheet.get_by_role("button", name="暂停").click()
        await expect(row).to_contain_text("对方系统升级")
        await page.locator(".notice", has_text="已暂停").get_by_role("button", name="撤销").click()
        await expect(row).to_contain_text("启用")

        await row.locator("td").nth(1).click()
        await sheet.get_by_role("button", name="删除").click()
        await sheet.get_by_role("button", name="永久删除").click()
        await expect(row).to_have_count(0)
        await page.locator("#filter-state").select_option("deleted")
        await expect(row).to_contain_text("已删除")


async def test_the_desk_sees_why_a_delivery_failed_and_may_not_change_endpoints(
    console: Console, visit: Visit
) -> None:
    async with a_partner() as partner:
        partner.status = 410
        endpoint, name = await registered(console, partner)
        administrator = await console.person("administrator")
        assert (
            await administrator.post(f"notification/v1/webhook-endpoints/{endpoint}/ping")
        ).status_code == 202
        page = await visit("desk", "/partners", lang="en")
        row = page.locator("tbody tr", has_text=name)
        await expect(row).to_contain_text("disabled by itself", timeout=20_000)
        await expect(page.get_by_role("button", name="Register")).to_be_hidden()
        await expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        refused = await (await console.person("desk")).post(
            f"notification/v1/webhook-endpoints/{endpoint}/ping"
        )
        assert refused.status_code == 403, refused.text

        await row.click()
        await page.get_by_role("link", name="See its deliveries").click()
        delivery = page.locator("tbody tr")
        await expect(delivery).to_have_count(1)
        await expect(delivery).to_contain_text(name)
        await expect(page.locator("#filter-endpoint_id")).to_have_value(endpoint)
        await delivery.locator("td").nth(2).click()
        await expect(page.get_by_role("dialog")).to_contain_text("answered 410")
        words = await page.locator("main, dialog").all_inner_texts()
        assert "undefined" not in str(words)


async def test_thanks_that_failed_are_listed_for_the_desk_and_not_for_a_moderator(
    console: Console, visit: Visit
) -> None:
    await console.needs("notification")
    page = await visit("desk", "/partners?view=thanks")
    await expect(page.locator(".empty")).to_contain_text("感谢都已送达")
    await page.locator("#filter-state").select_option("uncertain")
    await expect(page).to_have_url(f"{console.url}/partners?view=thanks&state=uncertain")
    await expect(page.locator(".empty")).to_contain_text("感谢都已送达")
    page = await visit("nobody")
    answer = await page.goto("/partners")
    assert answer is not None
    assert answer.status == 403


async def test_nothing_on_the_page_shuts_anybody_out(console: Console, visit: Visit) -> None:
    async with a_partner() as partner:
        _, name = await registered(console, partner)
        page = await visit("administrator", "/partners")
        await page.locator("tbody tr", has_text=name).locator("td").nth(1).click()
        await page.get_by_role("dialog").get_by_role("button", name="修改").click()
        await expect(page.get_by_role("dialog")).to_contain_text("通知的事件")
        await for_everybody(page)
