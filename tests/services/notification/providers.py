"""The companies' servers, as far as this service speaks to them: on loopback, checking every signature from
what came over the wire, with code of their own.
"""

import asyncio
import hashlib
import hmac
import json
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

KEY_ID: Final = "LTAI-test"
KEY: Final = "secret-of-the-tests"
APP: Final = "wx0123456789abcdef"
APP_SECRET: Final = "app-secret-of-the-tests"


def _sha(said: bytes) -> str:
    return hashlib.sha256(said).hexdigest()


def _mac(key: bytes, said: str) -> bytes:
    return hmac.new(key, said.encode(), hashlib.sha256).digest()


def signed_by_alibabas_rules(request: Request, body: bytes) -> bool:
    """ACS3-HMAC-SHA256 over the query exactly as it was sent (it must be canonical already)."""
    pattern = r"ACS3-HMAC-SHA256 Credential=(\S+),SignedHeaders=(\S+),Signature=([0-9a-f]{64})"
    found = re.fullmatch(pattern, request.headers.get("authorization", ""))
    if found is None or found[1] != KEY_ID or request.headers["x-acs-content-sha256"] != _sha(body):
        return False
    names = found[2].split(";")
    needed = {"host", *(name for name in request.headers if name.startswith("x-acs-"))}
    if not needed <= set(names) or names != sorted(names):
        return False
    lines = "".join(f"{name}:{request.headers[name]}\n" for name in names)
    query = request.scope["query_string"].decode()
    canonical = "\n".join([request.method, request.url.path, query, lines, found[2], _sha(body)])
    to_sign = f"ACS3-HMAC-SHA256\n{_sha(canonical.encode())}"
    return hmac.compare_digest(_mac(KEY.encode(), to_sign).hex(), found[3])


def signed_by_tencents_rules(request: Request, body: bytes) -> bool:
    """TC3-HMAC-SHA256 over the body and headers as they were sent."""
    pattern = (
        r"TC3-HMAC-SHA256 Credential=([^/]+)/([\d-]+)/sms/tc3_request, "
        r"SignedHeaders=(\S+), Signature=([0-9a-f]{64})"
    )
    found = re.fullmatch(pattern, request.headers.get("authorization", ""))
    if found is None or found[1] != KEY_ID:
        return False
    names = found[3].split(";")
    lines = "".join(f"{name}:{request.headers[name].strip().lower()}\n" for name in names)
    canonical = "\n".join([request.method, "/", "", lines, found[3], _sha(body)])
    scope = f"{found[2]}/sms/tc3_request"
    to_sign = "\n".join(
        ["TC3-HMAC-SHA256", request.headers["x-tc-timestamp"], scope, _sha(canonical.encode())]
    )
    key = _mac(_mac(_mac(f"TC3{KEY}".encode(), found[2]), "sms"), "tc3_request")
    return {"content-type", "host"} <= set(names) and hmac.compare_digest(_mac(key, to_sign).hex(), found[4])


class Company:
    """A provider's server: what it was asked to send, and how it is to answer.

    `answers` are given in turn, then the good one; a number is an HTTP status without words, None keeps the
    message and hangs up. While `speaking` is not set it keeps what it is sent and says nothing.
    """

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any] | int | None] = []
        self.refused_signatures = 0
        self.tokens_given = 0
        self.url = ""
        self.speaking = asyncio.Event()
        self.speaking.set()
        self.hang_up: Callable[[], None] = lambda: None

    async def _next(self, good: dict[str, Any]) -> Response:
        await self.speaking.wait()
        answer = self.answers.pop(0) if self.answers else good
        if answer is None:
            self.hang_up()
            return Response()
        return Response(status_code=answer) if isinstance(answer, int) else JSONResponse(answer)

    async def aliyun(self, request: Request) -> Response:
        """SendSms."""
        if not signed_by_alibabas_rules(request, await request.body()):
            self.refused_signatures += 1
            return JSONResponse({"Code": "SignatureDoesNotMatch"}, 400)
        asked = dict(parse_qsl(request.scope["query_string"].decode(), strict_parsing=True))
        assert request.headers["x-acs-action"] == "SendSms"
        assert request.headers["x-acs-version"] == "2017-05-25"
        self.sent.append(asked)
        return await self._next(
            {"Code": "OK", "Message": "OK", "BizId": f"biz-{len(self.sent)}", "RequestId": "r"}
        )

    async def tencent(self, request: Request) -> Response:
        """SendSms."""
        body = await request.body()
        if not signed_by_tencents_rules(request, body):
            self.refused_signatures += 1
            error = {"Code": "AuthFailure.SignatureFailure", "Message": "no"}
            return JSONResponse({"Response": {"Error": error, "RequestId": "r"}})
        assert request.headers["x-tc-version"] == "2021-01-11"
        self.sent.append(json.loads(body))
        status = {"SerialNo": f"serial-{len(self.sent)}", "Code": "Ok"}
        return await self._next({"Response": {"SendStatusSet": [status], "RequestId": "r"}})

    async def token(self, request: Request) -> Response:
        """stable_token: a new one each time it is asked, so that a cache shows."""
        asked = await request.json()
        if (asked["appid"], asked["secret"], asked["grant_type"]) != (APP, APP_SECRET, "client_credential"):
            return JSONResponse({"errcode": 40125, "errmsg": "invalid appsecret"})
        self.tokens_given += 1
        return JSONResponse({"access_token": f"token-{self.tokens_given}", "expires_in": 7200})

    async def wechat(self, request: Request) -> Response:
        """A template or a subscription message."""
        asked = {"path": request.url.path, "token": request.query_params["access_token"]}
        self.sent.append({**asked, **(await request.json())})
        return await self._next({"errcode": 0, "errmsg": "ok", "msgid": len(self.sent)})

    def app(self, sms: Callable[[Request], Any]) -> Starlette:
        """All of them at one address."""
        return Starlette(
            routes=[
                Route("/", sms, methods=["POST"]),
                Route("/cgi-bin/stable_token", self.token, methods=["POST"]),
                Route("/cgi-bin/message/template/send", self.wechat, methods=["POST"]),
                Route("/cgi-bin/message/subscribe/bizsend", self.wechat, methods=["POST"]),
            ]
        )


@asynccontextmanager
async def company_running(provider: str) -> AsyncIterator[Company]:
    """Serve a company on a port of its own; `provider` is whose short messages it carries."""
    company = Company()
    listening = socket.create_server(("127.0.0.1", 0))
    company.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = company.app(company.aliyun if provider == "aliyun" else company.tencent)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))

    def hang_up() -> None:
        for connection in list(server.server_state.connections):
            connection.transport.abort()

    company.hang_up = hang_up
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield company
    finally:
        server.should_exit = True
        await serving
