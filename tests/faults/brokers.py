"""Three brokers on this machine, each a process of its own: what a cluster is, without containers."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient

from deploy.local.kafka import LocalKafka, Seat
from deploy.local.processes import Keeper
from tests.faults.system import until

START_S: Final = 120


class Brokers:
    """A cluster of three. Blocking, as LocalKafka is; brokers by number, from 0."""

    def __init__(self, folder: Path, keeper: Keeper) -> None:
        self.each = [
            LocalKafka(folder / f"kafka-{seat.node}", keeper=keeper, short_lived=True, seat=seat)
            for seat in Seat.of_three()
        ]

    @property
    def bootstrap(self) -> str:
        """What clients connect to."""
        return ",".join(broker.bootstrap for broker in self.each)

    def start(self, which: Iterable[int] = (0, 1, 2)) -> None:
        """Start them beside each other, and return when each takes requests."""
        brokers = [self.each[number] for number in which]
        for broker in brokers:
            broker.launch()
        for broker in brokers:
            broker.wait_ready(START_S)

    def kill(self) -> None:
        """End all: nobody wants their data any more."""
        for broker in self.each:
            broker.kill()

    async def in_sync(self) -> None:
        """Wait until every partition has all its copies again: then the next broker may go."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        await admin.start()

        async def whole() -> bool:
            return all(
                len(partition["isr"]) == len(partition["replicas"])
                for topic in await admin.describe_topics()
                for partition in topic["partitions"]
            )

        try:
            await until(whole, "every copy in sync", START_S)
        finally:
            await admin.close()

    async def leader(self, topic: str, partition: int) -> int:
        """Who leads a partition now."""
        client = AIOKafkaClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        await client.bootstrap()
        try:
            client.add_topic(topic)
            await client.force_metadata_update()
            node = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        finally:
            await client.close()
        return -1 if node is None else int(node) - 1
