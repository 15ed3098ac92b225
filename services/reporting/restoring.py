"""`python -m services.reporting restore`: reporting's database came back from a backup, and goes on: its
workers read everything again, and the marks say from where it counts. A rebuild does the same without one.
"""

from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting.rebuilding.reading import TOPICS
from shared.broker import REPORTING_GROUP, KafkaSettings
from shared.restoring import check_stopped, go_back, reading


async def restore(settings: KafkaSettings, _engine: AsyncEngine, *, dry_run: bool) -> list[str]:
    """Have the workers read from the first event; what was done, in lines for people. Raises RestoreRefused,
    KafkaError.
    """
    await check_stopped(settings, [REPORTING_GROUP])
    async with reading(settings) as topics:
        begin = dict.fromkeys(topics.partitions(*TOPICS), 0)
    if dry_run:
        return ["the workers would read everything again"]
    return [f"{REPORTING_GROUP} reads {await go_back(settings, REPORTING_GROUP, begin):,} records again"]
