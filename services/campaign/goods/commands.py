"""What people do with goods: each function is one command, inside the transaction of its caller.

The campaign's row is the lock: whatever changes a campaign's goods holds it, so no two movements draw on one
pile at a time. It is taken first; the ledger's journal and the outbox come last.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import days
from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.goods import announcements, queries, rules
from services.campaign.goods.rules import GiftAction, GiftState, Line, MovementKind, MovementState
from services.campaign.goods.schemas import (
    CarryBody,
    CountedBody,
    DistributionBody,
    Gift,
    GiftBody,
    GoodsReturnBody,
    GoodsReversalBody,
    Item,
    Movement,
    ReasonBody,
    WriteOffBody,
)
from services.campaign.identifiers import new_id
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_goods
from services.campaign.plan import require_planned
from services.campaign.pledges.rules import name_to_show
from services.campaign.schemas import Campaign
from shared.two_people import require_another

# ---------------------------------------------------------------- gifts


async def enter_gift(connection: AsyncConnection, actor: Actor, campaign_id: str, body: GiftBody) -> Gift:
    """Write what came in. It does not count yet. Raises GoodsNotTaken, PieceWorthless, BatchMissing, …"""
    now = datetime.now(UTC)
    await _locked_campaign(connection, campaign_id)
    gift_id = new_id()
    values = {
        **_gift_values(body, now),
        "gift_id": gift_id,
        "campaign_id": campaign_id,
        "state": GiftState.ENTERED,
        "version": 1,
        "entered_by": actor.person,
        "entered_at": now,
        "written_by": actor.person,
    }
    return await queries.add_gift(connection, values, _items(body, campaign_id, gift_id), actor.person)


async def rewrite_gift(connection: AsyncConnection, actor: Actor, gift_id: UUID, body: GiftBody) -> Gift:
    """Put right what nobody has confirmed yet."""
    known = await _locked_gift(connection, actor, gift_id)
    rules.require_gift_state(known.state, GiftState.ENTERED)
    values = _gift_values(body, datetime.now(UTC)) | {"written_by": actor.person}
    items = _items(body, known.campaign_id, gift_id)
    return await queries.rewrite_gift(connection, known, values, items, actor.person)


async def confirm_gift(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, gift_id: UUID, body: CountedBody
) -> Gift:
    """By another person, who has counted the goods: from now on they lie in the store. → GoodsReceived"""
    known = await _locked_gift(connection, actor, gift_id)
    rules.require_gift_state(known.state, GiftState.ENTERED)
    require_another(actor.person, known.written_by)
    rules.require_counted(known.value_fen, body.value_fen)
    confirmed = await queries.change_gift(
        connection,
        known,
        GiftAction.CONFIRM,
        actor.person,
        state=GiftState.CONFIRMED,
        confirmed_by=actor.person,
        confirmed_at=datetime.now(UTC),
    )
    entry = of_goods(
        "received",
        gift_id,
        confirmed.campaign_id,
        confirmed.value_fen,
        recorded_by=actor.person,
        event_on=confirmed.received_on,
    )
    await bookkeeping.book(connection, [entry])
    await announcements.goods_received(connection, announcer, confirmed)
    return confirmed


async def cancel_gift(connection: AsyncConnection, actor: Actor, gift_id: UUID, body: ReasonBody) -> Gift:
    """Strike out what was entered by mistake and never confirmed."""
    known = await _locked_gift(connection, actor, gift_id)
    rules.require_gift_state(known.state, GiftState.ENTERED)
    return await queries.change_gift(
        connection,
        known,
        GiftAction.CANCEL,
        actor.person,
        state=GiftState.CANCELLED,
        cancelled_by=actor.person,
        cancelled_at=datetime.now(UTC),
        cancel_reason=body.reason,
    )


def _gift_values(body: GiftBody, now: datetime) -> dict[str, Any]:
    """The columns of what a body says of a gift. Raises what its rules raise."""
    days.require_not_ahead(body.received_on, now, "received_on")
    for at, item in enumerate(body.items):
        rules.require_batch(item.category, item.batch, item.expires_on, at)
        rules.require_not_expired(item.expires_on, body.received_on, f"items.{at}.expires_on")
    shown_name = name_to_show(body.donor, body.display, body.alias)
    return {
        **body.model_dump(include={"donor", "donor_kind", "display", "received_on", "note"}),
        "shown_name": None if body.display == "anonymous" else shown_name,
        "value_fen": rules.require_worth([(item.quantity, item.value_fen) for item in body.items]),
    }


def _items(body: GiftBody, campaign_id: str, gift_id: UUID) -> list[dict[str, Any]]:
    of = {"campaign_id": campaign_id, "gift_id": gift_id}
    return [
        {**item.model_dump(), **of, "item_id": new_id(), "line": line}
        for line, item in enumerate(body.items, start=1)
    ]


# ---------------------------------------------------------------- the store


async def carry(connection: AsyncConnection, actor: Actor, item_id: UUID, body: CarryBody) -> Item:
    """Record that all that is left of an item was carried to another store. No value moves, and no event.

    Raises NothingThere, StoreDiffers or SameStore.
    """
    now = datetime.now(UTC)
    await _locked_campaign(connection, (await queries.item(connection, item_id)).campaign_id)
    known = await queries.item(connection, item_id)
    rules.require_carried(
        known.left_quantity, known.store, from_store=body.from_store, to_store=body.to_store
    )
    days.require_not_ahead(body.carried_on, now, "carried_on")
    days.require_not_before(
        body.carried_on, await queries.last_received_on(connection, [item_id]), "carried_on"
    )
    values = {
        **body.model_dump(),
        "carry_id": new_id(),
        "item_id": item_id,
        "quantity": known.left_quantity,
        "person": actor.person,
        "recorded_at": now,
    }
    return await queries.add_carry(connection, values)


# ---------------------------------------------------------------- movements, asked for


async def ask_distribution(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: DistributionBody
) -> Movement:
    """Ask to hand goods out. Nothing is set aside yet. Raises UseNotPlanned, PastPile, GoodsExpired, …"""
    campaign = await _locked_campaign(connection, campaign_id)
    require_planned(body.use, campaign.uses)
    for item in await _named(connection, campaign_id, body.lines):
        rules.require_not_expired(item.expires_on, body.distributed_on, "items")
    values = {
        **body.model_dump(include={"use", "recipient", "beneficiaries", "beneficiary_unit"}),
        "kind": MovementKind.DISTRIBUTION,
        "happened_on": body.distributed_on,
        "reason": body.note,
    }
    return await _ask(connection, actor, campaign_id, body.lines, values)


async def ask_return(
    connection: AsyncConnection, actor: Actor, distribution_id: UUID, body: GoodsReturnBody
) -> Movement:
    """Ask to put back into the store what a distribution gave out. Raises NotDistributed, PastPile, …"""
    distribution = await queries.movement(connection, distribution_id)
    rules.require_distributed(distribution.kind, distribution.state)
    await _locked_campaign(connection, distribution.campaign_id)
    days.require_not_before(body.returned_on, distribution.happened_on, "returned_on")
    values = {
        "kind": MovementKind.RETURN,
        "happened_on": body.returned_on,
        "reason": body.reason,
        "distribution_id": distribution_id,
    }
    return await _ask(connection, actor, distribution.campaign_id, body.lines, values)


async def ask_write_off(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: WriteOffBody
) -> Movement:
    """Ask to write off what is expired, damaged or lost. Raises PastPile, …"""
    await _locked_campaign(connection, campaign_id)
    await _named(connection, campaign_id, body.lines)
    values = {
        "kind": MovementKind.WRITE_OFF,
        "happened_on": body.written_off_on,
        "reason": body.reason,
        "cause": body.cause,
    }
    return await _ask(connection, actor, campaign_id, body.lines, values)


async def ask_reversal(
    connection: AsyncConnection, actor: Actor, gift_id: UUID, body: GoodsReversalBody
) -> Movement:
    """Ask to take back of a gift what lies in the store still. Raises PastPile, ItemElsewhere, …"""
    known = await queries.gift(connection, gift_id)
    rules.require_gift_state(known.state, GiftState.CONFIRMED)
    await _locked_campaign(connection, known.campaign_id)
    values = {
        "kind": MovementKind.REVERSAL,
        "happened_on": body.reversed_on,
        "reason": body.reason,
        "cause": body.kind,
        "gift_id": gift_id,
    }
    return await _ask(connection, actor, known.campaign_id, body.lines, values)


async def _named(connection: AsyncConnection, campaign_id: str, lines: Sequence[Line]) -> Collection[Item]:
    """The goods that the lines name. Raises NotFound for what the campaign does not have."""
    wanted = [line.item_id for line in lines]
    items = await queries.items_named(connection, campaign_id, wanted)
    rules.require_known(wanted, items)
    return items.values()


async def _ask(
    connection: AsyncConnection,
    actor: Actor,
    campaign_id: str,
    lines: Sequence[Line],
    values: Mapping[str, Any],
) -> Movement:
    """Write what waits for its second person, if the pieces are there now; they may be gone by then."""
    now = datetime.now(UTC)
    day, field = values["happened_on"], _DAYS[values["kind"]]
    rules.require_once(lines)
    days.require_not_ahead(day, now, field)
    wanted = [line.item_id for line in lines]
    days.require_not_before(day, await queries.last_received_on(connection, wanted), field)
    about = {name: values.get(name) for name in ("distribution_id", "gift_id")}
    rules.moved(lines, await queries.piles(connection, campaign_id, wanted, **about))
    asked = {
        **values,
        "movement_id": new_id(),
        "campaign_id": campaign_id,
        "state": MovementState.ASKED,
        "version": 1,
        "asked_by": actor.person,
        "asked_at": now,
    }
    return await queries.add_movement(connection, asked, lines)


_DAYS: Final[Mapping[MovementKind, str]] = {
    MovementKind.DISTRIBUTION: "distributed_on",
    MovementKind.RETURN: "returned_on",
    MovementKind.WRITE_OFF: "written_off_on",
    MovementKind.REVERSAL: "reversed_on",
}
"""How the body of each names its day."""

# ---------------------------------------------------------------- movements, decided


async def approve_movement(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, movement_id: UUID
) -> Movement:
    """By another person: the goods move, with their value. Raises PastPile when they are gone meanwhile.
    → GoodsDistributed, GoodsReturned, GoodsWrittenOff or GoodsReversed
    """
    known = await _locked_movement(connection, actor, movement_id)
    rules.require_waiting(known.state)
    require_another(actor.person, known.asked_by)
    lines = [Line(item.item_id, item.quantity) for item in known.items]
    about = {"distribution_id": known.distribution_id, "gift_id": known.gift_id}
    wanted = [line.item_id for line in lines]
    moved = rules.moved(lines, await queries.piles(connection, known.campaign_id, wanted, **about))
    value_fen = sum(each.value_fen for each in moved)
    await queries.apply(connection, known, moved)
    done = await queries.decide_movement(
        connection, known, MovementState.DONE, person=actor.person, value_fen=value_fen
    )
    entry = of_goods(
        done.kind,
        movement_id,
        done.campaign_id,
        value_fen,
        recorded_by=actor.person,
        event_on=done.happened_on,
    )
    await bookkeeping.book(connection, [entry])
    await announcements.goods_moved(connection, announcer, done)
    return done


async def withdraw_movement(
    connection: AsyncConnection, actor: Actor, movement_id: UUID, body: ReasonBody
) -> Movement:
    """Drop or refuse what waits for its second person, by either of the two."""
    known = await _locked_movement(connection, actor, movement_id)
    rules.require_waiting(known.state)
    return await queries.decide_movement(
        connection, known, MovementState.WITHDRAWN, person=actor.person, decision=body.reason
    )


# ---------------------------------------------------------------- what they share


async def _locked_campaign(connection: AsyncConnection, campaign_id: str) -> Campaign:
    """The campaign, locked: its row is the lock of its goods. Raises GoodsNotTaken."""
    campaign = await campaigns.campaign(connection, campaign_id, lock=True)
    rules.require_taking(campaign.state)
    return campaign


async def _locked_gift(connection: AsyncConnection, actor: Actor, gift_id: UUID) -> Gift:
    """A gift under its campaign's lock, of the version that the person has read."""
    await _locked_campaign(connection, (await queries.gift(connection, gift_id)).campaign_id)
    known = await queries.gift(connection, gift_id)
    actor.require_read(known.version)
    return known


async def _locked_movement(connection: AsyncConnection, actor: Actor, movement_id: UUID) -> Movement:
    """A movement under its campaign's lock, of the version that the person has read."""
    await _locked_campaign(connection, (await queries.movement(connection, movement_id)).campaign_id)
    known = await queries.movement(connection, movement_id)
    actor.require_read(known.version)
    return known
