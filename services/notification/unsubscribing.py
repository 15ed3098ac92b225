"""How a donor ends the messages: by the link in a mail, or by answering a short message.

The link's page asks; only its POST does it (RFC 8058: a mail program may post by itself, and a scanner that
opens every link must end nothing). Whoever holds the link may: it was sent to that address alone.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.notification.couriers.callbacks import SmsProvider, posted, taken
from services.notification.couriers.ways import Way
from services.notification.settings import Settings
from shared.problems import Problem

ENDING: Final = frozenset({"T", "TD", "TDD", "R", "N", "退订", "拒收"})
"""What an answer says that wants no more messages (the habit of the trade; either case)."""
_MOBILE: Final = re.compile(r"(?:\+?86)?(1[3-9][0-9]{9})")
PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address is the key
    "Cache-Control": "no-store",
}

_END: Final = text("""
INSERT INTO unsubscribed (address_hash, how, since) VALUES (:address_hash, :how, now())
ON CONFLICT DO NOTHING
""")


async def unsubscribe(
    connection: AsyncConnection, address_hashes: Sequence[bytes], how: Literal["link", "reply"]
) -> None:
    """Write to these addresses no more, from the next claim on."""
    for address_hash in sorted(set(address_hashes)):
        await connection.execute(_END, {"address_hash": address_hash, "how": how})


def create_router(settings: Settings, engine: AsyncEngine) -> APIRouter:
    """GET and POST /unsubscribe/{token}, and POST /v1/sms-replies/{provider}/{secret} for answers."""
    router = APIRouter(tags=["unsubscribe"])

    def hash_in(token: str) -> bytes:
        found = settings.addressees.read_token(token)
        if found is None:
            raise Problem(404, "unknown-link", "This link is not whole. Copy all of it from the mail.")
        return found

    @router.get("/unsubscribe/{token}", summary="The page that asks", response_class=HTMLResponse)
    async def ask(token: str) -> Response:
        """Opening it ends nothing: a scanner of mails opens every link."""
        hash_in(token)
        return _page(
            '<p>不再接收感谢邮件？<br>Stop thank-you mails to your address?</p><form method="post">'
            '<button name="List-Unsubscribe" value="One-Click">不再接收 / Stop</button></form>'
        )

    @router.post("/unsubscribe/{token}", summary="Ends the messages (RFC 8058)", response_class=HTMLResponse)
    async def end(token: str) -> Response:
        """No more messages to this address, from the next one on. May be repeated."""
        async with engine.begin() as connection:
            await unsubscribe(connection, [hash_in(token)], "link")
        return _page("<p>您将不再收到此类邮件。<br>You will get no more of these mails.</p>")

    @router.post(
        "/v1/sms-replies/{provider}/{secret}", summary="Answers to short messages, from the provider"
    )
    async def take_replies(request: Request, provider: SmsProvider, secret: str) -> Response:
        """Who answers TD, T, R, N or 退订 gets no more short messages. The address holds the secret."""
        phones = ending(await posted(request, settings, secret))
        async with engine.begin() as connection:
            hashes = [settings.addressees.hash_of(Way.SMS, phone) for phone in phones]
            await unsubscribe(connection, hashes, "reply")
        return taken(provider)

    return router


def ending(replies: Sequence[Mapping[str, Any]]) -> list[str]:
    """The phones (E.164) whose answer wants no more messages.

    Alibaba Cloud sends a list of {phone_number, content, …} (SmsUp), Tencent Cloud one {mobile, nationcode,
    text, …}. What is not an answer of a mobile is passed over.
    """
    phones = []
    for reply in replies:
        said = reply.get("content", reply.get("text"))
        mobile = _MOBILE.fullmatch(str(reply.get("phone_number", reply.get("mobile"))))
        if mobile and isinstance(said, str) and said.strip().upper() in ENDING:
            phones.append(f"+86{mobile[1]}")
    return phones


def _page(body: str) -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>善流 Shanliu</title></head>'
        f"<body><main><h1>善流 Shanliu</h1>{body}</main></body></html>",
        headers=PAGE_HEADERS,
    )
