"""Whether a million donations that are stored already make the next ones slower.

The same load on two grounds, one of them filled beforehand; in turns, as in pipeline.py.
"""

from typing import Final

import asyncpg

from deploy.bench import pipeline
from deploy.bench.ground import Base, Ground, prepared
from deploy.bench.report import Figure, Result, ratio_with_spread

GOAL: Final = 0.90
STORED: Final = 1_000_000
DONATIONS: Final = 60_000
ROUNDS: Final = 3
PART: Final = 100_000
FILL_S: Final = 240.0
# From a source of their own: the positions of the run's topic begin at 0.
_FILL: Final = """
INSERT INTO donations (donation_id, channel, transaction_id, campaign_id, amount_fen, occurred_at,
                       received_at, donor_kind, donor_name, donor_display, source, sequence, status)
SELECT gen_random_uuid(), 'earlier', 'stored-' || n, 'bench', 100 + n % 100000, now() - n * interval '1 ms',
       now() - n * interval '1 ms', 'person', '王伟', 'name', 'intake.earlier/' || n % $3, n, 'received'
FROM generate_series($1::bigint, $2::bigint) AS n
"""


async def fill(ground: Ground, rows: int) -> None:
    """Store so many donations, as if they had been booked long ago."""
    connection = await asyncpg.connect(
        ground.dsn("donation"), timeout=5, command_timeout=FILL_S, server_settings={"statement_timeout": "0"}
    )
    try:
        for first in range(0, rows, PART):
            last = min(rows, first + PART) - 1
            await connection.execute(_FILL, first, last, ground.wiring.partitions)
        await connection.execute("ANALYZE donations")
    finally:
        await connection.close()


async def measure(
    base: Base, stored: int = STORED, donations: int = DONATIONS, rounds: int = ROUNDS
) -> Result:
    """The rate on top of `stored` donations against the rate on none."""
    result = Result("stored")
    async with prepared(base) as full_ground, prepared(base) as empty_ground:
        await fill(full_ground, stored)
        full, empty = await pipeline.ours(full_ground), await pipeline.ours(empty_ground)
        full.name, empty.name = f"{stored:,} stored", "none stored"
        for side in (full, empty):
            await side.warm_up(donations // 5)
        for number in range(rounds):
            for side in (full, empty) if number % 2 == 0 else (empty, full):
                await side.round(donations)
        for side, before in ((full, stored), (empty, 0)):
            rows = await side.ground.value("donation", "SELECT count(*) FROM donations")
            if rows != side.donations + before:
                result.wrong.append(f"{side.name}: {rows} rows, not {side.donations + before}")
    ratio, least, most = ratio_with_spread(full.rates, empty.rates)
    result.figures = [
        Figure(full.name, full.rate, "donations/s"),
        Figure(empty.name, empty.rate, "donations/s"),
        Figure("with ÷ without", ratio, "", GOAL, note=f"rounds {least:.2f}-{most:.2f}"),
    ]
    result.wrong += full.wrong + empty.wrong
    result.details = {side.name: {"rates": side.rates, "cpu_cores": side.cpu} for side in (full, empty)}
    return result
