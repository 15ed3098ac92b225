"""Workers that send by lanes: started, woken and stopped together."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from services.notification.lanes import Lane
from shared.service import stop_process

log = structlog.get_logger(__name__)

STOP_S: Final = 4.0


class Workers(ABC):
    """So many workers on each lane (`numbers`), until told to stop. `name` stands before what they log."""

    def __init__(self, name: str, lanes: Sequence[Lane], numbers: Sequence[int]) -> None:
        self._name = name
        self._failed = f"{name}_failed"
        self._lanes = lanes
        self._numbers = numbers
        self._wakes = {lane.way: asyncio.Event() for lane in lanes}
        self._stopping = asyncio.Event()

    def wake(self) -> None:
        """Look now instead of at the next poll."""
        for wake in self._wakes.values():
            wake.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work for as long as the block runs. On the way out what is in hand is finished, STOP_S at most;
        then the workers are cancelled.
        """
        workers = [
            asyncio.create_task(self._work_or_stop(lane), name=f"{self._name}-{lane.way}-{number}")
            for lane, several in zip(self._lanes, self._numbers, strict=True)
            for number in range(several)
        ]
        try:
            yield
        finally:
            self._stopping.set()
            self.wake()
            _, late = await asyncio.wait(workers, timeout=STOP_S)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work_or_stop(self, lane: Lane) -> None:
        """A worker that fails takes the process with it; what it had in hand is found by its lease."""
        try:
            await self._work(lane)
        except Exception as error:  # noqa: BLE001 - a defect, whatever it is
            log.error(self._failed, error=type(error).__name__)
            stop_process()

    @abstractmethod
    async def _work(self, lane: Lane) -> None:
        """Send what is due on a lane until `_stopping` is set. Raises for a defect."""

    async def _rest(self, lane: Lane, seconds: float) -> None:
        """Wait for work: until woken, or for `seconds` (a message's next try may have come)."""
        wake = self._wakes[lane.way]
        try:
            await asyncio.wait_for(wake.wait(), seconds)
        except TimeoutError:
            return
        if not self._stopping.is_set():
            wake.clear()
