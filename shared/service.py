"""The service shell: what every process has, whatever it does.

A FastAPI application with a lifespan, /livez, /readyz, /metrics, problem details, JSON logs and a stop that
takes at most ten seconds even with streams open. Each service's app.py gives it its parts.
"""

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, disable_created_metrics, generate_latest
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from shared import loading, logs, problems, tracing
from shared.contracts import reading
from shared.contracts.openapi import CONTACT, LICENCE, Completer
from shared.told import ToldSettings

if TYPE_CHECKING:
    from shared.contracts.asyncapi import Traffic

log = structlog.get_logger(__name__)

STOP_S: Final = 5
"""For open connections; what is left of the ten seconds is for the parts."""
FORCE_S: Final = 9.5
DRAIN_S: Final = 0.5
"""So long a process that stops still answers on the connections it has, asking each to come no more."""
CHECK_S: Final = 3
CANCEL_AGAIN_S: Final = 4.0
"""What work does when it is cancelled takes three seconds at most."""
UNACKNOWLEDGED_MS: Final = 15_000
# A second series for each counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]
READY = Gauge(
    "shanliu_ready", "1 while every part this process needs has answered when /readyz last asked it", ["part"]
)

HEALTH: Final = "Whether the process lives, is ready for work, and what it measures. For those who run it."


@dataclass(frozen=True, slots=True)
class Published:
    """What a service says of itself beside its routes: `tags`, what those routes are about whose module's
    docstring says something else; `ahead`, which adds the routes of hot paths to the OpenAPI document;
    `traffic`, for the AsyncAPI document.
    """

    tags: Mapping[str, str] = field(default_factory=dict)
    ahead: Callable[[dict[str, Any]], None] | None = None
    traffic: "Traffic | None" = None


class Readiness(BaseModel):
    """Whether every part answers, and which does not."""

    status: Literal["ready", "not ready"]
    missing: list[str] = Field(description="Parts that do not answer; `process`: it starts or stops")


NOT_READY: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "model": Readiness,
        "content": {"application/json": {"example": {"status": "ready", "missing": []}}},
    },
    503: {"model": Readiness, "description": "A part is missing: send no requests here"},
}

Check = Callable[[], Awaitable[None]]
"""Returns when the part answers, raises when it doesn't."""


class ServiceSettings(ToldSettings):
    """What every process is told."""

    database_url: str
    http_host: str = "127.0.0.1"
    http_port: int = 8100
    http_fds: str = Field(
        default="",
        pattern=r"^(\d+(,\d+)*)?$",
        description="listening sockets that this process was given, by number, in place of HTTP_HOST and"
        " HTTP_PORT: whoever keeps them hands them on to the next process, and no connection is refused"
        " between the two",
    )
    log_level: str = "info"


class Application(FastAPI):
    """FastAPI with plain Starlette routes ahead of it, for hot paths: what FastAPI puts around each request
    (telemetry, limits, exit stacks, its router) costs an intake request a tenth of its time. The answers to
    errors are the same.

    It has its routers' routes as its own. FastAPI's inclusion makes each route a second time for what the
    document says of it, which the first request waits for (0.2 s in a service of 130 routes), and looks for
    a request's route twice, in one router after the other (1 ms). So routers are included where only the
    document is made.
    """

    def __init__(self, ahead: Sequence[Route], completer: Completer, **given: Any) -> None:
        super().__init__(**given)
        self._given: Final = given
        self._routers: Final[list[APIRouter]] = []
        self._completer: Final = completer
        problems.install(self)
        self._ahead = Starlette(routes=ahead, exception_handlers=self.exception_handlers)
        self._ahead.router.redirect_slashes = False
        self._ahead.router.default = super().__call__

    def take(self, router: APIRouter) -> None:
        """Answer by a router's routes, behind those that are there."""
        self._routers.append(router)
        self.router.routes.extend(router.routes)

    def openapi(self) -> dict[str, Any]:
        """What this API is, complete; made when it is asked for first."""
        if self.openapi_schema is None:
            told = FastAPI(**self._given)
            for router in self._routers:
                told.include_router(router)
            self.openapi_schema = self._completer.complete(told.openapi())
        return self.openapi_schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, as ASGI has it."""
        if scope["type"] == "http" and self._ahead.routes:
            await self._ahead(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    name: str,
    *,
    ahead: Sequence[Route] = (),
    parts: Sequence[AbstractAsyncContextManager[Any]] = (),
    checks: Mapping[str, Check] | None = None,
    routers: Sequence[APIRouter] = (),
    description: str = "",
    published: "Published | None" = None,
) -> FastAPI:
    """Make a service's application. `ahead` are routes for hot paths; `parts` are entered in order and left
    in reverse; `checks` are what /readyz asks; `description` and `published` stand in what it publishes of
    itself. `app.state.stopping` is an asyncio.Event, set as soon as the process is told to stop.
    """
    told = published or Published()
    completer = Completer(name, {"health": HEALTH, **told.tags}, told.ahead)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(tracing.exporting(name))
            for part in parts:
                await stack.enter_async_context(part)
            app.state.started = True
            log.info("started")
            yield
            app.state.started = False
            log.info("stopping")

    app = Application(
        ahead,
        completer,
        title=f"Shanliu {name}",
        version="1",
        description=description,
        license_info=LICENCE,
        contact=CONTACT,
        generate_unique_id_function=completer.operation_id,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from a CDN
        redoc_url=None,
        openapi_url="/openapi.json",
        responses={
            "default": {"model": problems.ProblemDetails, "description": "Problem details (RFC 9457)"}
        },
    )
    if told.traffic is not None:
        from shared import kafka_problems  # noqa: PLC0415 - a process without traffic needs no Kafka

        kafka_problems.install(app)
    app.state.started = False
    app.state.stopping = asyncio.Event()
    app.take(_health(app, dict(checks or {})))
    app.take(reading.router(name, app.openapi, told.traffic))
    for router in routers:
        app.take(router)
    return app


def _health(app: FastAPI, checks: dict[str, Check]) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/livez", summary="The process answers")
    async def livez() -> dict[str, str]:
        """Asks nobody else: when this does not answer, the process is to be started again."""
        return {"status": "alive"}

    @router.get("/readyz", summary="Every part this process needs answers", responses=NOT_READY)
    async def readyz() -> Response:
        """Asks each part, at most three seconds. 503 names what does not answer: send no requests here."""
        results = await asyncio.gather(*(_passes(part, check) for part, check in checks.items()))
        missing = [part for part, error in zip(checks, results, strict=True) if error]
        if not app.state.started or app.state.stopping.is_set():
            missing.append("process")
        body = {"status": "not ready" if missing else "ready", "missing": missing}
        return JSONResponse(body, 503 if missing else 200)

    @router.get("/metrics", summary="Prometheus metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """In Prometheus' text format. No personal data is in it."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


async def _passes(part: str, check: Check) -> str | None:
    """None when the part answers in time; else why not."""
    error: str | None = None
    try:
        async with asyncio.timeout(CHECK_S):
            await check()
    except Exception as failure:  # noqa: BLE001 - whatever a check raises means: not ready
        error = repr(failure)[:200]
        log.warning("not_ready", part=part, error=error)
    READY.labels(part).set(0 if error else 1)
    return error


@asynccontextmanager
async def background(name: str, work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run `work` beside the server. When it ends by itself or fails, the process stops with the reason in
    its log: half a service is worse than one that is started again.
    """
    task = asyncio.create_task(_or_stop(name, work), name=name)
    try:
        yield
    finally:
        # aiokafka's client takes a cancellation for that of its own task while it closes a connection
        # (client.py), and the work would go on.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=CANCEL_AGAIN_S)


async def _or_stop(name: str, work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except Exception:
        log.exception("background_work_failed", work=name)
    else:
        log.error("background_work_ended", work=name)
    stop_process()


def stop_process() -> None:
    """Stop this process in order, with exit code 1, because something in it has failed; its keeper starts it
    again (a keeper that restarts only what has failed takes an end by SIGTERM for a wish).
    """
    _failed.set()
    os.kill(os.getpid(), signal.SIGTERM)


_failed: Final = threading.Event()


def _stop_by_force() -> None:
    """Whatever still hangs is repeated by a successor: nothing here depends on an orderly end."""
    log.error("stopped_by_force", after_s=FORCE_S)
    os._exit(1)


class _Server(uvicorn.Server):
    """uvicorn, telling the application at the first signal, so that open streams end by themselves, asking
    those who keep a connection to go, and ending the process when a part can't be left in time.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connections, and say `connection: close` with what is still answered: a connection
        that is closed in silence may have a request on its way.
        """
        for server in self.servers:
            server.close()
        # A list of its own: requests that are under way hold the other.
        state = self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        deadline = time.monotonic() + DRAIN_S
        while state.connections and time.monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110 - uvicorn's
            await asyncio.sleep(0.01)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: Any) -> None:
        app: Any = self.config.app
        if not app.state.stopping.is_set():
            app.state.stopping.set()
            force = threading.Timer(FORCE_S, _stop_by_force)
            force.daemon = True
            force.start()
        if _failed.is_set():
            self.should_exit = True  # uvicorn would end by the signal; `run` ends with the exit code
        else:
            super().handle_exit(sig, frame)


def _bounded(listening: socket.socket) -> socket.socket:
    """Have the kernel give up a connection whose other side has acknowledged nothing for a while; what it
    accepts inherits the option (Linux, RFC 5482). Otherwise a screen that froze keeps its descriptor.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
    return listening


def run(
    name: str,
    create: Callable[[], FastAPI],
    settings: ServiceSettings,
    http: type[asyncio.Protocol] | Literal["auto"] = "auto",
) -> None:
    """Serve until SIGTERM or SIGINT; then stop within ten seconds. `http`: not uvicorn's own protocol."""
    logs.configure(name, settings.log_level)
    app = create()
    loading.done()
    config = uvicorn.Config(
        app,
        http=http,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks who called: channels sign, people have tokens
        timeout_graceful_shutdown=STOP_S,
        timeout_keep_alive=30,
        backlog=4096,
        h11_max_incomplete_event_size=32 * 1024,
        limit_concurrency=None,
    )
    server = _Server(config)
    given = [socket.socket(fileno=int(number)) for number in settings.http_fds.split(",") if number]
    server.run(sockets=[_bounded(each) for each in given or [config.bind_socket()]])
    if _failed.is_set() or not server.started:
        raise SystemExit(1)
