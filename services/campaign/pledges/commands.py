"""What people do with pledges: each function is one command, inside the transaction of its caller.

It locks the pledge, asks the rules, writes the next version with who, when and why, and the event last.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import require_not_ahead, today_of
from services.campaign.goods import queries as goods
from services.campaign.goods.rules import require_gift_of
from services.campaign.identifiers import new_id
from services.campaign.pledges import announcements, booking, queries, rules
from services.campaign.pledges.models import TERMS
from services.campaign.pledges.rules import Action, PledgeState, StepState
from services.campaign.pledges.schemas import (
    ConfirmBody,
    Correction,
    CorrectionBody,
    Delivery,
    DeliveryBody,
    Pledge,
    PledgeBody,
    ReasonBody,
    Release,
    ReleaseBody,
    Step,
)
from shared import versions
from shared.two_people import require_another

S = TypeVar("S", bound=Step)

# ---------------------------------------------------------------- entered, read back, confirmed


async def enter_pledge(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: PledgeBody
) -> Pledge:
    """Write what a placard says. It does not count yet. Raises PledgesNotTaken, DueDateRefused, …"""
    now = datetime.now(UTC)
    campaign = await campaigns.campaign(connection, campaign_id, lock=True)
    rules.require_open_for_pledges(campaign.state)
    values = {
        **_terms(body, now, today_of(now)),
        "pledge_id": new_id(),
        "campaign_id": campaign_id,
        "state": PledgeState.ENTERED,
        "version": 1,
        "entered_by": actor.person,
        "entered_at": now,
        "written_by": actor.person,
    }
    with _placards_once():
        return await queries.add_pledge(connection, values, action=Action.ENTER, person=actor.person)


async def rewrite_pledge(
    connection: AsyncConnection, actor: Actor, pledge_id: UUID, body: PledgeBody
) -> Pledge:
    """Correct what nobody has confirmed yet; the versions before it are kept."""
    known = await _locked(connection, actor, pledge_id)
    rules.require_state(known.state, PledgeState.ENTERED)
    terms = _terms(body, datetime.now(UTC), known.promised_on)
    return await _change(connection, known, actor, Action.REWRITE, terms=terms, written_by=actor.person)


async def confirm_pledge(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, pledge_id: UUID, body: ConfirmBody
) -> Pledge:
    """By another person, who has read the placard: from now on it is promised. → PledgeMade"""
    known = await _read_and_locked(connection, actor, pledge_id)
    rules.require_state(known.state, PledgeState.ENTERED)
    require_another(actor.person, known.written_by)
    rules.require_read_back(known.amount_fen, body.amount_fen)
    confirmed = await _change(
        connection,
        known,
        actor,
        Action.CONFIRM,
        state=PledgeState.CONFIRMED,
        confirmed_by=actor.person,
        confirmed_at=datetime.now(UTC),
    )
    await announcements.pledge_made(connection, announcer, confirmed)
    return await booking.announce_if_fulfilled(connection, announcer, confirmed)


async def cancel_pledge(
    connection: AsyncConnection, actor: Actor, pledge_id: UUID, body: ReasonBody
) -> Pledge:
    """Strike out what was entered by mistake. Raises MoneyCameIn when a donation was given for it."""
    known = await _locked(connection, actor, pledge_id)
    rules.require_state(known.state, PledgeState.ENTERED)
    rules.require_no_money(known.kept)
    return await _change(
        connection,
        known,
        actor,
        Action.CANCEL,
        reason=body.reason,
        state=PledgeState.CANCELLED,
        cancelled_by=actor.person,
        cancelled_at=datetime.now(UTC),
        cancel_reason=body.reason,
    )


# ---------------------------------------------------------------- corrected


async def ask_correction(
    connection: AsyncConnection, actor: Actor, pledge_id: UUID, body: CorrectionBody
) -> Pledge:
    """Ask for other terms of a confirmed pledge. Raises NothingChanged, StepWaits, …"""
    known = await _locked(connection, actor, pledge_id)
    rules.require_state(known.state, PledgeState.CONFIRMED)
    terms = _terms(body, datetime.now(UTC), known.promised_on)
    if terms == _written(known):
        raise rules.NothingChanged("Send the pledge as it should be; this is how it is already.")
    values = {**terms, "reason": body.reason, "from_version": known.version}
    return await _ask(connection, actor, known, Correction, values)


async def confirm_correction(
    connection: AsyncConnection,
    announcer: Announcer,
    actor: Actor,
    pledge_id: UUID,
    body: ConfirmBody | None,
) -> Pledge:
    """By another person, who has read the placard. The promised total moves by the difference.
    → PledgeCorrected
    """
    known = await _read_and_locked(connection, actor, pledge_id)
    rules.require_state(known.state, PledgeState.CONFIRMED)
    step = await _decide(connection, actor, known, Correction)
    rules.require_read_back(step.amount_fen, None if body is None else body.amount_fen)
    terms = await queries.correction_terms(connection, step)
    corrected = await _change(connection, known, actor, Action.CORRECT, terms=terms, reason=step.reason)
    await announcements.pledge_corrected(connection, announcer, corrected, known.amount_fen)
    return await booking.announce_if_fulfilled(connection, announcer, corrected)


# ---------------------------------------------------------------- delivered


async def ask_delivery(
    connection: AsyncConnection, actor: Actor, pledge_id: UUID, body: DeliveryBody
) -> Pledge:
    """Record promised goods that came in; they count when another has seen them. Raises GiftNamed, …"""
    known = await _locked(connection, actor, pledge_id)
    rules.require_state(known.state, *rules.PROMISED)
    if known.goods is None:
        raise rules.NoGoods(
            "Money is paid as a donation that names the pledge; correct it if it is of goods."
        )
    require_not_ahead(body.delivered_on, datetime.now(UTC), "delivered_on")
    if body.gift_id is not None:
        gift = await goods.gift(connection, body.gift_id)
        require_gift_of(gift.campaign_id, gift.state, known.campaign_id)
    try:
        return await _ask(connection, actor, known, Delivery, body.model_dump())
    except IntegrityError as error:
        if "pledge_deliveries_gift" not in str(error.orig):
            raise
        raise rules.GiftNamed("Another delivery names this gift; look there.", fields=["gift_id"]) from error


async def confirm_delivery(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, pledge_id: UUID
) -> Pledge:
    """By another person: the goods count. → PledgeFulfilled when that is all."""
    known = await _read_and_locked(connection, actor, pledge_id)
    step = await _decide(connection, actor, known, Delivery)
    delivered = await _change(
        connection,
        known,
        actor,
        Action.DELIVER,
        reason=step.reason,
        delivered_fen=known.delivered_fen + step.value_fen,
        delivered_quantity=known.delivered_quantity + step.quantity,
    )
    return await booking.announce_if_fulfilled(connection, announcer, delivered)


# ---------------------------------------------------------------- released


async def ask_release(
    connection: AsyncConnection, actor: Actor, pledge_id: UUID, body: ReleaseBody
) -> Pledge:
    """Put forward the report and the statement of art. 41. Raises NothingOpen, StepWaits, …"""
    known = await _locked(connection, actor, pledge_id)
    rules.require_state(known.state, PledgeState.CONFIRMED)
    rules.require_open(known.kept)
    require_not_ahead(body.reported_on, datetime.now(UTC), "reported_on")
    return await _ask(connection, actor, known, Release, body.model_dump())


async def approve_release(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, pledge_id: UUID
) -> Pledge:
    """By another person: what is open now is no longer asked for. → PledgeReleased"""
    known = await _read_and_locked(connection, actor, pledge_id)
    rules.require_state(known.state, PledgeState.CONFIRMED)
    rules.require_open(known.kept)
    step = await _decide(connection, actor, known, Release)
    released = await _change(
        connection,
        known,
        actor,
        Action.RELEASE,
        reason=step.reason,
        state=PledgeState.RELEASED,
        released_fen=known.open_fen,
    )
    await announcements.pledge_released(connection, announcer, released, step)
    return released


async def withdraw(
    connection: AsyncConnection, actor: Actor, pledge_id: UUID, kind: type[Step], body: ReasonBody
) -> Pledge:
    """Drop what waits for its second person, by either of the two."""
    known = await _locked(connection, actor, pledge_id)
    step = await _waiting(connection, known, kind)
    now = datetime.now(UTC)
    await queries.decide_step(connection, step, StepState.WITHDRAWN, actor.person, now)
    return await _change(connection, known, actor, _WITHDRAWN[kind], reason=body.reason)


_WITHDRAWN: Mapping[type[Step], Action] = {
    Correction: Action.WITHDRAW_CORRECTION,
    Delivery: Action.WITHDRAW_DELIVERY,
    Release: Action.WITHDRAW_RELEASE,
}

# ---------------------------------------------------------------- what they share


def _terms(body: PledgeBody, now: datetime, promised_on: date) -> dict[str, Any]:
    """The columns of what a body promises; `promised_on`: the day, when the body has none. Raises DayNotYet,
    DueDateRefused or AliasMissing.
    """
    promised_on = body.promised_on or promised_on
    require_not_ahead(promised_on, now, "promised_on")
    rules.require_due_date(body.due_on, promised_on)
    goods = body.goods
    return {
        "company": body.company,
        "display": body.display,
        "shown_name": rules.name_to_show(body.company, body.display, body.alias),
        "amount_fen": body.amount_fen,
        "promised_on": promised_on,
        "due_on": body.due_on,
        "placard": body.placard,
        "goods": goods and goods.description,
        "quantity": goods and goods.quantity,
        "unit": goods and goods.unit,
        "basis": goods and goods.basis,
    }


def _written(pledge: Pledge) -> dict[str, Any]:
    """The columns of what a pledge promises now."""
    goods = pledge.goods
    of_goods = {
        "goods": goods and goods.description,
        "quantity": goods and goods.quantity,
        "unit": goods and goods.unit,
        "basis": goods and goods.basis,
    }
    return {name: getattr(pledge, name) for name in TERMS if name not in of_goods} | of_goods


async def _locked(connection: AsyncConnection, actor: Actor, pledge_id: UUID) -> Pledge:
    known = await queries.pledge(connection, pledge_id, lock=True)
    versions.require_version(known.version, actor.expected_version)
    return known


async def _read_and_locked(connection: AsyncConnection, actor: Actor, pledge_id: UUID) -> Pledge:
    """As `_locked`, for whoever decides second: they must say which version they have read."""
    known = await queries.pledge(connection, pledge_id, lock=True)
    actor.require_read(known.version)
    return known


async def _change(
    connection: AsyncConnection,
    known: Pledge,
    actor: Actor,
    action: Action,
    *,
    terms: Mapping[str, Any] | None = None,
    **values: Any,
) -> Pledge:
    with _placards_once():
        return await queries.change_pledge(
            connection,
            known,
            action=action,
            person=actor.person,
            now=datetime.now(UTC),
            **(terms or {}),
            **values,
        )


@contextmanager
def _placards_once() -> Iterator[None]:
    """Raise PlacardTaken when the database refuses the second pledge with a placard's number."""
    try:
        yield
    except IntegrityError as error:
        if "pledges_placard" not in str(error.orig):
            raise
        raise rules.PlacardTaken(
            "Look at the placard again, or at the pledge that has this number.", fields=["placard"]
        ) from error


_ASKED: Mapping[type[Step], Action] = {
    Correction: Action.ASK_CORRECTION,
    Delivery: Action.ASK_DELIVERY,
    Release: Action.ASK_RELEASE,
}


async def _ask(
    connection: AsyncConnection, actor: Actor, known: Pledge, kind: type[Step], values: Mapping[str, Any]
) -> Pledge:
    """Write what waits for its second person. `values` has its reason. Raises StepWaits."""
    step = {
        **values,
        "step_id": new_id(),
        "pledge_id": known.pledge_id,
        "state": StepState.ASKED,
        "asked_by": actor.person,
        "asked_at": datetime.now(UTC),
    }
    if not await queries.add_step(connection, kind, step):
        raise rules.StepWaits("Have it decided or withdrawn first, then ask again.")
    return await _change(connection, known, actor, _ASKED[kind], reason=values["reason"])


async def _waiting(connection: AsyncConnection, known: Pledge, kind: type[S]) -> S:
    step = await queries.waiting_step(connection, kind, known.pledge_id)
    if step is None:
        raise rules.NothingWaits("Ask for it first; another person decides then.")
    return step


async def _decide(connection: AsyncConnection, actor: Actor, known: Pledge, kind: type[S]) -> S:
    """What waits, now done by another person than the one who asked."""
    step = await _waiting(connection, known, kind)
    require_another(actor.person, step.asked_by)
    await queries.decide_step(connection, step, StepState.DONE, actor.person, datetime.now(UTC))
    return step
