"""Waiting for a condition with a deadline; a test never sleeps for a fixed time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tests.waiting import pauses

T = TypeVar("T")

DEADLINE_S = 60.0


async def until(ask: Callable[[], Awaitable[T]], within_s: float = DEADLINE_S) -> T:
    """Ask again and again; the first answer that is true (not empty, not None). Fails at the deadline."""
    loop, pause = asyncio.get_running_loop(), pauses()
    deadline = loop.time() + within_s
    while True:
        answer = await ask()
        if answer:
            return answer
        assert loop.time() < deadline, f"not within {within_s:g} s; the last answer was {answer!r}"
        await asyncio.sleep(next(pause))
