"""Make the topics that topics.yaml declares, compare those that are there, make those of donations wider."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from pydantic import BaseModel, ConfigDict, Field

from deploy.local.external import kafka_client
from deploy.local.problems import Report, StackProblem
from shared.broker import CLUSTER_REPLICAS, CONTACTS, DONATION_EVENTS, INTAKE_PREFIX

DECLARATION: Final = Path(__file__).with_name("topics.yaml")
TIMEOUT_S: Final = 30
KNOWN_S: Final = 12.0
"""By then every process has asked for the topics again (kafka_metadata_max_age_ms: 10 s)."""
BROKERS_CHOICE: Final = -1
"""As many replicas as the broker's default.replication.factor says."""

Config = dict[str, bool | int | float | str]


class Topic(BaseModel):
    """One topic of the declaration."""

    model_config = ConfigDict(extra="forbid")

    about: str
    config: Config = Field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether it is kept for ever, record by record."""
        return self.config.get("retention.ms") == -1

    def texts(self) -> dict[str, str]:
        """The configuration as Kafka takes it."""
        return {name: _text(value) for name, value in self.config.items()}


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Declaration(BaseModel):
    """The whole of topics.yaml."""

    model_config = ConfigDict(extra="forbid")

    cluster: Config
    tiered: Config
    channel: Config
    topics: dict[str, Topic]


@dataclass(slots=True)
class Applied:
    """What was done and found, by full topic name."""

    created: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def declared(*, replicas: int = BROKERS_CHOICE, tiered: bool = False) -> dict[str, Topic]:
    """The topics by name (without a namespace), with what is said of a cluster from three replicas on."""
    declaration = _declaration()
    return {
        name: _on(topic, declaration, replicas, tiered=tiered) for name, topic in declaration.topics.items()
    }


def channel_topic(*, replicas: int = BROKERS_CHOICE, tiered: bool = False) -> Topic:
    """What is declared of the topic that a channel has of its own."""
    declaration = _declaration()
    topic = Topic(about="what a channel sends", config=declaration.channel)
    return _on(topic, declaration, replicas, tiered=tiered)


def _declaration() -> Declaration:
    return Declaration.model_validate(yaml.safe_load(DECLARATION.read_text("utf-8")))


def _on(topic: Topic, declaration: Declaration, replicas: int, *, tiered: bool) -> Topic:
    more = declaration.cluster if replicas >= CLUSTER_REPLICAS else {}
    far = declaration.tiered if tiered and topic.kept else {}
    return topic.model_copy(update={"config": {**topic.config, **more, **far}})


async def apply_topics(
    bootstrap: str,
    namespace: str = "",
    partitions: int = 4,
    replication: int = BROKERS_CHOICE,
    *,
    alter: bool = False,
    tiered: bool = False,
) -> Applied:
    """Make what is missing and report what differs from the declaration, the channels' own topics too.

    Nothing that exists is changed, but for the configuration with `alter`: then a topic that differs has
    exactly the declared overrides, and none that somebody has added. Partitions and replicas are never
    changed; more than `partitions` is no difference (grow_topics). Raises StackProblem when the broker
    doesn't answer within 30 s or refuses.
    """
    client = kafka_client(bootstrap)
    admin = AIOKafkaAdminClient(**client.client(), request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await admin.start()
            topics = declared(replicas=replication, tiered=tiered)
            wanted = {namespace + name: topic for name, topic in topics.items()}
            channels = await _channels_topics(admin, namespace, wanted)
            own = dict.fromkeys(channels, channel_topic(replicas=replication, tiered=tiered))
            applied = await _apply(admin, wanted, channels, partitions, replication)
            await _configure(admin, wanted | own, applied, alter=alter)
            return applied
    except (KafkaError, TimeoutError) as error:
        raise StackProblem(
            f"The topics can't be made at Kafka {bootstrap}: {str(error) or type(error).__name__}."
        ) from error
    finally:
        await admin.close()


async def remove_topics(bootstrap: str, namespace: str) -> None:
    """Delete every topic of a namespace: what was made to be measured or tested. Raises ValueError without a
    name, for those topics are the books.
    """
    if not namespace:
        raise ValueError("topics without a namespace are the books")
    admin = AIOKafkaAdminClient(**kafka_client(bootstrap).client(), request_timeout_ms=10_000)
    try:
        await admin.start()
        topics = [name for name in await admin.list_topics() if name.startswith(namespace)]
        await admin.delete_topics(topics, timeout_ms=10_000)
    finally:
        await admin.close()


async def grow_topics(
    bootstrap: str,
    namespace: str,
    partitions: int,
    *,
    known_s: float = KNOWN_S,
    say: Report = lambda _: None,
) -> list[str]:
    """Give the topics of donations more partitions while everything runs; those that had fewer, in words,
    each told to `say` as soon as it is wider.

    A worker publishes to the partition number that it reads from, so the topics that it writes to grow first,
    and the intake topics when every process knows of that. The others keep what they have: their keys would
    move to other sources, and what is told of one campaign would lose its order (docs/upgrades.md).
    Raises StackProblem when the broker doesn't answer or refuses.
    """
    admin = AIOKafkaAdminClient(**kafka_client(bootstrap).client(), request_timeout_ms=10_000)
    try:
        await admin.start()
        written = [namespace + CONTACTS, namespace + DONATION_EVENTS]
        prefix = namespace + INTAKE_PREFIX
        read = sorted(topic for topic in await admin.list_topics() if topic.startswith(prefix))
        grown = await _grow(admin, written, partitions, say)
        if grown and read:
            say(f"in {known_s:.0f} s every process knows of that; then what they read grows")
            await asyncio.sleep(known_s)
        return grown + await _grow(admin, read, partitions, say)
    except (KafkaError, TimeoutError) as error:
        raise StackProblem(
            f"The topics can't grow at Kafka {bootstrap}: {str(error) or type(error).__name__}."
        ) from error
    finally:
        await admin.close()


async def _grow(admin: AIOKafkaAdminClient, topics: list[str], partitions: int, say: Report) -> list[str]:
    async with asyncio.timeout(TIMEOUT_S):
        found = await _visible(admin, topics)
        fewer = {name: len(copies) for name, copies in found.items() if len(copies) < partitions}
        if fewer:
            wider = {name: NewPartitions(partitions) for name in fewer}
            for name, code, message in (await admin.create_partitions(wider, 10_000)).topic_errors:
                if code:
                    raise for_code(code)(f"{name}: {message}")
        while min(map(len, (await _visible(admin, topics)).values()), default=partitions) < partitions:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    grown = [f"{name}: {count} → {partitions} partitions" for name, count in sorted(fewer.items())]
    for line in grown:
        say(f"grown  {line}")
    return grown


async def _channels_topics(
    admin: AIOKafkaAdminClient, namespace: str, declared_ones: Iterable[str]
) -> list[str]:
    """Those that were made when channels were registered."""
    there = {name for name in await admin.list_topics() if name.startswith(namespace + INTAKE_PREFIX)}
    return sorted(there.difference(declared_ones))


async def _apply(
    admin: AIOKafkaAdminClient,
    wanted: dict[str, Topic],
    channels: list[str],
    partitions: int,
    replication: int,
) -> Applied:
    # Not asked for first: a list may be a moment behind, and somebody else may be faster than we.
    created = await _create(
        admin,
        [
            NewTopic(
                name=name,
                num_partitions=partitions,
                replication_factor=replication,
                # aiokafka refuses -1 without it.
                replica_assignments={} if replication == BROKERS_CHOICE else None,
                topic_configs=topic.texts(),
            )
            for name, topic in wanted.items()
        ],
    )
    found = await _visible(admin, [*wanted, *channels])
    applied = Applied(created, [name for name in (*wanted, *channels) if name not in created])
    for name in applied.present:
        if len(found[name]) < partitions:
            applied.differences.append(f"{name}: {len(found[name])} partitions instead of {partitions}")
        copies = min(found[name])
        if replication not in {BROKERS_CHOICE, copies}:
            applied.differences.append(f"{name}: {copies} replicas instead of {replication}")
    return applied


async def _configure(
    admin: AIOKafkaAdminClient, wanted: dict[str, Topic], applied: Applied, *, alter: bool
) -> None:
    """Compare the configuration of the topics that were there before, and change it with `alter`."""
    if not applied.present:
        return
    topics = {name: wanted[name] for name in applied.present}
    others = await _other_config(admin, topics)
    if not alter:
        applied.differences += [difference for found in others.values() for difference in found]
        return
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, topics[name].texts())
        for name, found in others.items()
        if found
    ]
    for answer in await admin.alter_configs(resources) if resources else []:
        for code, message, _, name in answer.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
    applied.changed = [difference for found in others.values() for difference in found]


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> list[str]:
    """The names of those that were made now."""
    answer = await admin.create_topics(topics, timeout_ms=10_000)
    for name, code, message, *_ in answer.topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:
            raise for_code(code)(f"{name}: {message}")
    return [name for name, code, *_ in answer.topic_errors if code == 0]


async def _visible(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, list[int]]:
    """The replicas of each partition by topic, as soon as the broker tells of all of them: it learns of a new
    one a moment after the controller has made it; until then a producer would be told that there is none.
    """
    wanted = list(names)
    while True:
        described: list[dict[str, Any]] = await admin.describe_topics(wanted)
        found = {
            topic["topic"]: [len(each["replicas"]) for each in topic["partitions"]]
            for topic in described
            if not topic["error_code"]
        }
        if all(found.get(name) for name in wanted):
            return found
        await asyncio.sleep(0.05)


async def _other_config(admin: AIOKafkaAdminClient, topics: dict[str, Topic]) -> dict[str, list[str]]:
    """What differs, in words, by topic."""
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, topic.texts()) for name, topic in topics.items()
    ]
    differences: dict[str, list[str]] = {}
    for answer in await admin.describe_configs(resources):
        for code, message, _, name, entries in answer.resources:
            if code:
                raise for_code(code)(f"{name}: {message}")
            found = {entry[0]: entry[1] for entry in entries}
            differences[name] = [
                f"{name}: {key} is {found.get(key)} instead of {value}"
                for key, value in topics[name].texts().items()
                if found.get(key) != value
            ]
    return differences
