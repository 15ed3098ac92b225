"""What a process of a service does beside answering."""

import asyncio
import contextlib

import pytest

from shared import service
from shared.service import background


async def test_work_that_loses_a_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As aiokafka does when it is cancelled while it closes a connection."""
    monkeypatch.setattr(service, "CANCEL_AGAIN_S", 0.01)
    lost = []

    async def work() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        lost.append("the first")
        await asyncio.Event().wait()

    async with asyncio.timeout(5):
        async with background("work", work):
            await asyncio.sleep(0)
    assert lost == ["the first"]
