"""From sums to single refunds: Alipay's notices say how much of a trade went back until then.

Each sum that is larger than all before it is written down with what it adds, under the trade's lock, before
anything is published; so what a sum adds never changes, however often, late or out of order its notice comes:

  sums 30, 80            30 and 50
  sums 80, 30, 30, 80    80, and nothing more: the 30 are in the 80

What is written down of a trade adds up to its largest sum at every moment, and each is a reversal with an id
of its own: the number the refund was asked for under, which the day's bill has as well; where that is missing
or another refund has it (it is unique to a trade alone), the trade and the sum.

All of the trade's are published with each notice: should one have been written down and not published (the
broker was away, the process died), the next notice mends it, and booking knows the others as repeats. Alipay
allows 300 refunds of a trade; so many records a notice at most.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Self

from sqlalchemy import exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.donation.intake import ReversalRequest
from services.donation.schemes.models import alipay_refunds
from services.donation.schemes.notices import RefundedSoFar, reversal, unusable

MOST: Final = 300
_OF_A_TRADE: Final = (
    alipay_refunds.c.refunded_fen,
    alipay_refunds.c.amount_fen,
    alipay_refunds.c.refunded_at,
    alipay_refunds.c.reversal_id,
)


@dataclass(frozen=True, slots=True)
class Step:
    """A sum that was told, what it added, and when (UTC)."""

    refunded_fen: int
    amount_fen: int
    refunded_at: datetime
    reversal_id: str

    @classmethod
    def next(cls, known: Sequence[Self], so_far: RefundedSoFar) -> Self | None:
        """What a sum adds to those known; None: nothing. `known` from the smallest to the largest."""
        before_fen = known[-1].refunded_fen if known else 0
        if so_far.refunded_fen <= before_fen:
            return None
        if len(known) >= MOST:
            raise unusable("More refunds of one trade than Alipay allows.")
        refunded_at = datetime.fromisoformat(so_far.refunded_at).astimezone(UTC)
        reversal_id = f"{so_far.transaction_id}-{so_far.refunded_fen}"
        return cls(so_far.refunded_fen, so_far.refunded_fen - before_fen, refunded_at, reversal_id)


class Refunds:
    """The single refunds of Alipay's trades."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def reversals(self, channel: str, so_far: RefundedSoFar, now: datetime) -> list[ReversalRequest]:
        """All reversals of a trade that are known with this notice, the oldest first."""
        async with self._engine.begin() as connection:
            await connection.execute(
                select(func.pg_advisory_xact_lock(func.hashtextextended(_key(channel, so_far), 0)))
            )
            steps = await _known(connection, channel, so_far)
            step = Step.next(steps, so_far)
            if step is not None:
                if so_far.refund_id and not await _is_taken(connection, channel, so_far.refund_id):
                    step = replace(step, reversal_id=so_far.refund_id)
                await _remember(connection, channel, so_far, step)
                steps.append(step)
        return [_reversal(so_far.transaction_id, each, now) for each in steps]


def _key(channel: str, so_far: RefundedSoFar) -> str:
    return f"alipay\n{channel}\n{so_far.transaction_id}"


async def _known(connection: AsyncConnection, channel: str, so_far: RefundedSoFar) -> list[Step]:
    of_this = (alipay_refunds.c.channel == channel) & (
        alipay_refunds.c.transaction_id == so_far.transaction_id
    )
    asked = select(*_OF_A_TRADE).where(of_this).order_by(alipay_refunds.c.refunded_fen)
    return [Step(*row) for row in await connection.execute(asked)]


async def _is_taken(connection: AsyncConnection, channel: str, refund_id: str) -> bool:
    """Whether another refund of the channel has that number."""
    with_it = (alipay_refunds.c.channel == channel) & (alipay_refunds.c.reversal_id == refund_id)
    return bool(await connection.scalar(select(exists().where(with_it))))


async def _remember(connection: AsyncConnection, channel: str, so_far: RefundedSoFar, step: Step) -> None:
    await connection.execute(
        insert(alipay_refunds).values(
            channel=channel,
            transaction_id=so_far.transaction_id,
            refunded_fen=step.refunded_fen,
            amount_fen=step.amount_fen,
            refunded_at=step.refunded_at,
            reversal_id=step.reversal_id,
        )
    )


def _reversal(transaction_id: str, step: Step, now: datetime) -> ReversalRequest:
    fields = {
        "reversal_id": step.reversal_id,
        "transaction_id": transaction_id,
        "kind": "refund",
        "amount_fen": step.amount_fen,
        "occurred_at": step.refunded_at.isoformat(),
    }
    return reversal(fields, now)
