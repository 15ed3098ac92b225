"""What no screen waits for does one piece now and then while donations wait, and goes on when none do."""

import asyncio

from services.donation.moderation.sending import repeatedly
from tests.waiting import until


async def test_work_that_stands_back_is_done_piece_by_piece() -> None:
    pieces = 0
    behind = True

    async def work() -> bool:
        nonlocal pieces
        pieces += 1
        return True

    async def done(times: int) -> bool:
        return pieces >= times

    task = asyncio.create_task(repeatedly(work, "work_waits", lambda: behind))
    try:
        await until(lambda: done(1))
        for _ in range(100):
            await asyncio.sleep(0)
        assert pieces == 1, "it goes on while donations wait"
        behind = False
        await until(lambda: done(20))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
