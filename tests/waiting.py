"""Waiting for a condition with a deadline, never for a fixed time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

FIRST_S: Final = 0.005
GROWTH: Final = 1.25
LONGEST_S: Final = 0.05


def pauses() -> Iterator[float]:
    """How long to wait before each time of asking, in seconds: the longer something takes, the less often it
    is asked for, because asking takes the processor from it.
    """
    pause_s = FIRST_S
    while True:
        yield pause_s
        pause_s = min(pause_s * GROWTH, LONGEST_S)


async def until(condition: Callable[[], Awaitable[T]], *, deadline_s: float = 60.0) -> T:
    """Ask again until the answer is true, and give it back; TimeoutError when it takes too long."""
    pause = pauses()
    async with asyncio.timeout(deadline_s):
        while True:
            if answer := await condition():
                return answer
            await asyncio.sleep(next(pause))
