"""How fast thanks may leave: a surge drains at a set rate and delays nothing live.

The turns are handed out by the database, so that several processes keep one rate together. A turn that is not
used is lost, and a pause saves up nothing, so no burst follows it.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.notification.couriers.ways import Way

# A turn that a crash of the database forgets costs nothing: not waited for until it is on disk.
_UNHURRIED: Final = text("SET LOCAL synchronous_commit = off")
_RESERVE: Final = text("""
UPDATE pace SET next_at = greatest(next_at, clock_timestamp()) + make_interval(secs => :interval_s)
WHERE way = :way
RETURNING CAST(extract(epoch FROM next_at - clock_timestamp()) AS float8) - :interval_s AS wait_s
""")


async def reserve(engine: AsyncEngine, way: Way, per_second: float) -> float:
    """Take the next turn of a way; gives the seconds to wait for it."""
    async with engine.begin() as connection:
        await connection.execute(_UNHURRIED)
        values = {"way": way.value, "interval_s": 1 / per_second}
        wait_s: float = (await connection.execute(_RESERVE, values)).scalar_one()
    return max(0.0, wait_s)
