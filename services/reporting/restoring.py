"""`python -m services.reporting restore`: reporting's database came back from a backup, and goes on: its
workers read everything again, and the marks say from where it counts. A rebuild does the same without one.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.rebuilding.reading import TOPICS
from shared.broker import REPORTING_GROUP, KafkaSettings
from shared.restoring import Tell, check_stopped, go_back, reading, silent


async def restore(
    settings: KafkaSettings, engine: AsyncEngine, *, dry_run: bool, tell: Tell = silent
) -> list[str]:
    """Have the workers read from the first event; what was done, in lines for people. Raises RestoreRefused,
    KafkaError.
    """
    running = await check_stopped(settings, engine, [REPORTING_GROUP], dry_run=dry_run)
    async with reading(settings, tell) as topics:
        begin = dict.fromkeys(topics.partitions(*TOPICS), 0)
    if dry_run:
        return [*running, "the workers would read everything again"]
    return [f"{REPORTING_GROUP} reads {await go_back(settings, REPORTING_GROUP, begin):,} records again"]
