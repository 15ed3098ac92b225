"""Request bodies: JSON of bounded size that means one thing.

FastAPI alone reads a body of any size, and of two equal keys silently takes the last: a campaign with two
goals would be filed with one of them.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message

from shared.problems import Problem

MAX_BODY_BYTES: Final = 64 * 1024


class FileRoute(APIRoute):
    """A route whose body is a file of at most `max_bytes`, which FastAPI does not look into: 413 past it."""

    max_bytes = 5 * 1024 * 1024

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the bound in front of FastAPI's handler."""
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            body = await _read(request, self.max_bytes)

            async def replay() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            return await handle(Request(request.scope, replay))

        return bounded


class StrictJsonRoute(APIRoute):
    """A route whose body is checked before FastAPI sees it: 413, 415, 400 as problem documents."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the check in front of FastAPI's handler."""
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            body = await _read(request, MAX_BODY_BYTES)
            if body:
                _check(request, body)

            async def replay() -> Message:
                return {"type": "http.request", "body": body, "more_body": False}

            return await handle(Request(request.scope, replay))

        return checked


async def _read(request: Request, most: int) -> bytes:
    body = bytearray()
    try:
        async for part in request.stream():
            body += part
            if len(body) > most:
                raise Problem(413, "body-too-large", f"Send at most {most} bytes.")
    except ClientDisconnect as error:
        raise Problem(400, "body-incomplete", "The connection ended before the body did.") from error
    return bytes(body)


def _check(request: Request, body: bytes) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem(415, "unsupported-media-type", "Send Content-Type: application/json.")
    try:
        json.loads(body.decode(), object_pairs_hook=_no_repeated_keys, parse_constant=_no_constant)
    except RecursionError as error:
        raise Problem(400, "malformed-json", "The body is nested too deeply.") from error
    except ValueError as error:
        raise Problem(
            400, "malformed-json", f"The body is not the JSON it should be: {error}"[:300]
        ) from error


def _no_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands in an object twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
