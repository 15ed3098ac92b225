"""What this service's own events say, booked in its tables once more: for a database that came back from an
older backup. Everybody has acted on these events, so they are not decided again; a balance that did not know
of a payment would let the same money go out twice.

An event says less than a row. Who decided, and whom was paid, stands nowhere else: such fields say UNKNOWN
until a person looks it up. What can't be booked from its event alone is given back.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.replaying import campaigns, disbursements, goods, pledges, transfers
from services.campaign.replaying.replayed import Given, Replayed
from shared.events import (
    DisbursementApproved,
    DisbursementWithdrawn,
    Event,
    FundsDisbursed,
    FundsReturned,
    FundsTransferred,
    GoalReached,
    GoodsDistributed,
    GoodsReceived,
    GoodsReturned,
    GoodsReversed,
    GoodsWrittenOff,
    MilestoneReached,
    PledgeCorrected,
    PledgeDue,
    PledgeFulfilled,
    PledgeMade,
    PledgeReleased,
    RemainderDecided,
    UseChanged,
)

Book = Callable[[AsyncConnection, Any, Replayed], Awaitable[bool]]

_BOOKED_BY: Final[Mapping[type[Event], Book]] = {
    **dict.fromkeys(campaigns.STATES, campaigns.changed),
    GoalReached: campaigns.reached,
    MilestoneReached: campaigns.reached,
    UseChanged: campaigns.use_changed,
    RemainderDecided: campaigns.remainder_decided,
    PledgeMade: pledges.made,
    PledgeCorrected: pledges.corrected,
    PledgeReleased: pledges.released,
    PledgeFulfilled: pledges.fulfilled,
    PledgeDue: pledges.due,
    DisbursementApproved: disbursements.approved,
    FundsDisbursed: disbursements.paid,
    DisbursementWithdrawn: disbursements.withdrawn,
    FundsReturned: disbursements.returned,
    FundsTransferred: transfers.transferred,
    GoodsReceived: goods.received,
    GoodsDistributed: goods.moved,
    GoodsReturned: goods.moved,
    GoodsReversed: goods.moved,
    GoodsWrittenOff: goods.moved,
}


async def replay(
    connection: AsyncConnection, events: Sequence[Event], given: Mapping[UUID, Given] | None = None
) -> Replayed:
    """Book events in their order, in the caller's transaction. The outbox has them already: none is told.
    `given`: the donations that were split, by their ids.
    """
    done = Replayed(events, given or {})
    for event in events:
        (done.booked if await _booked(connection, event, done) else done.lost).append(event)
    return done


async def _booked(connection: AsyncConnection, event: Event, done: Replayed) -> bool:
    """What the tables refuse is not booked, and takes nothing else with it."""
    if (how := _BOOKED_BY.get(type(event))) is None:
        return False
    before = {what: len(which) for what, which in done.partly.items()}
    try:
        async with connection.begin_nested():
            return await how(connection, event, done)
    except IntegrityError:
        done.partly = {what: which[: before[what]] for what, which in done.partly.items() if what in before}
        return False
