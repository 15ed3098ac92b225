"""Topics copied to another Kafka with every record at its offset, so that every position keeps its meaning.

A position is topic, partition and offset; marks and rows hold it for ever. So a new cluster has to begin
where the old one ended, and with the same history, for `shanliu verify` reads it. Whoever writes one record
after the other to an empty partition gets offsets without gaps; the old partition has gaps, where a
transaction's marker or an aborted record lies. Transactions of our own make them again: one that commits
behind a record makes one offset that nobody reads, one that is aborted makes as many as are wanted. What
retention has taken away at the beginning is filled, and the filling deleted.

It goes on where the copy ends, so most of it is done before the pause, and the rest in it (docs/upgrades.md).
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourceType,
)
from pydantic import ValidationError

from deploy.access import librdkafka
from deploy.local.external import kafka_client
from deploy.local.problems import StackProblem
from shared.broker import TOTALS
from shared.kafka_client import KafkaClientSettings

ANSWER_S: Final = 30.0
"""A broker that says nothing for so long ends the copy."""
PLACE_S: Final = 30.0
"""A Kafka that can't tell a group's place for so long ends the copy."""
RECORDS_AT_ONCE: Final = 20_000
BYTES_AT_ONCE: Final = 64 << 20
"""In memory, besides what the clients fetch ahead."""
LARGEST_RECORD: Final = 16 << 20
COMPARED: Final = 1_000
"""Offsets before the end of a copy that are compared before it is taken for one."""
SAID_S: Final = 2.0
NOT_YET: Final = {
    "NOT_LEADER_FOR_PARTITION",
    "LEADER_NOT_AVAILABLE",
    "UNKNOWN_TOPIC_OR_PART",
    "_UNKNOWN_PARTITION",
    "_UNKNOWN_TOPIC",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "UNSTABLE_OFFSET_COMMIT",
}
"""What passes by itself: a leader or a group's coordinator is found or still loads, a transaction over a
group's place is open.
"""
OF_A_CONNECTION: Final = {"_AUTHENTICATION", "_SSL"}
STAMP: Final = "message.timestamp.type"
FILLER: Final = b"offset kept free"


@dataclass(frozen=True, slots=True)
class Step:
    """So many records as they are, then so many offsets that nobody reads. With exactly one of these the last
    record goes in a transaction that is committed, for its marker is that one.
    """

    records: int
    unread: int


@dataclass(frozen=True, slots=True)
class Copied:
    """How many records were copied now, and by how many offsets the copy ends before the old topics do."""

    records: int
    behind: int


def steps(at: int, offsets: Sequence[int], end: int) -> Iterator[Step]:
    """How records at `offsets` come to lie there again behind `at`, and `end` to be the next that is free."""
    start = 0
    if (first := offsets[0] if offsets else end) > at:
        yield Step(0, first - at)
    for index, offset in enumerate(offsets):
        following = offsets[index + 1] if index + 1 < len(offsets) else end
        if following > offset + 1 or index + 1 == len(offsets):
            yield Step(index + 1 - start, following - offset - 1)
            start = index + 1


class Copier:
    """From one Kafka to another. Raises StackProblem when a record would come to lie elsewhere, or what is
    there already is no copy.
    """

    def __init__(
        self,
        old: KafkaClientSettings,
        new: KafkaClientSettings,
        namespace: str,
        say: Callable[[str], None],
    ) -> None:
        self._silent = logging.getLogger("shanliu.copying")
        self._silent.addHandler(logging.NullHandler())
        self._silent.propagate = False
        self._namespace = namespace
        self._say = say
        self._said_s = time.monotonic()
        # What goes wrong is raised; its own lines would only be noise between ours.
        self.heard = ""
        """What a client has last said of its connection: a wrong password, a certificate nobody believes."""
        quiet = {"log_level": 0, "error_cb": self._hear}
        self._old_client = librdkafka(old) | quiet
        self._new_client = librdkafka(new) | quiet
        self._old_admin = AdminClient(self._old_client, logger=self._silent)
        self._new_admin = AdminClient(self._new_client, logger=self._silent)
        # One name: who begins shuts out a copy that runs, and ends a transaction that a dead one left open.
        self._transactional = self._writer({"transactional.id": f"{namespace}shanliu-copy"})
        self._readers: list[Consumer] = []

    # Each is another connection, with a handshake of its own: none before it is wanted.

    @cached_property
    def _old(self) -> Consumer:
        return self._reader(self._old_client, "read_committed")

    @cached_property
    def _new(self) -> Consumer:
        return self._reader(self._new_client, "read_committed")

    @cached_property
    def _old_ends(self) -> Consumer:
        return self._reader(self._old_client, "read_uncommitted")

    @cached_property
    def _new_ends(self) -> Consumer:
        return self._reader(self._new_client, "read_uncommitted")

    @cached_property
    def _plain(self) -> Producer:
        return self._writer({"enable.idempotence": True, "linger.ms": 5})

    def _writer(self, kind: dict[str, Any]) -> Producer:
        bounds = {"message.max.bytes": LARGEST_RECORD, "compression.type": "lz4"}
        return Producer(self._new_client | bounds | kind, logger=self._silent)

    def _hear(self, error: KafkaError) -> None:
        if error.name() in OF_A_CONNECTION:
            self.heard = error.str()

    def _reader(self, client: dict[str, Any], isolation: str) -> Consumer:
        reader = Consumer(
            client
            | {
                "group.id": f"shanliu-copy-{uuid.uuid4().hex}",
                "enable.auto.commit": False,
                "isolation.level": isolation,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "auto.offset.reset": "error",
                "queued.max.messages.kbytes": BYTES_AT_ONCE >> 10,
            },
            logger=self._silent,
        )
        self._readers.append(reader)
        return reader

    def run(self) -> Copied:
        """Copy what is missing of all topics but `totals`, and the groups' offsets."""
        self._transactional.init_transactions(ANSWER_S)
        topics = self._topics()
        configs = self._configs(topics)
        self._make(topics, configs)
        copied = 0
        for topic, partitions in topics.items():
            for partition in range(partitions):
                copied += self._partition(topic, partition)
            self._say(f"copied  {topic}")
        self._stamp({name: configs[name].get(STAMP) for name in topics})
        self._groups()
        behind = sum(
            self._bounds(self._old_ends, topic, partition)[1]
            - self._bounds(self._new_ends, topic, partition)[1]
            for topic, partitions in topics.items()
            for partition in range(partitions)
        )
        for reader in self._readers:
            reader.close()
        return Copied(copied, behind)

    # ------------------------------------------------------------ the topics

    def _topics(self) -> dict[str, int]:
        """Those of the namespace, with their partitions. `totals` is told anew (and is full of gaps)."""
        known = self._old_admin.list_topics(timeout=ANSWER_S).topics
        found = {
            name: len(topic.partitions) for name, topic in sorted(known.items()) if self._is_copied(name)
        }
        if not found:
            raise StackProblem(
                f"The old Kafka has no topics that begin with {self._namespace!r}, or does not show them to"
                " whoever asks (copy-from, deploy/acls.yaml)."
            )
        return found

    def _is_copied(self, topic: str) -> bool:
        return (
            topic.startswith(self._namespace)
            and not topic.startswith("__")
            and topic != self._namespace + TOTALS
        )

    def _configs(self, topics: dict[str, int]) -> dict[str, dict[str, str]]:
        """What each topic's own configuration is."""
        asked = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
        found = self._old_admin.describe_configs(asked, request_timeout=ANSWER_S)
        return {
            resource.name: {
                name: entry.value
                for name, entry in future.result().items()
                if entry.source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
            }
            for resource, future in found.items()
        }

    def _make(self, topics: dict[str, int], configs: dict[str, dict[str, str]]) -> None:
        """On the new Kafka, for now with the records' own times."""
        there = self._new_admin.list_topics(timeout=ANSWER_S).topics
        for name, partitions in topics.items():
            if name in there and (found := len(there[name].partitions)) != partitions:
                raise StackProblem(
                    f"{name} has {found} partitions on the new Kafka and {partitions} on the old one. Delete"
                    " it there, if it may be, and copy again."
                )
        missing = [
            NewTopic(name, partitions, config=configs[name] | {STAMP: "CreateTime"})
            for name, partitions in topics.items()
            if name not in there
        ]
        for future in (self._new_admin.create_topics(missing) if missing else {}).values():
            future.result(ANSWER_S)
        until_s = time.monotonic() + ANSWER_S
        while not self._led(topics):
            if time.monotonic() > until_s:
                raise StackProblem("The new Kafka does not lead all partitions of its new topics.")
            time.sleep(0.05)
        self._stamp(dict.fromkeys(topics, "CreateTime"))

    def _led(self, topics: dict[str, int]) -> bool:
        there = self._new_admin.list_topics(timeout=ANSWER_S).topics
        return all(
            name in there
            and len(there[name].partitions) == partitions
            and all(each.leader >= 0 for each in there[name].partitions.values())
            for name, partitions in topics.items()
        )

    def _stamp(self, wanted: dict[str, str | None]) -> None:
        """Whose time a record gets, on the new Kafka; None: as the broker is set."""
        resources = [
            ConfigResource(
                ResourceType.TOPIC,
                name,
                incremental_configs=[
                    ConfigEntry(
                        STAMP,
                        stamp,
                        incremental_operation=(
                            AlterConfigOpType.DELETE if stamp is None else AlterConfigOpType.SET
                        ),
                    )
                ],
            )
            for name, stamp in wanted.items()
        ]
        for future in self._new_admin.incremental_alter_configs(resources).values():
            future.result(ANSWER_S)

    # ------------------------------------------------------------ one partition

    def _partition(self, topic: str, partition: int) -> int:
        low, end = self._bounds(self._old, topic, partition)
        new_low, at = self._bounds(self._new_ends, topic, partition)
        if at > end:
            raise StackProblem(
                f"{topic}/{partition} is longer on the new Kafka ({at} to {end}): somebody writes there"
                " already, or it is no copy."
            )
        if at < low:
            self._plainly(topic, partition, at, ((None, FILLER, None, 0) for _ in range(low - at)))
            at = low
        if new_low < low:
            for future in self._new_admin.delete_records([TopicPartition(topic, partition, low)]).values():
                future.result(ANSWER_S)
        self._compare(topic, partition, max(low, new_low, at - COMPARED), at)
        copied = 0
        if at < end:
            self._old.assign([TopicPartition(topic, partition, at)])
        while at < end:
            messages, reached = self._read(self._old, topic, partition, at, end)
            self._write(topic, partition, at, messages, reached)
            copied += len(messages)
            at = reached
            if time.monotonic() - self._said_s > SAID_S:
                self._said_s = time.monotonic()
                self._say(f"{topic}/{partition}: {at:,} of {end:,}")
        self._old.unassign()
        return copied

    def _compare(self, topic: str, partition: int, begin: int, end: int) -> None:
        """What is on the new Kafka before `end` is the same as on the old one, as far as it is looked at."""
        lie = [self._records(reader, topic, partition, begin, end) for reader in (self._old, self._new)]
        if lie[0] != lie[1]:
            where = min(set(lie[0].items()) ^ set(lie[1].items()))[0]
            raise StackProblem(
                f"{topic}/{partition} is no copy: offset {where} has another record on the new Kafka than on"
                f" the old one. Delete {topic} on the new Kafka, if it may be, and copy again."
            )

    def _records(self, reader: Consumer, topic: str, partition: int, begin: int, end: int) -> dict[int, Any]:
        found: dict[int, Any] = {}
        if begin < end:
            reader.assign([TopicPartition(topic, partition, begin)])
        while begin < end:
            messages, begin = self._read(reader, topic, partition, begin, end)
            for each in messages:
                headers = tuple(map(tuple, each.headers() or ()))
                found[each.offset()] = (each.key(), each.value(), headers, each.timestamp()[1])
        reader.unassign()
        return found

    @staticmethod
    def _bounds(reader: Consumer, topic: str, partition: int) -> tuple[int, int]:
        """Where it begins and ends. A client may know a new partition's leader a moment after the broker."""
        until_s = time.monotonic() + ANSWER_S
        while True:
            try:
                found: tuple[int, int] = reader.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=ANSWER_S
                )
            except KafkaException as error:
                if error.args[0].name() not in NOT_YET or time.monotonic() > until_s:
                    raise
                time.sleep(0.1)
            else:
                return found

    @staticmethod
    def _read(reader: Consumer, topic: str, partition: int, at: int, end: int) -> tuple[list[Message], int]:
        """The next records, and up to where everything is read."""
        messages: list[Message] = []
        size, heard_s = 0, time.monotonic()
        while len(messages) < RECORDS_AT_ONCE and size < BYTES_AT_ONCE:
            # It waits for all that are asked for, or so long.
            heard = reader.consume(1_000, timeout=0.05)
            if heard:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > ANSWER_S:
                raise StackProblem(f"A Kafka gives nothing behind {at} for {ANSWER_S:.0f} s.")
            for message in heard:
                if message.partition() != partition or message.topic() != topic:
                    continue  # said of what was read before
                if message.error() is None:
                    if message.offset() >= end:
                        return messages, end
                    messages.append(message)
                    size += len(message)
                elif message.error().name() == "_PARTITION_EOF":
                    return messages, end
                else:
                    raise StackProblem(f"A Kafka can't be read at {at}: {message.error()}.")
            if messages and messages[-1].offset() + 1 >= end:
                return messages, end
        # What lies behind the last one is told by the record after it.
        last = messages.pop()
        reader.seek(TopicPartition(last.topic(), last.partition(), last.offset()))
        return messages, last.offset()

    def _write(self, topic: str, partition: int, at: int, messages: list[Message], end: int) -> None:
        rest = [(each.key(), each.value(), each.headers(), each.timestamp()[1]) for each in messages]
        for step in steps(at, [each.offset() for each in messages], end):
            records, rest = rest[: step.records], rest[step.records :]
            marked = records[-1:] if step.unread == 1 else []
            self._plainly(topic, partition, at, records[: len(records) - len(marked)])
            if step.unread == 1 and not marked:
                raise StackProblem(
                    f"{topic}/{partition}: offset {at} alone can't be kept free. Delete {topic} on the new"
                    " Kafka and copy again: in one go it can."
                )
            if step.unread:
                filler = [] if marked else [(None, FILLER, None, 0)] * (step.unread - 1)
                self._in_transaction(topic, partition, marked or filler, commit=bool(marked))
            at += step.records + step.unread
            if step.unread:
                self._await_end(topic, partition, at)

    def _await_end(self, topic: str, partition: int, end: int) -> None:
        """Wait for a transaction's marker: the broker writes it a moment after it has answered."""
        until_s = time.monotonic() + ANSWER_S
        while (lies := self._bounds(self._new_ends, topic, partition)[1]) != end:
            if lies > end or time.monotonic() > until_s:
                raise StackProblem(
                    f"{topic}/{partition} ends at {lies} instead of {end}. Delete {topic} on the new Kafka"
                    " and copy again."
                )
            time.sleep(0.01)

    def _plainly(self, topic: str, partition: int, at: int, records: Any) -> None:
        """Write records, and see that each lies where it is to lie."""
        wrong: list[str] = []

        def delivered(error: Any, message: Message) -> None:
            nonlocal at
            if error is not None or message.offset() != at:
                wrong.append(f"{topic}/{partition}: {error or message.offset()} instead of {at}")
            at += 1

        for record in records:
            self._produce(self._plain, topic, partition, record, delivered)
        if self._plain.flush(ANSWER_S) or wrong:
            raise StackProblem(
                f"A record does not lie where it lay ({wrong[0] if wrong else 'no answer'}). Delete {topic}"
                " on the new Kafka and copy again."
            )

    def _in_transaction(self, topic: str, partition: int, records: Sequence[Any], *, commit: bool) -> None:
        self._transactional.begin_transaction()
        for record in records:
            self._produce(self._transactional, topic, partition, record, None)
        if self._transactional.flush(ANSWER_S):
            raise StackProblem(f"{topic}/{partition}: the new Kafka does not answer.")
        if commit:
            self._transactional.commit_transaction(ANSWER_S)
        else:
            self._transactional.abort_transaction(ANSWER_S)

    @staticmethod
    def _produce(producer: Producer, topic: str, partition: int, record: Any, delivered: Any) -> None:
        key, value, headers, timestamp_ms = record
        given = {"timestamp": timestamp_ms} if timestamp_ms > 0 else {}
        until_s = time.monotonic() + ANSWER_S
        while True:
            try:
                producer.produce(
                    topic, value, key, partition, headers=headers, on_delivery=delivered, **given
                )
            except BufferError:
                if time.monotonic() > until_s:
                    raise StackProblem(f"{topic}/{partition}: the new Kafka takes nothing.") from None
                producer.poll(0.1)
            else:
                producer.poll(0)
                return

    # ------------------------------------------------------------ the groups

    def _groups(self) -> None:
        """Every group stands where it stood."""
        for group in self._old_groups():
            if stood := [place for place in self._stood(group) if place.offset >= 0]:
                self._stand(group, stood)

    def _old_groups(self) -> list[str]:
        listed = self._old_admin.list_consumer_groups(request_timeout=ANSWER_S).result(ANSWER_S)
        for error in listed.errors:  # one for each broker that did not answer for its groups
            raise error
        return sorted(group.group_id for group in listed.valid)

    def _stood(self, group: str) -> list[TopicPartition]:
        """Where a group stands on the old Kafka in what is copied; offset < 0: nowhere."""

        def ask() -> dict[str, Any]:
            asked = [ConsumerGroupTopicPartitions(group)]
            answers: dict[str, Any] = self._old_admin.list_consumer_group_offsets(
                asked, require_stable=True, request_timeout=ANSWER_S
            )
            return answers

        return self._places(group, "old", ask)

    def _stand(self, group: str, stood: list[TopicPartition]) -> None:
        """Have a group stand there on the new Kafka, which may know of neither for a moment."""

        def ask() -> dict[str, Any]:
            given = [ConsumerGroupTopicPartitions(group, stood)]
            answers: dict[str, Any] = self._new_admin.alter_consumer_group_offsets(given)
            return answers

        self._places(group, "new", ask)

    def _places(self, group: str, kafka: str, ask: Callable[[], dict[str, Any]]) -> list[TopicPartition]:
        """What a Kafka answers about a group's places in the namespace's topics, asked again as long as it
        can't tell. Raises StackProblem, KafkaException.
        """
        until_s = time.monotonic() + PLACE_S
        while True:
            try:
                answered = ask()[group].result(ANSWER_S).topic_partitions
            except KafkaException as error:
                if error.args[0].name() not in NOT_YET or time.monotonic() > until_s:
                    raise
            else:
                places = [place for place in answered if self._is_copied(place.topic)]
                unsaid = next((place for place in places if place.error is not None), None)
                if unsaid is None:
                    return places
                if unsaid.error.name() not in NOT_YET or time.monotonic() > until_s:
                    raise StackProblem(
                        f"The place of the group {group} in {unsaid.topic}/{unsaid.partition} can't be"
                        f" copied: the {kafka} Kafka says {unsaid.error.str()!r}."
                    )
            time.sleep(0.2)

    def hear(self) -> str:
        """What was last said of a connection."""
        for admin in (self._old_admin, self._new_admin):
            admin.poll(0)
        return self.heard


def copy_topics(old: str, new: str, namespace: str, say: Callable[[str], None]) -> Copied:
    """Copy what the new Kafka lacks. `old`, `new`: host:port[,…], asked as whom the environment says, or a
    file with what `shanliu service-access` has printed. Raises StackProblem.
    """
    copier = Copier(client_of(old), client_of(new), namespace, say)
    try:
        return copier.run()
    except KafkaException as error:
        problem = error.args[0]
        if "AUTHORIZATION_FAILED" in problem.name():
            raise StackProblem(
                f"Who asks may not do that ({problem.name()}): it takes copy-from on the old Kafka and"
                " copy-to on the new one (deploy/acls.yaml)."
            ) from error
        raise StackProblem(f"The topics can't be copied: {copier.hear() or problem.str()}.") from error


def client_of(said: str) -> KafkaClientSettings:
    """A Kafka, and as whom it is asked. Raises StackProblem."""
    path = Path(said)
    if not path.is_file():
        return kafka_client(said)
    lines = [line.removeprefix("export ").strip() for line in path.read_text("utf-8").splitlines()]
    named = dict(line.split("=", 1) for line in lines if line.startswith("KAFKA_") and "=" in line)
    known: dict[str, Any] = {name.lower(): value for name, value in named.items()}
    known.pop("kafka_namespace", None)
    if "kafka_bootstrap_servers" not in known:
        raise StackProblem(f"{path} does not say KAFKA_BOOTSTRAP_SERVERS.")
    try:
        return KafkaClientSettings(**known)
    except ValidationError as error:
        raise StackProblem(f"{path}: {error.errors(include_url=False)[0]['msg']}.") from None
