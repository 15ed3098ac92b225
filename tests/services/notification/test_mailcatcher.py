"""The mail catcher itself: real SMTP in, a page that shows hostile mail without harm, bounds that hold."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import httpx
import pytest

from deploy.local.mailcatcher.mailbox import Mailbox, Mode
from deploy.local.mailcatcher.pages import create_pages
from deploy.local.mailcatcher.smtp import MESSAGE_BYTES_MAX, smtp_running
from tests.waiting import until

ROOT = Path(__file__).parents[3]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def smtp_port(mailbox: Mailbox) -> AsyncIterator[int]:
    async with smtp_running(mailbox) as port:
        yield port


@pytest.fixture
async def page(mailbox: Mailbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_pages(mailbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield client


def mail(subject: str = "谢谢", text: str = "您好", donation_id: str = "d-1") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "thanks@shanliu.example"
    message["To"] = "zhang@example.com"
    message["Subject"] = subject
    message["Message-ID"] = "<1@shanliu.example>"
    message["X-Shanliu-Donation-Id"] = donation_id
    message.set_content(text)
    message.add_alternative(f"<p>{text}</p>", subtype="html")
    return message


async def send(port: int, message: EmailMessage) -> None:
    await aiosmtplib.send(message, hostname="127.0.0.1", port=port, timeout=30)


async def test_a_mail_is_kept_and_told_as_json(
    mailbox: Mailbox, smtp_port: int, page: httpx.AsyncClient
) -> None:
    await send(smtp_port, mail())
    answer = (await page.get("/messages", params={"donation_id": "d-1"})).json()
    assert (answer["received"], answer["kept"]) == (1, 1)
    (kept,) = answer["messages"]
    assert kept["to"] == ["zhang@example.com"]
    assert kept["message_id"] == "<1@shanliu.example>"
    assert kept["subject"] == "谢谢"
    assert kept["donation_id"] == "d-1"
    assert kept["text"].strip() == "您好"
    assert (await page.get("/messages", params={"donation_id": "d-2"})).json()["messages"] == []
    assert (await page.delete("/messages")).status_code == 204
    assert len(mailbox) == 0


async def test_hostile_mail_is_shown_as_text(smtp_port: int, page: httpx.AsyncClient) -> None:
    await send(smtp_port, mail(subject=HOSTILE, text=f'"{HOSTILE}', donation_id=HOSTILE))
    for path in ("/", "/mails/1"):
        answer = await page.get(path)
        assert answer.status_code == 200
        assert HOSTILE not in answer.text
        assert "&lt;script&gt;" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<iframe sandbox " in (await page.get("/mails/1")).text


async def test_mail_that_breaks_the_parser_is_kept_all_the_same(
    mailbox: Mailbox, smtp_port: int, page: httpx.AsyncClient
) -> None:
    broken = (
        b"Subject: =?utf-8?b?////?= =?x\r\nContent-Type: text/plain; charset=no-such\r\n"
        b"Message-ID: <<>\r\nX-Shanliu-Donation-Id: \xff\xfe\r\n\r\n\xff\xff\r\n"
    )
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=smtp_port, timeout=30) as client:
        await client.sendmail("a@example.com", ["b@example.com"], broken)
    assert len(mailbox) == 1
    assert (await page.get("/messages")).status_code == 200
    assert (await page.get("/")).status_code == 200
    assert (await page.get("/mails/1")).status_code == 200


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("reject_451", aiosmtplib.SMTPDataError),
        ("reject_550", aiosmtplib.SMTPRecipientsRefused),
        ("drop_after_data", aiosmtplib.SMTPServerDisconnected),
    ],
)
async def test_it_misbehaves_as_often_as_it_is_told_to(
    smtp_port: int, page: httpx.AsyncClient, mode: str, error: type[Exception]
) -> None:
    assert (await page.post("/behaviour", json={"mode": mode, "count": 1})).status_code == 200
    with pytest.raises(error):
        await send(smtp_port, mail(donation_id="first"))
    await send(smtp_port, mail(donation_id="second"))
    kept = [each["donation_id"] for each in (await page.get("/messages")).json()["messages"]]
    assert kept == (["first", "second"] if mode == "drop_after_data" else ["second"])


async def test_who_is_left_hanging_is_let_go_when_the_behaviour_changes(
    mailbox: Mailbox, smtp_port: int
) -> None:
    mailbox.behave(Mode.HANG)
    sending = asyncio.create_task(send(smtp_port, mail()))

    async def arrived() -> bool:
        return len(mailbox) > 0

    await until(arrived)
    assert not sending.done()
    mailbox.behave(Mode.ACCEPT)
    await asyncio.wait_for(sending, 30)


async def test_a_mail_that_is_too_large_is_refused(mailbox: Mailbox, smtp_port: int) -> None:
    with pytest.raises(aiosmtplib.SMTPResponseException) as refused:
        await send(smtp_port, mail(text="x\n" * MESSAGE_BYTES_MAX))
    assert refused.value.code == 552
    assert len(mailbox) == 0


def test_the_oldest_mails_go_first_when_there_are_too_many_or_too_much() -> None:
    by_number = Mailbox(messages_max=3)
    by_size = Mailbox(kept_bytes_max=350)
    for _ in range(5):
        by_number.keep("a@example.com", ("b@example.com",), b"x" * 100)
        by_size.keep("a@example.com", ("b@example.com",), b"x" * 100)
    assert [kept.number for kept in by_number.find()] == [3, 4, 5]
    assert [kept.number for kept in by_size.find()] == [3, 4, 5]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ('{"mode": "accept"}', "text/plain", 415),
        ("mode=accept", "application/x-www-form-urlencoded", 415),
        ("{", "application/json", 422),
        ('{"mode": "explode"}', "application/json", 422),
        ('{"mode": "hang", "count": 0}', "application/json", 422),
    ],
)
async def test_only_a_well_formed_wish_changes_the_behaviour(
    mailbox: Mailbox, page: httpx.AsyncClient, body: str, content_type: str, status: int
) -> None:
    answer = await page.post("/behaviour", content=body, headers={"content-type": content_type})
    assert answer.status_code == status
    assert mailbox.mode is Mode.ACCEPT


async def test_another_name_for_loopback_is_not_served(page: httpx.AsyncClient) -> None:
    assert (await page.get("/messages", headers={"host": "evil.example"})).status_code == 400


async def test_the_page_speaks_chinese_and_english_by_choice(page: httpx.AsyncClient) -> None:
    assert "演示邮箱" in (await page.get("/")).text
    assert "Demo mailbox" in (await page.get("/", params={"lang": "en"})).text
    assert (await page.get("/mails/99")).status_code == 404


@contextlib.asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy.local.mailcatcher",
        *arguments,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
        await asyncio.wait_for(started.wait(), 30)


async def test_a_busy_port_is_one_clear_line(smtp_port: int) -> None:
    async with process("--smtp-port", str(smtp_port), "--http-port", "0") as catcher:
        assert catcher.stderr is not None
        said = (await asyncio.wait_for(catcher.stderr.read(), 30)).decode()
        assert await asyncio.wait_for(catcher.wait(), 30) == 1
    assert said.count("\n") == 1
    assert "--smtp-port" in said
