"""The mail catcher's page, its JSON, and the switch for misbehaviour."""

from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from deploy.local.mailcatcher.mailbox import Mailbox, Mode

PAGE_SIZE: Final = 100
SHANGHAI: Final = ZoneInfo("Asia/Shanghai")

WORDS: Final = {
    "zh": {
        "title": "演示邮箱",
        "hint": "演示中的邮件都留在这里，不会寄出；进程结束即清空。",
        "empty": "还没有邮件。",
        "time": "收到时间",
        "from": "发件人",
        "to": "收件人",
        "subject": "主题",
        "donation": "捐赠编号",
        "back": "返回列表",
        "text": "纯文本",
        "html": "网页版",
        "kept": "封已保存",
        "mode": "当前行为",
        "gone": "这封邮件已不在。",
        "other": "English",
        "other_lang": "en",
    },
    "en": {
        "title": "Demo mailbox",
        "hint": "Mail of this demo stays here and goes nowhere; it is gone when the process ends.",
        "empty": "No mail yet.",
        "time": "Received",
        "from": "From",
        "to": "To",
        "subject": "Subject",
        "donation": "Donation",
        "back": "Back to the list",
        "text": "Plain text",
        "html": "HTML",
        "kept": "kept",
        "mode": "behaviour",
        "gone": "This mail is no longer kept.",
        "other": "中文",
        "other_lang": "zh",
    },
}

# A mail's content is hostile until shown otherwise: its text is escaped, its HTML part stands in a sandboxed
# frame (no scripts, forms, links out), and the page's policy allows nothing but inline style.
SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class BehaviourRequest(BaseModel):
    """`count`: for so many mails, then accept again; left out: until it is set anew."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode
    count: int | None = Field(default=None, ge=1, le=1_000_000)


def create_pages(mailbox: Mailbox) -> Starlette:
    """GET / and /mails/{number} (pages), GET and DELETE /messages, POST /behaviour, /livez, /readyz."""
    pages = _Pages(mailbox)
    return Starlette(
        routes=[
            Route("/", pages.mails),
            Route("/mails/{number:int}", pages.mail),
            Route("/messages", pages.messages, methods=["GET"]),
            Route("/messages", pages.clear, methods=["DELETE"]),
            Route("/behaviour", pages.behaviour, methods=["POST"]),
            Route("/livez", pages.alive),
            Route("/readyz", pages.alive),
        ],
        # Another name made to point at loopback (DNS rebinding) is not this page's name.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )


class _Pages:
    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("deploy.local.mailcatcher"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
        )
        self._templates.filters["shanghai"] = lambda at: at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")

    def _page(self, request: Request, name: str, status: int, **values: Any) -> Response:
        lang = _language(request)
        body = self._templates.get_template(name).render(lang=lang, words=WORDS[lang], **values)
        return HTMLResponse(body, status, headers=SECURITY_HEADERS)

    async def mails(self, request: Request) -> Response:
        newest = self._mailbox.find()[-PAGE_SIZE:][::-1]
        kept, mode = len(self._mailbox), self._mailbox.mode.value
        return self._page(request, "mails.html", 200, mails=newest, kept=kept, mode=mode)

    async def mail(self, request: Request) -> Response:
        mail = self._mailbox.numbered(request.path_params["number"])
        return self._page(request, "mail.html", 200 if mail else 404, mail=mail)

    async def messages(self, request: Request) -> Response:
        query = request.query_params
        found = self._mailbox.find(donation_id=query.get("donation_id"), to=query.get("to"))
        answer = {
            "received": self._mailbox.received,
            "kept": len(self._mailbox),
            "messages": [mail.as_json() for mail in found],
        }
        return JSONResponse(answer, headers=SECURITY_HEADERS)

    async def clear(self, _request: Request) -> Response:
        self._mailbox.clear()
        return Response(status_code=204)

    async def behaviour(self, request: Request) -> Response:
        # A page of another site can't send this content type without asking first (CORS), so it can't
        # make the demo's mail server misbehave.
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return JSONResponse({"error": "send application/json"}, 415)
        try:
            wanted = BehaviourRequest.model_validate_json(await request.body())
        except ValidationError as error:
            return JSONResponse({"error": error.errors(include_url=False, include_input=False)}, 422)
        self._mailbox.behave(wanted.mode, wanted.count)
        return JSONResponse({"mode": wanted.mode.value, "count": wanted.count})

    async def alive(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})


def _language(request: Request) -> str:
    """Chinese unless the reader asks for English."""
    wanted = request.query_params.get("lang") or request.headers.get("accept-language", "")[:2].lower()
    return "en" if wanted == "en" else "zh"
