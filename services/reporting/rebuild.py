"""`python -m services.reporting rebuild`: count everything again from the first event.

For a corrected rule or a new column: the topics keep everything. Stop every reporting worker first (the
command refuses while one is in the group), run it, start the workers again. The screens may stay on: they
keep the last proved number until the new projection has read as far as the old one had. A screens process
that is started in between shows what has been counted so far.

First the group's offsets go back to the beginning, then the tables and marks are emptied. Should it die in
between, the workers read everything again and skip it as repeats, and the command can be run once more.
"""

import asyncio

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from sqlalchemy import text

from services.reporting.models import PROJECTION
from services.reporting.partitions import TopicsMissing, partitions_of
from services.reporting.settings import Settings
from shared.broker import CAMPAIGN_EVENTS, DEAD_LETTER, DONATION_EVENTS, REPORTING_GROUP
from shared.database import create_engine

log = structlog.get_logger(__name__)

KAFKA_S = 15.0


class WorkersRunning(Exception):
    """The group still has members, or the broker refused for another reason."""


async def rebuild(settings: Settings) -> None:
    """Send the workers' group back to the first event and empty the projection. Raises WorkersRunning."""
    try:
        async with asyncio.timeout(KAFKA_S):
            await _rewind(settings)
    except (KafkaError, TimeoutError, TopicsMissing) as error:
        raise WorkersRunning(
            f"The group {settings.topic(REPORTING_GROUP)} could not be sent back ({error!r})."
            " Stop every reporting worker, wait 10 seconds, and run it again. Nothing has been changed."
        ) from error
    await _empty(settings)
    log.info("projection_emptied", tables=[table.name for table in PROJECTION])


async def _rewind(settings: Settings) -> None:
    """Commit offset 0 for the group; the broker refuses while the group has members."""
    consumer = AIOKafkaConsumer(
        **settings.client(), group_id=settings.topic(REPORTING_GROUP), enable_auto_commit=False
    )
    partitions = await partitions_of(settings, DONATION_EVENTS, CAMPAIGN_EVENTS, DEAD_LETTER)
    await consumer.start()
    try:
        consumer.assign(partitions)
        await consumer.commit(await consumer.beginning_offsets(partitions))
    finally:
        await consumer.stop()


async def _empty(settings: Settings) -> None:
    engine = create_engine(settings.database_url, "reporting-rebuild")
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"TRUNCATE {', '.join(table.name for table in PROJECTION)}"))
    finally:
        await engine.dispose()
