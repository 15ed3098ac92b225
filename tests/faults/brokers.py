"""Three brokers on this machine, each a process of its own: what a cluster is, without containers."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, TopicMetadata

from deploy.local.kafka import LocalKafka, Seat
from deploy.local.processes import Keeper
from tests.faults.system import until

START_S: Final = 120
ANSWER_S: Final = 2.0
T = TypeVar("T")


class Brokers:
    """A cluster of three. Blocking, as LocalKafka is; brokers by number, from 0."""

    def __init__(self, folder: Path, keeper: Keeper) -> None:
        self.each = [
            LocalKafka(folder / f"kafka-{seat.node}", keeper=keeper, short_lived=True, seat=seat)
            for seat in Seat.of_three()
        ]
        # One client for all questions: none notices sooner who is away, and none costs as little.
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    @property
    def bootstrap(self) -> str:
        """What clients connect to."""
        return ",".join(broker.bootstrap for broker in self.each)

    def start(self, which: Iterable[int] = (0, 1, 2)) -> None:
        """Start them beside each other, and return when each takes requests."""
        brokers = [self.each[number] for number in which]
        _beside(lambda broker: broker.launch(), brokers)
        for broker in brokers:
            broker.wait_ready(START_S)

    def stop(self) -> None:
        """End all at once: with two away the third has nobody to hand over to."""
        _beside(lambda broker: broker.stop(grace_s=3), self.each)

    async def in_sync(self) -> None:
        """Wait until every partition has all its copies again: then the next broker may go."""

        async def whole() -> bool:
            topics = (await self._topics()).values()
            partitions = [each for topic in topics for each in topic.partitions.values()]
            return bool(partitions) and all(len(each.isrs) == len(each.replicas) for each in partitions)

        await until(whole, "every copy in sync", START_S)

    async def leader(self, topic: str, partition: int) -> int:
        """Who leads a partition now, as those say who are there; -1 when nobody does or nobody says."""
        topics = await self._topics()
        node = topics[topic].partitions[partition].leader if topic in topics else -1
        return node - 1 if node > 0 else -1

    async def _topics(self) -> dict[str, TopicMetadata]:
        """All topics; none when the broker that was asked does not answer."""
        try:
            answer = await asyncio.to_thread(self._admin.list_topics, timeout=ANSWER_S)
        except KafkaException:
            return {}
        return dict(answer.topics)


def _beside(work: Callable[[LocalKafka], T], brokers: list[LocalKafka]) -> None:
    with ThreadPoolExecutor(len(brokers)) as pool:
        for future in [pool.submit(work, broker) for broker in brokers]:
            future.result()
