"""Goods that came in, went out, came back, were lost, or went back to their donor: pieces and value as their
events say, so that every pile is what it was.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.goods import queries
from services.campaign.goods.rules import (
    Category,
    GiftAction,
    GiftState,
    Line,
    Moved,
    MovementKind,
    MovementState,
)
from services.campaign.goods.schemas import Gift, Movement
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_goods
from services.campaign.replaying.replayed import DECIDED_BY, UNKNOWN, Partly, Replayed
from shared.events import Event, GoodsDistributed, GoodsReturned, GoodsReversed, GoodsWrittenOff
from shared.refusals import NotFound


async def received(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """A gift that two people had seen in the store. Medicine whose batch and expiry its event does not have
    can't be put into a store again.
    """
    data = event.data
    if not await _there(connection, data.campaign_id):
        return False
    known = await _gift(connection, data.gift_id)
    if known is None or not _same(known, data):
        if (known is not None and known.state is not GiftState.ENTERED) or not _storable(data):
            return False
        known = await _entered(connection, event, known)
        done.lacks(Partly.GIFT, data.gift_id)
    elif known.state is not GiftState.ENTERED:
        return False
    confirmed = {"state": GiftState.CONFIRMED, "confirmed_by": DECIDED_BY, "confirmed_at": event.time}
    await queries.change_gift(connection, known, GiftAction.CONFIRM, DECIDED_BY, **confirmed)
    await _book(connection, "received", data.gift_id, data.campaign_id, data.value_fen, data.received_on)
    return True


def _same(known: Gift, data: Any) -> bool:
    """Whether a gift was not written anew between the backup and its confirmation."""
    here = {item.item_id: (item.quantity, item.value_fen) for item in known.items}
    told = {item.item_id: (item.quantity, item.value_fen) for item in data.items}
    return (here, known.received_on) == (told, data.received_on)


def _storable(data: Any) -> bool:
    return all(
        item.category in set(Category)
        and (item.category != Category.MEDICINE or None not in {item.batch, item.expires_on})
        for item in data.items
    )


async def _entered(connection: AsyncConnection, event: Any, known: Gift | None) -> Gift:
    data = event.data
    gift = {
        "donor": data.shown_name or UNKNOWN,
        "donor_kind": data.donor_kind,
        "display": "anonymous" if data.shown_name is None else "alias",
        "shown_name": data.shown_name,
        "received_on": data.received_on,
        "value_fen": data.value_fen,
        "written_by": UNKNOWN,
    }
    items = [
        {
            **item.model_dump(),
            "campaign_id": data.campaign_id,
            "gift_id": data.gift_id,
            "line": line,
            "document": UNKNOWN,
            "store": UNKNOWN,
        }
        for line, item in enumerate(data.items, start=1)
    ]
    if known is not None:
        gift |= (
            {"donor": known.donor, "display": known.display} if known.shown_name == data.shown_name else {}
        )
        return await queries.rewrite_gift(connection, known, gift, items, UNKNOWN)
    new = {
        "gift_id": data.gift_id,
        "campaign_id": data.campaign_id,
        "state": GiftState.ENTERED,
        "version": 1,
        "entered_by": UNKNOWN,
        "entered_at": event.time,
    }
    return await queries.add_gift(connection, gift | new, items, UNKNOWN)


# ---------------------------------------------------------------- movements


class Told(NamedTuple):
    """How the event of a movement names what all have."""

    kind: MovementKind
    own_id: str
    day: str


_TOLD: Final[Mapping[type[Event], Told]] = {
    GoodsDistributed: Told(MovementKind.DISTRIBUTION, "distribution_id", "distributed_on"),
    GoodsReturned: Told(MovementKind.RETURN, "return_id", "returned_on"),
    GoodsWrittenOff: Told(MovementKind.WRITE_OFF, "write_off_id", "written_off_on"),
    GoodsReversed: Told(MovementKind.REVERSAL, "reversal_id", "reversed_on"),
}


async def moved(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """What was decided moves again, with the value it had; what is not in its pile is lost."""
    data, told = event.data, _TOLD[type(event)]
    own_id, day = getattr(data, told.own_id), getattr(data, told.day)
    lines = [Moved(item.item_id, item.quantity, item.value_fen) for item in data.items]
    about = {
        "distribution_id": data.distribution_id if told.kind is MovementKind.RETURN else None,
        "gift_id": data.gift_id if told.kind is MovementKind.REVERSAL else None,
    }
    if not await _there(connection, data.campaign_id) or not await _lie(connection, data, lines, about):
        return False
    known = await _movement(connection, own_id)
    if known is None:
        asked = _asked(event, told.kind, own_id, day) | about
        wanted = [Line(each.item_id, each.quantity) for each in lines]
        known = await queries.add_movement(connection, asked, wanted)
        done.lacks(Partly.MOVEMENT, own_id)
    elif known.state is not MovementState.ASKED:
        return False
    await queries.apply(connection, known, lines)
    await queries.decide_movement(
        connection, known, MovementState.DONE, person=DECIDED_BY, value_fen=data.value_fen
    )
    await _book(connection, told.kind, own_id, data.campaign_id, data.value_fen, day)
    return True


def _asked(event: Any, kind: MovementKind, own_id: UUID, day: date) -> dict[str, Any]:
    data = event.data
    asked = {
        "movement_id": own_id,
        "campaign_id": data.campaign_id,
        "kind": kind,
        "state": MovementState.ASKED,
        "version": 1,
        "happened_on": day,
        "reason": UNKNOWN,
        "asked_by": UNKNOWN,
        "asked_at": event.time,
    }
    if kind is MovementKind.DISTRIBUTION:
        to = {"use": data.use, "recipient": UNKNOWN, "beneficiaries": data.beneficiaries}
        return asked | to | {"beneficiary_unit": data.beneficiary_unit}
    cause = {MovementKind.WRITE_OFF: "cause", MovementKind.REVERSAL: "kind"}.get(kind)
    return asked | ({"cause": getattr(data, cause)} if cause else {})


async def _lie(
    connection: AsyncConnection, data: Any, lines: list[Moved], about: Mapping[str, UUID | None]
) -> bool:
    """Whether the pieces lie where the movement took them from."""
    wanted = [each.item_id for each in lines]
    piles = await queries.piles(
        connection,
        data.campaign_id,
        wanted,
        distribution_id=about["distribution_id"],
        gift_id=about["gift_id"],
    )
    return all(
        each.item_id in piles
        and piles[each.item_id].quantity >= each.quantity
        and piles[each.item_id].fen >= each.value_fen
        for each in lines
    )


async def _there(connection: AsyncConnection, campaign_id: str) -> bool:
    """Whether the campaign is there; its row is the lock of its goods."""
    try:
        await campaigns.campaign(connection, campaign_id, lock=True)
    except NotFound:
        return False
    return True


async def _gift(connection: AsyncConnection, gift_id: UUID) -> Gift | None:
    try:
        return await queries.gift(connection, gift_id)
    except NotFound:
        return None


async def _movement(connection: AsyncConnection, movement_id: UUID) -> Movement | None:
    try:
        return await queries.movement(connection, movement_id)
    except NotFound:
        return None


async def _book(  # noqa: PLR0917 - what an entry is made of
    connection: AsyncConnection, how: str, subject: UUID, campaign_id: str, value_fen: int, day: date
) -> None:
    entry = of_goods(how, subject, campaign_id, value_fen, recorded_by=DECIDED_BY, event_on=day)
    await bookkeeping.book(connection, [entry])
