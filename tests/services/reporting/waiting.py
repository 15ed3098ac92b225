"""Waiting for a condition with a deadline, instead of sleeping a fixed time."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.waiting import pauses


async def until(condition: Callable[[], bool | Awaitable[bool]], within_s: float = 60.0) -> None:
    """Wait until a condition holds; TimeoutError when it does not within `within_s` seconds."""
    pause = pauses()
    async with asyncio.timeout(within_s):
        while True:
            held = condition()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(next(pause))
