"""Publishing records that come one by one: as many at once as came while the last were on their way.

A record sent alone costs aiokafka and its caller 50 µs (a future of its own, a shield, a time-out, a look at
the metadata); gathered it costs a quarter of that.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import structlog
from aiokafka.partitioner import murmur2

from shared.broker import Headers, Outgoing, Publisher, PublishFailed

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Lane:
    """What waits for one partition; one batch of it at a time is on its way."""

    records: list[Outgoing] = field(default_factory=list)
    waiters: list[asyncio.Future[None]] = field(default_factory=list)
    sending: asyncio.Task[None] | None = None

    def take(self) -> tuple[list[Outgoing], list[asyncio.Future[None]]]:
        """All that waits now."""
        taken = self.records, self.waiters
        self.records, self.waiters = [], []
        return taken


class Gatherer:
    """Gathers what many callers send. Its callers bound how many of them wait at once.

    A record's partition follows from its key as every Kafka client's default has it (murmur2), so that what
    a channel sends by HTTP and what it publishes itself lie together; `partitions` is how many a topic has
    until the broker has told. All partitions leave at the same
    moment: one request to the broker for all of them, and one answer to each consumer that waits there.
    """

    def __init__(self, publisher: Publisher, partitions: int, linger_ms: int) -> None:
        self._publisher = publisher
        self._partitions = partitions
        self._linger_s = linger_ms / 1000
        self._lanes: defaultdict[tuple[str, int], _Lane] = defaultdict(_Lane)
        self._leaving: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is on its way is waited for: the publisher's time-outs bound it."""
        while under_way := [task for task in (self._leaving, *self._sending()) if task]:
            await asyncio.gather(*under_way)

    def _sending(self) -> list[asyncio.Task[None]]:
        return [lane.sending for lane in self._lanes.values() if lane.sending]

    async def send(self, topic: str, value: bytes, key: bytes, headers: Headers = ()) -> None:
        """Publish one record and wait for all replicas. Raises PublishFailed when they don't answer in time;
        it may have arrived all the same.
        """
        partitions = self._publisher.partitions_of(topic) or self._partitions
        partition = (murmur2(key) & 0x7FFFFFFF) % partitions
        lane = self._lanes[topic, partition]
        waiter = asyncio.get_running_loop().create_future()
        lane.records.append((key, value, headers) if headers else (key, value))
        lane.waiters.append(waiter)
        self._leave_soon()
        await waiter

    def _leave_soon(self) -> None:
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave())

    async def _leave(self) -> None:
        """After the linger send what waits, but for the lanes that have a batch on its way."""
        await asyncio.sleep(self._linger_s)
        self._leaving = None
        for (topic, partition), lane in self._lanes.items():
            if lane.records and lane.sending is None:
                lane.sending = asyncio.create_task(self._send(lane, topic, partition))

    async def _send(self, lane: _Lane, topic: str, partition: int) -> None:
        records, waiters = lane.take()
        try:
            failure = await self._failure(topic, partition, records)
            if failure is not None:
                # Whoever came meanwhile would wait for a second time-out behind this one.
                waiters += lane.take()[1]
            _tell(waiters, failure)
        finally:
            lane.sending = None
        if lane.records:
            self._leave_soon()

    async def _failure(self, topic: str, partition: int, records: list[Outgoing]) -> PublishFailed | None:
        """Why a batch was not acknowledged; None: it was."""
        try:
            await self._publisher.send_in_order(topic, partition, records)
        except PublishFailed as error:
            return error
        except Exception as error:  # whatever it was, nobody may be left waiting
            log.exception("gathered_batch_failed", topic=topic, partition=partition)
            return PublishFailed(f"{topic}/{partition}: {error!r}")
        return None


def _tell(waiters: list[asyncio.Future[None]], failure: PublishFailed | None) -> None:
    for waiter in waiters:
        if waiter.done():
            continue  # its caller has gone
        if failure is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(failure)
