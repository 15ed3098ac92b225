"""topics.yaml on a real broker."""

from aiokafka.admin import AIOKafkaAdminClient

from deploy.topics import apply_topics, declared
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
