"""Payments that name a pledge, booked in the transaction that moves the marks of their events."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.announcements import Announcer
from services.campaign.pledges import announcements, queries
from services.campaign.pledges.fulfilment import Named, problem_of
from services.campaign.pledges.rules import PROMISED
from services.campaign.pledges.schemas import Pledge


async def book(connection: AsyncConnection, payments: Sequence[Named]) -> list[Pledge]:
    """Add a batch's payments to their pledges, and keep each. Gives the pledges that have changed, locked.

    Call it before anything is appended to the outbox: its lock comes last.
    """
    if not payments:
        return []
    known = await queries.lock_pledges(connection, sorted({each.pledge_id for each in payments}))
    states = {pledge_id: (pledge.campaign_id, pledge.state) for pledge_id, pledge in known.items()}
    judged = [(each, problem_of(each, states)) for each in payments]
    await queries.add_payments(connection, judged, datetime.now(UTC))
    sums: defaultdict[UUID, list[int]] = defaultdict(lambda: [0, 0])
    for payment, problem in judged:
        if problem is None:
            sums[payment.pledge_id][0] += payment.paid_fen
            sums[payment.pledge_id][1] += payment.returned_fen
    return [
        await queries.add_to_pledge(connection, pledge_id, paid_fen, returned_fen)
        for pledge_id, (paid_fen, returned_fen) in sums.items()
    ]


async def announce_if_fulfilled(connection: AsyncConnection, announcer: Announcer, pledge: Pledge) -> Pledge:
    """PledgeFulfilled, once for ever, when a locked pledge that is promised has all been kept.

    A reversal that takes it back below announces nothing, and reaching it again neither: the amounts say it.
    """
    if pledge.state not in PROMISED or pledge.fulfilled_at is not None or not pledge.kept.fulfilled:
        return pledge
    fulfilled = await queries.mark_fulfilled(connection, pledge, datetime.now(UTC))
    await announcements.pledge_fulfilled(connection, announcer, fulfilled)
    return fulfilled
