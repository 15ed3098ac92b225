"""Topics of a test's own: those that its service reads and writes. Each partition costs the broker a
hundredth of a second of a core, and all that are declared have 32.
"""

from collections.abc import Iterable, Mapping

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.topics import declared


async def make_declared(
    servers: str | list[str], namespace: str, names: Iterable[str], partitions: int
) -> None:
    """Make these as they are declared."""
    known = declared()
    await make(servers, {namespace + name: known[name].texts() for name in names}, partitions)


async def make(servers: str | list[str], wanted: Mapping[str, Mapping[str, str]], partitions: int) -> None:
    """Make topics, each with its configuration, by one request to the broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    await admin.start()
    try:
        new = [NewTopic(name, partitions, 1, topic_configs=dict(config)) for name, config in wanted.items()]
        answer = await admin.create_topics(new, timeout_ms=20_000)
        assert {code for _, code, *_ in answer.topic_errors} == {0}
    finally:
        await admin.close()
