"""Waiting for a condition, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.waiting import pauses

T = TypeVar("T")


async def until(condition: Callable[[], Awaitable[T]], *, deadline_s: float = 60.0) -> T:
    """Ask again until the answer is true, and give it back."""
    pause = pauses()
    async with asyncio.timeout(deadline_s):
        while not (answer := await condition()):  # noqa: ASYNC110 - what is awaited is on Kafka or in the database
            await asyncio.sleep(next(pause))
    return answer
