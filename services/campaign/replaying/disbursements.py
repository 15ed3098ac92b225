"""Money that went out, and that came back of it."""

from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import models
from services.campaign.days import today_of
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_return
from services.campaign.replaying.replayed import DECIDED_BY, UNKNOWN, Partly, Replayed
from services.campaign.spending import models as spending
from services.campaign.spending import queries as disbursements
from services.campaign.spending.commands import enter_payment
from services.campaign.spending.rules import DisbursementState, ReturnState
from services.campaign.spending.schemas import Disbursement
from shared.refusals import NotFound


async def approved(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """Of what was asked for after the backup an approval says too little: it is paid, or lost."""
    known = await _disbursement(connection, event)
    if known is None or known.state is not DisbursementState.REQUESTED:
        return False
    told = {"approved_by": DECIDED_BY, "approved_at": event.time}
    await disbursements.change_disbursement(connection, known, state=DisbursementState.APPROVED, **told)
    return True


async def paid(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """The money has gone out: it is off the balance and in the ledger, whatever else is known of it."""
    paid_on = event.data.paid_on or today_of(event.time)
    told = {"paid_by": DECIDED_BY, "paid_at": event.time, "paid_on": paid_on}
    known = await _disbursement(connection, event)
    if known is None:
        fund = select(models.funds.c.fund_id).where(models.funds.c.campaign_id == event.data.campaign_id)
        fund_id = (await connection.execute(fund)).scalar_one_or_none()
        if fund_id is None:
            return False
        known = await disbursements.add_disbursement(connection, _asked(event, fund_id, paid_on) | told)
        done.lacks(Partly.PAYMENT, known.disbursement_id)
        done.lost = [each for each in done.lost if each.subject != event.subject]
    elif known.state is DisbursementState.APPROVED:
        known = await disbursements.change_disbursement(
            connection, known, state=DisbursementState.PAID, **told
        )
    else:
        return False
    await enter_payment(connection, known, DECIDED_BY, paid_on)
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


async def withdrawn(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """What was approved is not going to be paid."""
    known = await _disbursement(connection, event)
    if known is None or known.state is not DisbursementState.APPROVED:
        return False
    ended = {"ended_by": DECIDED_BY, "ended_at": event.time, "end_reason": UNKNOWN}
    await disbursements.change_disbursement(connection, known, state=DisbursementState.WITHDRAWN, **ended)
    return True


async def returned(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """What came back is on the balance."""
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
