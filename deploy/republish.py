"""`shanliu republish`: the donation service's own command, against the stack that runs here."""

import asyncio

from deploy.local.running import Running
from services.donation import republishing
from shared import database
from shared.broker import KafkaSettings, Publisher


def republish(stack: Running, source: str | None, after: int) -> int:
    """Send the events of one source (or of all) behind `after` again; gives back how many."""
    return asyncio.run(_republish(stack, source, after))


async def _republish(stack: Running, source: str | None, after: int) -> int:
    engine = database.create_engine(stack.databases["donation"], "republish")
    settings = KafkaSettings(kafka_bootstrap_servers=stack.kafka)
    async with database.disposing(engine), Publisher(settings) as publisher:
        return await republishing.republish(engine, publisher, source, after)
