"""A small service, for the tests of the shell: `python -m tests.services.shared.shell`.

TROUBLE says what is wrong with it: "stubborn-part" hangs while it is left, "failing-work" and "ending-work"
end beside the server when /trigger is asked, "hanging-check" and "failing-check" are parts that don't answer.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import StreamingResponse

from shared.service import ServiceSettings, background, create_app, run

log = structlog.get_logger(__name__)
TROUBLE = os.environ.get("TROUBLE", "")


class Shell:
    """What the routes and the parts share."""

    def __init__(self) -> None:
        self.triggered = asyncio.Event()

    async def work(self) -> None:
        await self.triggered.wait()
        if TROUBLE == "failing-work":
            raise RuntimeError("the worker has lost its way")
        if TROUBLE != "ending-work":
            await asyncio.Event().wait()

    async def database(self) -> None:
        if TROUBLE == "hanging-check":
            await asyncio.Event().wait()

    async def broker(self) -> None:
        if TROUBLE == "failing-check":
            raise ConnectionError("no broker")

    @asynccontextmanager
    async def part(self) -> AsyncIterator[None]:
        yield
        if TROUBLE == "stubborn-part":
            await asyncio.Event().wait()
        log.info("part_left")


def create() -> FastAPI:
    """The application."""
    shell, router = Shell(), APIRouter()

    @router.post("/trigger")
    async def trigger() -> None:
        shell.triggered.set()

    @router.get("/stream")
    async def stream(request: Request) -> StreamingResponse:
        async def frames() -> AsyncIterator[str]:
            stopping: asyncio.Event = request.app.state.stopping
            yield "event: snapshot\n\n"
            await stopping.wait()
            yield "event: end\n\n"

        return StreamingResponse(frames(), media_type="text/event-stream")

    @router.get("/endless")
    async def endless() -> StreamingResponse:
        async def frames() -> AsyncIterator[str]:
            yield "event: snapshot\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(frames(), media_type="text/event-stream")

    @router.get("/mistake")
    async def mistake() -> None:
        raise RuntimeError("unexpected")

    return create_app(
        "shell",
        parts=[shell.part(), background("work", shell.work)],
        checks={"database": shell.database, "broker": shell.broker},
        routers=[router],
    )


if __name__ == "__main__":
    run("shell", create, ServiceSettings())
