"""What this service's own events say, booked in its tables once more: for a database that came back from an
older backup. Everybody has acted on these events, so they are not decided again; a balance that did not know
of a payment would let the same money go out twice.

An event says less than a row. Who decided, and whom was paid, stands nowhere else: such fields say UNKNOWN
until a person looks at the bank's statement. What can't be booked from its event alone is given back.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import milestones, models, plan, queries
from services.campaign.days import today_of
from services.campaign.funds import queries as transfers
from services.campaign.funds.commands import enter
from services.campaign.funds.schemas import Transfer
from services.campaign.funds.transfers import TransferKind, TransferState
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_disbursement, of_return
from services.campaign.lifecycle import State
from services.campaign.pledges import queries as pledges
from services.campaign.spending import models as spending
from services.campaign.spending import queries as disbursements
from services.campaign.spending.rules import DisbursementState, ReturnState
from services.campaign.spending.schemas import Disbursement
from shared.events import (
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    CampaignSettled,
    DisbursementApproved,
    DisbursementWithdrawn,
    Event,
    FundsDisbursed,
    FundsReturned,
    FundsTransferred,
    GoalReached,
    MilestoneReached,
    PledgeDue,
    PledgeFulfilled,
)
from shared.refusals import NotFound

UNKNOWN: Final = "不详（由事件恢复） unknown"
DECIDED_BY: Final = f"{UNKNOWN}: decided"
"""Another than who asked, as the tables want it."""

_STATES: Final[dict[type[Event], State]] = {
    CampaignFiled: State.FILED,
    CampaignLaunched: State.LAUNCHED,
    CampaignPaused: State.PAUSED,
    CampaignClosed: State.CLOSED,
    CampaignSettled: State.SETTLED,
}
_OF_PLAN: Final = (
    "kind",
    "title",
    "title_en",
    "organisation",
    "licence",
    "filing_number",
    "purpose",
    "goal_fen",
    "window_start",
    "window_end",
    "contact",
    "query_method",
)
_REACHED: Final = text(
    "UPDATE thresholds SET reached_at = :at WHERE campaign_id = :campaign_id AND kind = :kind"
    " AND threshold_fen = :fen AND reached_at IS NULL"
)
_FULFILLED: Final = text(
    "UPDATE pledges SET fulfilled_at = :at WHERE pledge_id = :pledge_id AND fulfilled_at IS NULL"
    " AND confirmed_at IS NOT NULL"
)


@dataclass(slots=True)
class Replayed:
    """What was booked, what could not be, and the payments of which the payee stands nowhere."""

    booked: list[Event] = field(default_factory=list)
    lost: list[Event] = field(default_factory=list)
    nameless: list[UUID] = field(default_factory=list)


async def replay(connection: AsyncConnection, events: Sequence[Event]) -> Replayed:
    """Book events in their order, in the caller's transaction. The outbox has them already: none is told."""
    done = Replayed()
    for event in events:
        if type(event) in _STATES:
            known = await _campaign(connection, event)
        elif (how := _BOOKED_BY.get(type(event))) is not None:
            known = await how(connection, event, done)
        else:
            known = False
        (done.booked if known else done.lost).append(event)
    return done


# ---------------------------------------------------------------- campaigns


async def _campaign(connection: AsyncConnection, event: Any) -> bool:
    """The state that the event names, with as much of the plan as it has."""
    try:
        known = await queries.campaign(connection, event.data.campaign_id, lock=True)
    except NotFound:
        return False
    told = {name: getattr(event.data, name) for name in _OF_PLAN}
    told["milestones_fen"] = list(event.data.milestones_fen)
    if any(plan.missing_fields(known.model_dump() | told)):
        return False
    state, day = _STATES[type(event)], today_of(event.time)
    if known.filed_at is None and event.data.filing_number is not None:
        told |= {"filed_at": event.time, "filed_on": day}
    first_launch = known.first_launched_at is None and state is not State.FILED
    if first_launch:
        told |= {"first_launched_at": event.time, "launched_on": event.data.launched_on or day}
    closed, settled = state in (State.CLOSED, State.SETTLED), state is State.SETTLED
    closed_at = known.closed_at or (event.time if settled else event.data.changed_at)
    told |= {
        "closed_at": closed_at if closed else None,
        "closed_on": (event.data.closed_on or today_of(closed_at)) if closed else None,
        "settled_at": event.data.changed_at if settled else None,
        "settled_on": (event.data.settled_on or day) if settled else None,
    }
    await queries.change_campaign(
        connection, known, action="restore", person=UNKNOWN, now=event.time, day=day, state=state, **told
    )
    if first_launch:
        announced = milestones.thresholds(known.campaign_id, told["goal_fen"], told["milestones_fen"])
        await queries.add_thresholds(connection, announced)
    return True


async def _goal(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """It was announced, and must not be again when the donations are read once more."""
    goal = isinstance(event, GoalReached)
    reached = {
        "campaign_id": event.data.campaign_id,
        "kind": (milestones.ThresholdKind.GOAL if goal else milestones.ThresholdKind.MILESTONE).value,
        "fen": event.data.goal_fen if goal else event.data.milestone_fen,
        "at": event.time,
    }
    return bool((await connection.execute(_REACHED, reached)).rowcount)


async def _fulfilled(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    told = {"pledge_id": event.data.pledge_id, "at": event.time}
    return bool((await connection.execute(_FULFILLED, told)).rowcount)


async def _due(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    found = await pledges.lock_pledges(connection, [event.data.pledge_id])
    pledge = found.get(event.data.pledge_id)
    if pledge is None or pledge.due_on != event.data.due_on:
        return False
    return await pledges.add_reminder(connection, pledge, event.data.days_after_due)


# ---------------------------------------------------------------- disbursements


async def _approved(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """Of what was asked for after the backup an approval says too little: it is paid, or lost."""
    known = await _disbursement(connection, event)
    if known is None or known.state is not DisbursementState.REQUESTED:
        return False
    approved = {"approved_by": DECIDED_BY, "approved_at": event.time}
    await disbursements.change_disbursement(connection, known, state=DisbursementState.APPROVED, **approved)
    return True


async def _paid(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """The money has gone out: it is off the balance and in the ledger, whatever else is known of it."""
    paid_on = event.data.paid_on or today_of(event.time)
    paid = {"paid_by": DECIDED_BY, "paid_at": event.time, "paid_on": paid_on}
    known = await _disbursement(connection, event)
    if known is None:
        fund = select(models.funds.c.fund_id).where(models.funds.c.campaign_id == event.data.campaign_id)
        fund_id = (await connection.execute(fund)).scalar_one_or_none()
        if fund_id is None:
            return False
        known = await disbursements.add_disbursement(connection, _asked(event, fund_id, paid_on) | paid)
        done.nameless.append(known.disbursement_id)
        done.lost = [each for each in done.lost if each.subject != event.subject]
    elif known.state is DisbursementState.APPROVED:
        known = await disbursements.change_disbursement(
            connection, known, state=DisbursementState.PAID, **paid
        )
    else:
        return False
    entry = of_disbursement(
        known.disbursement_id,
        known.campaign_id,
        known.amount_fen,
        category=known.category,
        paid_by=DECIDED_BY,
        paid_on=paid_on,
    )
    await bookkeeping.book(connection, [entry])
    return True


def _asked(event: Any, fund_id: UUID, paid_on: Any) -> dict[str, Any]:
    data = event.data
    return {
        "disbursement_id": data.disbursement_id,
        "campaign_id": data.campaign_id,
        "fund_id": fund_id,
        "state": DisbursementState.PAID,
        "version": 1,
        "amount_fen": data.amount_fen,
        "use": data.use,
        "title": data.title,
        "category": data.category or "programme",
        "payee": UNKNOWN,
        "beneficiaries": data.beneficiaries,
        "beneficiary_unit": data.beneficiary_unit,
        "also_helped": [each.model_dump() for each in data.also_helped],
        "items": [],
        "requested_on": paid_on,
        "requested_by": UNKNOWN,
        "requested_at": event.time,
        "approved_by": DECIDED_BY,
        "approved_at": event.time,
    }


async def _withdrawn(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    known = await _disbursement(connection, event)
    if known is None or known.state is not DisbursementState.APPROVED:
        return False
    ended = {"ended_by": DECIDED_BY, "ended_at": event.time, "end_reason": UNKNOWN}
    await disbursements.change_disbursement(connection, known, state=DisbursementState.WITHDRAWN, **ended)
    return True


async def _returned(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    known = await _disbursement(connection, event)
    if known is None or known.state is not DisbursementState.PAID:
        return False
    data, table = event.data, spending.disbursement_returns
    decided = {"state": ReturnState.DONE, "decided_by": DECIDED_BY, "decided_at": event.time}
    confirm = update(table).where(table.c.return_id == data.return_id).values(**decided)
    asked = (await connection.execute(confirm.returning(table.c.asked_by, table.c.reason))).one_or_none()
    if asked is None:
        recorded = {
            "return_id": data.return_id,
            "disbursement_id": data.disbursement_id,
            "amount_fen": data.amount_fen,
            "returned_on": data.returned_on,
            "reason": UNKNOWN,
            "asked_by": UNKNOWN,
            "asked_at": event.time,
        }
        await connection.execute(insert(table).values(**recorded, **decided))
    await disbursements.change_disbursement(connection, known, returned_fen=data.returned_fen)
    entry = of_return(
        data.return_id,
        known.campaign_id,
        data.amount_fen,
        category=known.category,
        returned_on=data.returned_on,
        recorded_by=UNKNOWN if asked is None else asked.asked_by,
        confirmed_by=DECIDED_BY,
        reason=UNKNOWN if asked is None else asked.reason,
    )
    await bookkeeping.book(connection, [entry])
    return True


async def _disbursement(connection: AsyncConnection, event: Any) -> Disbursement | None:
    try:
        return await disbursements.disbursement(connection, event.data.disbursement_id, lock=True)
    except NotFound:
        return None


# ---------------------------------------------------------------- transfers


async def _transferred(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """A split or a remainder belongs to a decision that no event has whole: it is lost without its row."""
    data = event.data
    decided = {"state": TransferState.APPROVED, "decided_by": DECIDED_BY, "decided_at": event.time}
    try:
        known: Transfer | None = await transfers.transfer(connection, data.transfer_id, lock=True)
    except NotFound:
        known = None
    if known is not None and known.state is TransferState.ASKED:
        known = await transfers.change_transfer(connection, known, **decided)
    elif known is None and await _can_be_made(connection, data):
        asked = {
            "transfer_id": data.transfer_id,
            "kind": data.kind,
            "version": 1,
            "from_campaign_id": data.campaign_id,
            "to_campaign_id": data.to_campaign_id,
            "amount_fen": data.amount_fen,
            "decided_on": data.decided_on,
            "reason": UNKNOWN,
            "trustee": data.trustee,
            "trust": data.trust,
            "split_id": data.split_id,
            "donation_id": data.donation_id,
            "asked_by": UNKNOWN,
            "asked_at": event.time,
        }
        known = await transfers.add_transfer(connection, asked | decided)
    else:
        return False
    await enter(connection, known)
    return True


async def _can_be_made(connection: AsyncConnection, data: Any) -> bool:
    if data.kind not in {TransferKind.TRUST, TransferKind.CORRECTION}:
        return False
    wanted = {data.campaign_id, data.to_campaign_id} - {None}
    there = select(models.funds.c.campaign_id).where(models.funds.c.campaign_id.in_(wanted))
    return len((await connection.execute(there)).all()) == len(wanted)


_BOOKED_BY: Final[dict[type[Event], Callable[[AsyncConnection, Any, Replayed], Awaitable[bool]]]] = {
    GoalReached: _goal,
    MilestoneReached: _goal,
    PledgeFulfilled: _fulfilled,
    PledgeDue: _due,
    DisbursementApproved: _approved,
    FundsDisbursed: _paid,
    DisbursementWithdrawn: _withdrawn,
    FundsReturned: _returned,
    FundsTransferred: _transferred,
}
