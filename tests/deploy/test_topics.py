"""topics.yaml on a real broker."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import InvalidReplicationFactorError

from deploy.topics import apply_topics, channel_topic, declared, remove_topics
from services.donation.channels.api import INTAKE_TOPIC
from shared import broker
from tests.waiting import until


def test_every_topic_that_the_code_names_is_declared() -> None:
    assert set(declared()) == {
        broker.INTAKE_INTERNAL,
        broker.INTAKE_DESK,
        broker.DONATION_EVENTS,
        broker.CAMPAIGN_EVENTS,
        broker.NOTIFICATION_EVENTS,
        broker.TOTALS,
        broker.CONTACTS,
        broker.DEAD_LETTER,
    }


async def test_a_namespace_is_removed_whole_and_never_the_books(kafka: str, namespace: str) -> None:
    made = await apply_topics(kafka, namespace, partitions=1)
    beside = await apply_topics(kafka, f"other-{namespace}", partitions=1)
    await remove_topics(kafka, namespace)
    again = await apply_topics(kafka, namespace, partitions=1)
    assert (again.created, again.present) == (made.created, [])
    assert (await apply_topics(kafka, f"other-{namespace}", partitions=1)).present == beside.created
    with pytest.raises(ValueError, match="are the books"):
        await remove_topics("127.0.0.1:1", "")


async def test_missing_topics_are_made_and_a_second_time_nothing_happens(kafka: str, namespace: str) -> None:
    first = await apply_topics(kafka, namespace, partitions=3)
    second = await apply_topics(kafka, namespace, partitions=3)

    names = {namespace + name for name in declared()}
    assert set(first.created) == names
    assert second.created == []
    assert set(second.present) == names
    assert second.differences == []


async def test_another_number_of_partitions_is_told_and_not_changed(kafka: str, namespace: str) -> None:
    await apply_topics(kafka, namespace, partitions=3)

    again = await apply_topics(kafka, namespace, partitions=5)

    assert f"{namespace}totals: 3 partitions instead of 5" in again.differences
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.split(","))
    await admin.start()
    try:
        (described,) = await admin.describe_topics([f"{namespace}totals"])
    finally:
        await admin.close()
    assert len(described["partitions"]) == 3


async def test_another_configuration_is_told_and_changed_when_asked(kafka: str, namespace: str) -> None:
    await broker.ensure_topic(
        broker.KafkaSettings(kafka_bootstrap_servers=kafka, kafka_namespace=namespace, partitions=4),
        broker.CONTACTS,
        configs={"retention.ms": "1000"},
    )

    applied = await apply_topics(kafka, namespace, partitions=4)

    difference = f"{namespace}contacts: retention.ms is 1000 instead of 259200000"
    assert difference in applied.differences

    altered = await apply_topics(kafka, namespace, partitions=4, alter=True)
    assert difference in altered.changed
    assert altered.differences == []

    async def settled() -> bool:
        return (await apply_topics(kafka, namespace, partitions=4)).differences == []

    await until(settled)


@pytest.mark.parametrize("replicas", [-1, 1, 3])
def test_a_channel_s_topic_is_made_as_it_is_declared(replicas: int) -> None:
    settings = broker.KafkaSettings(replication=replicas)

    made = broker.wanted_topic(settings, "intake.new", 12, INTAKE_TOPIC)

    assert made.replication_factor == replicas
    assert made.topic_configs == channel_topic(replicas=replicas).texts()


async def test_the_replicas_of_a_channel_s_topic_are_not_the_broker_s_choice(
    kafka: str, namespace: str
) -> None:
    """One broker can't hold three copies: whoever asks for them is refused, and doesn't get one."""
    settings = broker.KafkaSettings(kafka_bootstrap_servers=kafka, kafka_namespace=namespace, replication=3)

    with pytest.raises(InvalidReplicationFactorError):
        await broker.ensure_topic(settings, "intake.new", configs=INTAKE_TOPIC)


async def test_a_channel_s_topic_that_is_weaker_is_told_and_mended_when_asked(
    kafka: str, namespace: str
) -> None:
    settings = broker.KafkaSettings(kafka_bootstrap_servers=kafka, kafka_namespace=namespace)
    await apply_topics(kafka, namespace)
    await broker.ensure_topic(settings, "intake.old", configs={"min.insync.replicas": "1"})
    topic = f"{namespace}intake.old"

    weaker = {f"{topic}: 1 replicas instead of 3", f"{topic}: min.insync.replicas is 1 instead of 2"}

    async def told() -> bool:
        return weaker <= {*(await apply_topics(kafka, namespace, replication=3)).differences}

    await until(told)  # the broker tells of a new topic a moment later
    mended = await apply_topics(kafka, namespace, replication=3, alter=True)

    assert f"{topic}: min.insync.replicas is 1 instead of 2" in mended.changed
    assert f"{topic}: 1 replicas instead of 3" in mended.differences

    async def settled() -> bool:
        again = await apply_topics(kafka, namespace, replication=3)
        return [each for each in again.differences if each.startswith(topic)] == [
            f"{topic}: 1 replicas instead of 3"
        ]

    await until(settled)
