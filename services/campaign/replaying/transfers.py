"""Money that changed its fund: a correction, a trust, what a campaign had left, the parts of a donation."""

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import models
from services.campaign.days import today_of
from services.campaign.funds import queries
from services.campaign.funds.commands import enter
from services.campaign.funds.schemas import Split, Transfer
from services.campaign.funds.splitting import Part, SplitState
from services.campaign.funds.transfers import TransferKind, TransferState
from services.campaign.replaying.replayed import DECIDED_BY, UNKNOWN, Given, Partly, Replayed
from shared.refusals import NotFound


async def transferred(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """The money moves as it did then, and with the first part of a donation the whole split is written."""
    data = event.data
    decided = {"state": TransferState.APPROVED, "decided_by": DECIDED_BY, "decided_at": event.time}
    known = await _known(connection, data.transfer_id)
    if known is not None:
        if known.state is not TransferState.ASKED:
            return False
        await enter(connection, await queries.change_transfer(connection, known, **decided))
        return True
    if not await _can_be_made(connection, event, done):
        return False
    decision = done.decision_on(data) if data.kind == TransferKind.REMAINDER else None
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
        "decision_id": decision and decision.data.decision_id,
        "asked_by": UNKNOWN,
        "asked_at": event.time,
    }
    await enter(connection, await queries.add_transfer(connection, asked | decided))
    if data.kind in {TransferKind.TRUST, TransferKind.CORRECTION}:
        done.lacks(Partly.TRANSFER, data.transfer_id)
    return True


async def _known(connection: AsyncConnection, transfer_id: UUID) -> Transfer | None:
    try:
        return await queries.transfer(connection, transfer_id, lock=True)
    except NotFound:
        return None


async def _can_be_made(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """Whether its funds are there, and what it belongs to."""
    data = event.data
    wanted = {data.campaign_id, data.to_campaign_id} - {None}
    there = select(models.funds.c.campaign_id).where(models.funds.c.campaign_id.in_(wanted))
    if len((await connection.execute(there)).all()) != len(wanted):
        return False
    if data.kind == TransferKind.REMAINDER:
        return done.decision_on(data) is not None
    return data.kind != TransferKind.SPLIT or await _is_split(connection, event, done)


# ---------------------------------------------------------------- a donation that was split


async def _is_split(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """Whether the split is written, now with its first part or before."""
    split_id, given = event.data.split_id, done.given.get(event.data.donation_id)
    known = await _split(connection, split_id)
    if known is not None and known.state is not SplitState.ASKED:
        return any(each in done.booked for each in done.parts_of(split_id))
    if given is None:
        return False
    moved = {each.data.to_campaign_id: each.data.amount_fen for each in done.parts_of(split_id)}
    settled_fen = sum(each.data.amount_fen for each in given.reversed if each.time <= event.time)
    left_fen = given.received.data.amount_fen - settled_fen
    own_fen = left_fen - sum(moved.values())
    if own_fen < 0 or given.received.data.campaign_id != event.data.campaign_id:
        return False
    shares = {event.data.campaign_id: own_fen} | moved
    unknown, known = known is None, await _asked(connection, event, given, known, shares)
    if known is None or not {each for each, fen in shares.items() if fen} <= _places(known):
        return False
    await queries.give_parts(connection, known, [shares.get(part.campaign_id, 0) for part in known.parts])
    approved = {"state": SplitState.APPROVED, "left_fen": left_fen, "settled_fen": settled_fen}
    by = {"decided_by": DECIDED_BY, "decided_at": event.time}
    await queries.change_split(connection, known, **approved, **by)
    if unknown:
        done.lacks(Partly.SPLIT, split_id)
    return True


def _places(split: Split) -> set[str]:
    return {part.campaign_id for part in split.parts}


async def _split(connection: AsyncConnection, split_id: UUID) -> Split | None:
    try:
        return await queries.split(connection, split_id, lock=True)
    except NotFound:
        return None


async def _asked(
    connection: AsyncConnection, event: Any, given: Given, known: Split | None, shares: dict[str, int]
) -> Split | None:
    """The split as it waited, with what the log says of its donation; None: the donation has another one."""
    data = event.data
    if known is None:
        received_on = today_of(given.received.time)
        await queries.want_donation(connection, data.donation_id, received_on, event.time)
        asked = {
            "split_id": data.split_id,
            "donation_id": data.donation_id,
            "campaign_id": data.campaign_id,
            "state": SplitState.ASKED,
            "version": 1,
            "decided_on": data.decided_on,
            "reason": UNKNOWN,
            "asked_by": UNKNOWN,
            "asked_at": event.time,
        }
        parts = [Part(campaign_id, fen) for campaign_id, fen in shares.items() if fen]
        if await queries.add_split(connection, asked, parts) is None:
            return None
    await queries.note_donations(connection, [given.received])
    await queries.note_reversals(connection, given.reversed)
    return await _split(connection, data.split_id)
