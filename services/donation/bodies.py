"""Bodies of requests: never more of one in memory than its route allows, nor longer on its way."""

import asyncio
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from shared.problems import Problem

BODY_S: Final = 10
"""A body that has not come by then is not waited for."""


async def bounded_body(request: Request, limit: int) -> bytes:
    """The body, of at most `limit` bytes. Raises Problem: 413, and 408 when it takes longer than BODY_S."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise Problem(413, "too-large", f"The body has more than {limit} bytes.")
                chunks.append(chunk)
    except TimeoutError:
        raise Problem(408, "too-slow", f"The body did not arrive within {BODY_S} seconds.") from None
    except ClientDisconnect:
        raise Problem(400, "hung-up", "The connection was closed before the body had come.") from None
    return b"".join(chunks)
