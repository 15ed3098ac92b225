"""The way of a call: browser → /api/{service}/v1/… here → the service, as the person who is signed in.

Path, query and body pass as they are; of the headers only those named here, in either direction. The service
gets a token of one minute that says who asks (shared/console_tokens.py) and judges the roles by itself. Each
unsafe call becomes a row of the audit log when its answer, or its failure, is known.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import unquote

import httpx
import structlog
from fastapi import APIRouter, Depends, Request
from joserfc.jwk import OKPKey
from prometheus_client import Histogram
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response, StreamingResponse

from services.console import audit
from services.console.guard import SAFE, Guard
from services.console.sessions import Session
from shared.bodies import bounded_body
from shared.console_tokens import mint
from shared.problems import Problem

log = structlog.get_logger(__name__)

CALL_SECONDS: Final = Histogram(
    "shanliu_console_call_seconds",
    "Time until a service has begun its answer to a call through the console, in seconds",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2.5, 5, 10, 30),
)

REQUEST_HEADERS: Final = (
    "accept",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "last-event-id",
)
ANSWER_HEADERS: Final = (
    "content-type",
    "content-disposition",
    "etag",
    "retry-after",
    "location",
    "content-length",
)
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""Statements of a bank are the largest; each service's route has a bound of its own below this."""
BODY_S: Final = 60
"""Such a statement from a desk with a slow line."""
MAX_ANSWER_BYTES: Final = 512 * 1024 * 1024
CONNECT_S: Final = 2.0
ANSWER_S: Final = 30.0
"""Until the first byte, and from each to the next: a stream's heartbeat comes every five seconds."""
LOOK_S: Final = 10.0
"""The same where nothing is changed: a page that waits longer has to say so. The slowest takes 0.02 s with
1,000,000 donations stored. A service that is down may let connections wait instead of refusing them
(deploy/local/doors.py)."""
LOOKS: Final = frozenset({"GET", "HEAD"})
CONNECTIONS: Final = 64
METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]

ANSWER_POLICY: Final = {
    # Whatever a service answers is data here: never a page of this origin.
    "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,40}")
MAX_FIELDS: Final = 30


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came: who asks which service for what."""

    request: Request
    session: Session
    service: str
    path: str
    body: bytes


class Forwarder:
    """Calls the services that it knows, and no other address."""

    def __init__(self, engine: AsyncEngine, guard: Guard, key: OKPKey, services: Mapping[str, str]) -> None:
        self._engine = engine
        self._guard = guard
        self._key = key
        self.services = dict(services)
        self._client: httpx.AsyncClient | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hold the connections to the services."""
        limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
        async with httpx.AsyncClient(limits=limits, trust_env=False, follow_redirects=False) as client:
            self._client = client
            yield

    @property
    def client(self) -> httpx.AsyncClient:
        """The open connections."""
        assert self._client is not None, "the application's parts are entered first"
        return self._client

    async def forward(self, request: Request, session: Session, service: str) -> Response:
        """Pass a call on and its answer back; write down what was to change something."""
        path = _path(request, service)
        call = Call(request, session, service, path, await bounded_body(request, MAX_BODY_BYTES, BODY_S))
        try:
            answer = await self._send(call)
        except Problem as problem:
            await self._note(call, problem.status)
            raise
        try:
            await self._note(call, answer.status_code)
        except BaseException:
            await answer.aclose()
            raise
        headers = {name: answer.headers[name] for name in ANSWER_HEADERS if name in answer.headers}
        return StreamingResponse(_bounded(answer), answer.status_code, headers | ANSWER_POLICY)

    async def _send(self, call: Call) -> httpx.Response:
        request, service = call.request, call.service
        headers = {name: request.headers[name] for name in REQUEST_HEADERS if name in request.headers}
        headers |= {
            "authorization": f"Bearer {mint(self._key, call.session.person, service)}",
            "accept-encoding": "identity",
        }
        query = request.scope["query_string"].decode("ascii", "replace")
        url = f"{self.services[service]}{call.path}" + (f"?{query}" if query else "")
        patience_s = LOOK_S if request.method in LOOKS else ANSWER_S
        timeout = httpx.Timeout(patience_s, connect=CONNECT_S, pool=CONNECT_S)
        asked = self.client.build_request(
            request.method, url, headers=headers, content=call.body, timeout=timeout
        )
        try:
            with CALL_SECONDS.labels(service).time():
                answer = await self.client.send(asked, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            log.warning("service_away", called=service, error=repr(error)[:200])
            raise Problem(
                502,
                "service-away",
                f"The {service} service does not answer. Nothing was done; try again in a moment.",
                headers={"Retry-After": "2"},
                service=service,
            ) from error
        except httpx.TransportError as error:
            log.warning("service_silent", called=service, error=repr(error)[:200])
            raise Problem(
                504,
                "service-silent",
                f"The {service} service has not answered in time. Send the same request again, with the same"
                " Idempotency-Key: nothing is done twice.",
                headers={"Retry-After": "2"},
                service=service,
            ) from error
        if answer.status_code == 401:
            await answer.aclose()
            log.error("service_does_not_know_us", called=service)
            raise Problem(
                502,
                "console-unknown",
                f"The {service} service does not take the console's word. CONSOLE_KEY_FILE there needs the"
                " public half of this console's key.",
                service=service,
            )
        return answer

    async def _note(self, call: Call, status: int) -> None:
        request = call.request
        if request.method in SAFE:
            return
        entry = audit.Entry(
            kind="call",
            person=call.session.person.name,
            roles=roles_said(call.session),
            address=self._guard.address(request),
            method=request.method,
            service=call.service,
            path=call.path,
            status=status,
            idempotency_key=request.headers.get("idempotency-key", "")[:128] or None,
            summary=summary_of(request.headers.get("content-type", ""), call.body),
        )
        async with self._engine.begin() as connection:
            await audit.append(connection, entry)


def roles_said(session: Session) -> list[str]:
    """A person's roles, those of one organisation with its name: "viewer", "finance@gusu"."""
    person = session.person
    return [*person.roles, *(f"{role}@{place}" for place, roles in person.grants.items() for role in roles)]


def summary_of(content_type: str, body: bytes) -> str:
    """The names of a JSON object's fields, two deep, and never what stands in them; of a file its size."""
    if not body:
        return ""
    if content_type.partition(";")[0].strip() != "application/json":
        kind = content_type.partition(";")[0].strip()[:60]
        return f"{len(body)} bytes" + (f" of {kind}" if kind else "")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return f"{len(body)} bytes that are not JSON"
    if isinstance(said, list):
        return f"a list of {len(said)}"
    names = sorted(_names(said))
    return ", ".join(names[:MAX_FIELDS]) + (
        f" and {len(names) - MAX_FIELDS} more" if names[MAX_FIELDS:] else ""
    )


def _names(said: Any) -> set[str]:
    """A name that is none of a contract may be anything, a donor's too: it is not written down."""
    if not isinstance(said, dict):
        return set()
    found = set()
    for name, value in said.items():
        if not _FIELD.fullmatch(name):
            found.add("(another)")
        elif isinstance(value, dict):
            found |= {f"{name}.{inner}" for inner in value if _FIELD.fullmatch(inner)} or {name}
        else:
            found.add(name)
    return found


def _path(request: Request, service: str) -> str:
    """The service's own path, undecoded. Raises Problem 404 for one that no contract of a service has."""
    sent: bytes = request.scope.get("raw_path", b"")
    raw = sent.decode("ascii", "replace").partition("?")[0]
    path = raw.removeprefix(f"/api/{service}")
    segments = unquote(path).split("/")
    if not path.startswith("/v1/") or ".." in segments or "." in segments or "\\" in unquote(path):
        raise Problem(404, "unknown-path", "Calls go to /api/<service>/v1/….")
    return path


async def _bounded(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes, cut off at MAX_ANSWER_BYTES."""
    size = 0
    try:
        async for chunk in answer.aiter_raw():
            size += len(chunk)
            if size > MAX_ANSWER_BYTES:
                log.warning("answer_cut_off", bytes=size)
                raise httpx.ReadError("the answer is longer than MAX_ANSWER_BYTES")
            yield chunk
    finally:
        await answer.aclose()


def forwarding_router(forwarder: Forwarder, guard: Guard) -> APIRouter:
    """The route of all calls to services."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/api/{service}/{path:path}", methods=METHODS)
    async def call(
        request: Request, service: str, session: Annotated[Session, Depends(guard.session)]
    ) -> Response:
        if service not in forwarder.services:
            raise Problem(404, "unknown-service", f"Services are {', '.join(sorted(forwarder.services))}.")
        return await forwarder.forward(request, session, service)

    return router
