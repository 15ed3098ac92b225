"""What was promised in public, put right, and no longer asked for. What a company has paid follows from
donation.events; what it has delivered in kind is in no event until it is all of it.
"""

from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.days import today_of
from services.campaign.identifiers import new_id
from services.campaign.pledges import queries
from services.campaign.pledges.rules import UNNAMED_COMPANY, Action, PledgeState, StepState
from services.campaign.pledges.schemas import Correction, Pledge, Release
from services.campaign.replaying.replayed import DECIDED_BY, UNKNOWN, Partly, Replayed

_FULFILLED: Final = text(
    "UPDATE pledges SET fulfilled_at = :at WHERE pledge_id = :pledge_id AND fulfilled_at IS NULL"
    " AND confirmed_at IS NOT NULL"
)
_ROOM: Final = text(
    "SELECT EXISTS (SELECT FROM campaigns WHERE campaign_id = :campaign_id)"
    " AND NOT EXISTS (SELECT FROM pledges WHERE campaign_id = :campaign_id"
    " AND placard = CAST(:placard AS text) AND state <> 'cancelled')"
)


async def made(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """From then on it was promised; of one that the backup does not know, the company's own name and who
    entered it stand nowhere.
    """
    data = event.data
    known = await _locked(connection, data.pledge_id)
    confirmed = {
        "state": PledgeState.CONFIRMED,
        "confirmed_by": DECIDED_BY,
        "confirmed_at": event.time,
    }
    if known is not None:
        if known.state is not PledgeState.ENTERED:
            return False
        terms = _terms(data) | _named(data, known) | {"promised_on": min(known.promised_on, data.due_on)}
        await _change(connection, known, event, Action.CONFIRM, **terms, **confirmed)
        return True
    if not await _has_room(connection, data):
        return False
    entered = {
        "pledge_id": data.pledge_id,
        "campaign_id": data.campaign_id,
        "version": 1,
        "promised_on": min(today_of(event.time), data.due_on),
        "entered_by": UNKNOWN,
        "entered_at": event.time,
        "written_by": UNKNOWN,
    }
    values = entered | _terms(data) | _named(data, None) | confirmed
    await queries.add_pledge(connection, values, action=Action.CONFIRM, person=DECIDED_BY)
    done.lacks(Partly.PLEDGE, data.pledge_id)
    return True


async def corrected(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """The promised total moves as it did then."""
    data = event.data
    known = await _locked(connection, data.pledge_id)
    if known is None or known.state is not PledgeState.CONFIRMED:
        return False
    if known.amount_fen != data.previous_amount_fen:
        return False
    step = await queries.waiting_step(connection, Correction, data.pledge_id)
    if step is not None:
        await queries.decide_step(connection, step, StepState.DONE, DECIDED_BY, event.time)
    terms = _terms(data) | _named(data, known) | {"promised_on": min(known.promised_on, data.due_on)}
    await _change(connection, known, event, Action.CORRECT, **terms)
    return True


async def released(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """No longer asked for, after a report and a public statement."""
    data = event.data
    known = await _locked(connection, data.pledge_id)
    if known is None or known.state is not PledgeState.CONFIRMED:
        return False
    step = await queries.waiting_step(connection, Release, data.pledge_id)
    if step is not None and step.report_reference == data.report_reference:
        await queries.decide_step(connection, step, StepState.DONE, DECIDED_BY, event.time)
    else:
        told = {
            "step_id": new_id(),
            "pledge_id": data.pledge_id,
            "state": StepState.DONE,
            "reason": UNKNOWN,
            "report_reference": data.report_reference,
            "reported_to": UNKNOWN,
            "reported_on": today_of(event.time),
            "public_statement": data.public_statement,
            "asked_by": UNKNOWN,
            "asked_at": event.time,
            "decided_by": DECIDED_BY,
            "decided_at": event.time,
        }
        await queries.add_step(connection, Release, told)
        done.lacks(Partly.RELEASE, data.pledge_id)
    state = {"state": PledgeState.RELEASED, "released_fen": data.released_fen}
    await _change(connection, known, event, Action.RELEASE, **state)
    return True


async def fulfilled(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """It was announced, and must not be again."""
    told = {"pledge_id": event.data.pledge_id, "at": event.time}
    return bool((await connection.execute(_FULFILLED, told)).rowcount)


async def due(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """Somebody was reminded."""
    pledge = await _locked(connection, event.data.pledge_id)
    if pledge is None or pledge.due_on != event.data.due_on:
        return False
    return await queries.add_reminder(connection, pledge, event.data.days_after_due)


async def _locked(connection: AsyncConnection, pledge_id: UUID) -> Pledge | None:
    return (await queries.lock_pledges(connection, [pledge_id])).get(pledge_id)


async def _change(
    connection: AsyncConnection, known: Pledge, event: Any, action: Action, **values: Any
) -> None:
    await queries.change_pledge(
        connection, known, action=action, person=DECIDED_BY, now=event.time, reason=UNKNOWN, **values
    )


async def _has_room(connection: AsyncConnection, data: Any) -> bool:
    """Whether there is its campaign, and no other pledge has its placard."""
    asked = {"campaign_id": data.campaign_id, "placard": data.placard}
    return bool((await connection.execute(_ROOM, asked)).scalar_one())


def _terms(data: Any) -> dict[str, Any]:
    goods = data.goods
    return {
        "amount_fen": data.amount_fen,
        "due_on": data.due_on,
        "placard": data.placard,
        "goods": goods and goods.description,
        "quantity": goods and goods.quantity,
        "unit": goods and goods.unit,
        "basis": goods and goods.basis,
    }


def _named(data: Any, known: Pledge | None) -> dict[str, Any]:
    """By the name that it agreed to show; what it is called otherwise is of the row that there is."""
    if known is not None and known.shown_name == data.company:
        return {}
    anonymous = data.company == UNNAMED_COMPANY
    return {
        "company": UNKNOWN if anonymous else data.company,
        "display": "anonymous" if anonymous else "alias",
        "shown_name": data.company,
    }
