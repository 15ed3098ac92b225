"""Waiting for a condition with a deadline, never for a fixed time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import Final, TypeVar, overload

from sqlalchemy.ext.asyncio import AsyncEngine

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


def looking(engine: AsyncEngine) -> AsyncEngine:
    """The same connections for who asks again and again: no transaction is begun and ended around a question,
    which is one round trip instead of three (0.48 instead of 0.84 ms of a core).
    """
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@overload
async def until(condition: Callable[[], Awaitable[T]], *, deadline_s: float = 60.0) -> T: ...
@overload
async def until(condition: Callable[[], bool], *, deadline_s: float = 60.0) -> bool: ...
async def until(condition: Callable[[], Awaitable[T] | bool], *, deadline_s: float = 60.0) -> T | bool:
    """Ask again until the answer is true, and give it back; TimeoutError, with the last answer, when it takes
    too long.
    """
    pause = pauses()
    answer: T | bool = False
    limit = asyncio.timeout(deadline_s)
    try:
        async with limit:
            while True:
                said = condition()
                answer = await said if isawaitable(said) else said
                if answer:
                    return answer
                await asyncio.sleep(next(pause))
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeoutError(f"not within {deadline_s:g} s; the last answer was {answer!r}") from error
