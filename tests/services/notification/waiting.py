"""Waiting for a condition with a deadline, instead of sleeping a fixed time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.waiting import pauses

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T]], *, deadline_s: float = 60.0) -> T:
    """Ask again until the answer is true, and give it back; TimeoutError when it takes too long."""
    pause = pauses()
    async with asyncio.timeout(deadline_s):
        while True:
            if answer := await condition():
                return answer
            await asyncio.sleep(next(pause))
