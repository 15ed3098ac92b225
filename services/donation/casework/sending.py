"""Puts people's words on the intake topics: at once, and again every few seconds until they are there.

A reversal is a record of the donation's own channel, so that it has a position like any reversal (decision
0002); that a donor is not to be named any more is a record of `intake.internal`.
"""

import asyncio
from typing import Any, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.casework import consent, queries
from services.donation.intake import ConsentWithdrawal, ReversalRequest
from shared.broker import INTAKE_INTERNAL, INTAKE_PREFIX, Publisher, PublishFailed

log = structlog.get_logger(__name__)

POLL_S: Final = 2.0
AT_ONCE: Final = 100


class Sender:
    """Sends what was written down. Several may at once: what is sent twice is the same message."""

    def __init__(self, engine: AsyncEngine, publisher: Publisher) -> None:
        self._engine = engine
        self._publisher = publisher

    async def run(self) -> None:
        """Send until cancelled. The database or the broker away: wait and go on."""
        while True:
            try:
                await self.send()
            except (SQLAlchemyError, OSError, TimeoutError, PublishFailed) as error:
                log.warning("casework_waits", error=repr(error)[:200])
            await asyncio.sleep(POLL_S)

    async def send(self) -> None:
        """Send what waits, oldest first. Raises PublishFailed at the first that the broker does not take."""
        async with self._engine.connect() as connection:
            rows = await queries.unsent_reversals(connection, AT_ONCE)
            nameless = await consent.unsent(connection, AT_ONCE)
        for donation_id in nameless:
            record = ConsentWithdrawal(donation_id=donation_id).model_dump_json().encode()
            await self._publisher.send(INTAKE_INTERNAL, record, key=str(donation_id).encode())
            async with self._engine.begin() as connection:
                await consent.mark_sent(connection, donation_id)
        for row in rows:
            topic = INTAKE_PREFIX + row.channel
            await self._publisher.send(topic, _message(row), key=row.transaction_id.encode())
            async with self._engine.begin() as connection:
                await queries.mark_sent(connection, [row.reversal_id])


def _message(row: Any) -> bytes:
    reversal = ReversalRequest.model_construct(
        reversal_id=row.channel_reversal_id,
        transaction_id=row.transaction_id,
        kind=row.kind,
        amount_fen=row.amount_fen,
        occurred_at=row.occurred_at,
        reason=row.reason,
    )
    return reversal.model_dump_json(exclude_none=True).encode()
