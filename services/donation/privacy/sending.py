"""Puts erasures on `intake.internal`: at once, and again twice a second until they are there. What was erased
and came again, because all is being read again, is erased again here.
"""

import asyncio
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.intake import DonorErased
from services.donation.moderation.sending import repeatedly
from services.donation.privacy import erasing, queries
from shared.broker import INTAKE_INTERNAL, Publisher

AT_ONCE: Final = 200


class ErasureSender:
    """Sends what was erased. Several may: the second record of an erasure finds it booked."""

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher

    async def run(self) -> None:
        """Send until cancelled. The database or the broker away: wait and go on."""
        await repeatedly(self.send, "erasures_wait")

    async def send(self) -> bool:
        """Send what waits, at most AT_ONCE; True when there was something. Raises PublishFailed."""
        async with self._engine.begin() as connection:
            rows = await queries.unsent(connection, AT_ONCE)
            again = await queries.awaited(connection, AT_ONCE)
            if again:
                await erasing.apply(connection, again)
        records = (
            self._publisher.send(
                INTAKE_INTERNAL,
                DonorErased.model_construct(donation_id=row.donation_id, **erasing.told_of(row._mapping))  # noqa: SLF001 - public
                .model_dump_json()
                .encode(),
                key=str(row.donation_id).encode(),
            )
            for row in rows
        )
        await asyncio.gather(*records)
        if rows:
            async with self._engine.begin() as connection:
                await queries.mark_sent(connection, [row.donation_id for row in rows])
        return bool(rows or again)
