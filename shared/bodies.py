"""Bodies of requests: never more of one in memory than its route allows, nor longer on its way."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from shared.problems import Problem

BODY_S: Final = 10
"""A body that has not come by then is not waited for."""


async def bounded_body(request: Request, limit: int, within_s: float | None = None) -> bytes:
    """The body, of at most `limit` bytes. Raises Problem: 413, and 408 when it takes longer than `within_s`
    (BODY_S unless said otherwise).
    """
    within_s = BODY_S if within_s is None else within_s
    receive = request.receive
    chunks: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(within_s):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise Problem(400, "hung-up", "The connection was closed before the body had come.")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > limit:
                    raise Problem(413, "too-large", f"The body has more than {limit} bytes.")
                chunks.append(chunk)
                more = message.get("more_body", False)
    except TimeoutError:
        raise Problem(408, "too-slow", f"The body did not arrive within {within_s} seconds.") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def bounded_stream(request: Request, limit: int) -> AsyncGenerator[bytes]:
    """The body as it comes, of at most `limit` bytes. Raises Problem: 413, and 400 when it breaks off."""
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise Problem(413, "too-large", f"The body has more than {limit} bytes.")
            yield chunk
    except ClientDisconnect:
        raise Problem(400, "hung-up", "The connection was closed before the body had come.") from None
