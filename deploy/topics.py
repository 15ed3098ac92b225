"""Make the topics that topics.yaml declares, and compare those that are there."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from pydantic import BaseModel, ConfigDict, Field

from deploy.local.external import kafka_client
from deploy.local.problems import StackProblem

DECLARATION: Final = Path(__file__).with_name("topics.yaml")
TIMEOUT_S: Final = 30
BROKERS_CHOICE: Final = -1
"""As many replicas as the broker's default.replication.factor says."""


class Topic(BaseModel):
    """One topic of the declaration."""

    model_config = ConfigDict(extra="forbid")

    about: str
    config: dict[str, str | int | float] = Field(default_factory=dict)

    def texts(self) -> dict[str, str]:
        """The configuration as Kafka takes it."""
        return {name: str(value) for name, value in self.config.items()}


class Declaration(BaseModel):
    """The whole of topics.yaml."""

    model_config = ConfigDict(extra="forbid")

    topics: dict[str, Topic]


@dataclass(slots=True)
class Applied:
    """What was done and found, by full topic name."""

    created: list[str] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def declared(path: Path = DECLARATION) -> dict[str, Topic]:
    """The topics by name (without a namespace)."""
    return Declaration.model_validate(yaml.safe_load(path.read_text("utf-8"))).topics


async def apply_topics(
    bootstrap: str,
    namespace: str = "",
    partitions: int = 4,
    replication: int = BROKERS_CHOICE,
    *,
    alter: bool = False,
) -> Applied:
    """Make what is missing and report what differs from the declaration.

    Nothing that exists is changed, but for the configuration with `alter`: then a topic that differs has
    exactly the declared overrides, and none that somebody has added. Partitions are never changed.
    Raises StackProblem when the broker doesn't answer within 30 s or refuses.
    """
    client = kafka_client(bootstrap)
    admin = AIOKafkaAdminClient(**client.client(), request_timeout_ms=10_000)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            await admin.start()
            applied = await _apply(admin, namespace, partitions, replication)
            await _configure(admin, namespace, applied, alter=alter)
            return applied
    except (KafkaError, TimeoutError) as error:
        raise StackProblem(
            f"The topics can't be made at Kafka {bootstrap}: {str(error) or type(error).__name__}."
        ) from error
    finally:
        await admin.close()


async def _apply(admin: AIOKafkaAdminClient, namespace: str, partitions: int, replication: int) -> Applied:
    wanted = {namespace + name: topic for name, topic in declared().items()}
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
    found = await _visible(admin, wanted)
    applied = Applied(created, [name for name in wanted if name not in created])
    applied.differences = [
        f"{name}: {found[name]} partitions instead of {partitions}"
        for name in applied.present
        if found[name] != partitions
    ]
    return applied


async def _configure(admin: AIOKafkaAdminClient, namespace: str, applied: Applied, *, alter: bool) -> None:
    """Compare the configuration of the topics that were there before, and change it with `alter`."""
    if not applied.present:
        return
    topics = {name: declared()[name.removeprefix(namespace)] for name in applied.present}
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


async def _visible(admin: AIOKafkaAdminClient, names: Iterable[str]) -> dict[str, int]:
    """Partitions by topic, as soon as the broker tells of all of them: it learns of a new one a moment after
    the controller has made it, and until then a producer would be told that the topic doesn't exist.
    """
    wanted = list(names)
    while True:
        described: list[dict[str, Any]] = await admin.describe_topics(wanted)
        found = {topic["topic"]: len(topic["partitions"]) for topic in described if not topic["error_code"]}
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
