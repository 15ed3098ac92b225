"""GET /v1/campaigns/{campaign_id}/stream: Server-Sent Events as a bare ASGI application.

Bare, because every layer between a frame and its thousand connections costs a thousand times (measured:
FastAPI's own event stream delivered 9 % of the frames that this way delivers 95 % of).
"""

import asyncio
import random
from collections.abc import MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope, Send

from services.reporting import metrics
from services.reporting.connection import AtOnce, Chunks, at_once
from services.reporting.hub import Hub, Stream, TooManyStreams
from shared.problems import Problem

HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would hold frames back otherwise
    (b"access-control-allow-origin", b"*"),
    (b"x-content-type-options", b"nosniff"),
]
RETRY_MS: Final = (500, 2_500)
"""Screens come back after a restart at different moments, so that they don't all come at once."""
RETRY_AFTER_S: Final = 5


class StreamEndpoint:
    """The ASGI application of the stream's route."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._chunks = Chunks()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream what `open` gives. 404: it is unknown; 503: too many streams, or stopping."""
        try:
            if self._hub.stopping:
                raise TooManyStreams
            async with self.open(scope) as stream:
                await _serve(stream, self._hub, at_once(scope, self._chunks), receive, send)
        except KeyError:
            await self.unknown(scope).to_response()(scope, receive, send)
        except TooManyStreams:
            metrics.STREAMS_ENDED.labels("refused").inc()
            problem = Problem(
                503,
                "too-many-streams",
                f"This server holds as many streams as it may. Try again in {RETRY_AFTER_S} seconds.",
                headers={"Retry-After": str(RETRY_AFTER_S), "Access-Control-Allow-Origin": "*"},
            )
            await problem.to_response()(scope, receive, send)

    def open(self, scope: Scope) -> AbstractAsyncContextManager[Stream]:
        """The stream that an address names. Entering it raises TooManyStreams, KeyError."""
        return self._hub.stream(scope["path_params"]["campaign_id"], _resume_version(scope))

    def unknown(self, scope: Scope, /) -> Problem:
        """The answer to an address that names nothing."""
        return unknown_campaign(scope["path_params"]["campaign_id"])


def unknown_campaign(campaign_id: str) -> Problem:
    """404: nothing has been filed under this id (or this process has not heard of it yet)."""
    return Problem(
        404,
        "unknown-campaign",
        "There is no campaign with this id.",
        campaign_id=campaign_id[:64],
        headers={"Access-Control-Allow-Origin": "*"},
    )


def _resume_version(scope: Scope) -> int | None:
    """The version the screen has, from Last-Event-ID or, as a new EventSource can't be given a header, from
    the query (?last_event_id=). Anything else than a number means: from the beginning.
    """
    named = [value for name, value in scope["headers"] if name == b"last-event-id"]
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("last_event_id", [])
    text = named[0].decode("latin-1") if named else (asked[0] if asked else "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None


async def _serve(stream: Stream, hub: Hub, past_asgi: AtOnce | None, receive: Receive, send: Send) -> None:
    message: MutableMapping[str, Any] = {"type": "http.response.body", "body": b"", "more_body": True}

    async def write(frames: bytes) -> None:
        message["body"] = frames
        await send(message)

    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await write(b"retry: %d\n\n" % random.randint(*RETRY_MS))  # noqa: S311 - spread, not a secret
    leaving = asyncio.create_task(_close_when_left(stream, receive))
    try:
        await stream.run(write, past_asgi)
    except TimeoutError:
        metrics.STREAMS_ENDED.labels("slow").inc()
        return  # the server closes a connection whose answer is left unfinished
    finally:
        leaving.cancel()
    metrics.STREAMS_ENDED.labels("stopped" if hub.stopping else "left").inc()
    ending: Message = {"type": "http.response.body", "body": b"", "more_body": False}
    await send(ending)


async def _close_when_left(stream: Stream, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    stream.close()
