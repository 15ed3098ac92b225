"""What people do with single donations: each function is one command, in the transaction of its caller.

Locks: donations by their ids, as everywhere; then what is written beside them.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation import queries as donations
from services.donation.casework import queries
from services.donation.casework.deciding import (
    Waiting,
    back_fen,
    require_refusable,
    require_releasable,
    require_set_aside,
)
from services.donation.casework.schemas import (
    Decided,
    Position,
    Resolved,
    ReversalAsked,
    ReversalBody,
    SetAside,
)
from services.donation.intake import reversal_id_of
from shared.broker import INTAKE_DESK, INTAKE_PREFIX
from shared.refusals import NotFound, Refused

DESK = INTAKE_DESK.removeprefix(INTAKE_PREFIX)


class UnknownDonation(NotFound):
    """An id of nothing."""

    code = "unknown-donation"
    title = "No donation has this id"


class UnknownReversal(NotFound):
    """An id of nothing."""

    code = "unknown-reversal"
    title = "No reversal has this id"


class UndoAtTheDesk(Refused):
    """The desk's entry would go on saying that the money is in the drawer."""

    code = "undo-at-the-desk"
    title = "It is taken back at the desk"


class ReversalKnown(Refused):
    """The same reversal twice."""

    code = "reversal-known"
    title = "The channel's reversal is known"


async def reverse(
    connection: AsyncConnection, person: str, donation_id: UUID, body: ReversalBody
) -> ReversalAsked:
    """Write down that money goes back. Raises UnknownDonation, UndoAtTheDesk, ReversalKnown and what
    deciding.back_fen does.
    """
    donation = (await donations.lock_donations(connection, [donation_id])).get(donation_id)
    if donation is None:
        raise UnknownDonation("Look for it: GET /v1/donations.")
    if donation.channel == DESK and body.kind == "void":
        raise UndoAtTheDesk("Undo the entry: POST /v1/desk/entries/{entry_id}/undo.", fields=["kind"])
    said = body.reversal_id or f"operator.{uuid4().hex}"
    reversal_id = reversal_id_of(donation.channel, said)
    if await queries.is_reversal(connection, reversal_id):
        raise ReversalKnown("Nothing was taken back now.", fields=["reversal_id"])
    gone_fen = await queries.going_back_fen(connection, donation_id)
    amount_fen = back_fen(donation.status, donation.amount_fen, gone_fen, body.amount_fen)
    now = datetime.now(UTC)
    row = {
        "reversal_id": reversal_id,
        "donation_id": donation_id,
        "channel": donation.channel,
        "channel_reversal_id": said,
        "kind": body.kind,
        "amount_fen": amount_fen,
        "occurred_at": now,
        "reason": body.reason,
        "asked_by": person,
        "asked_at": now,
    }
    await queries.add_reversal(connection, row)
    return ReversalAsked(
        reversal_id=reversal_id, donation_id=donation_id, kind=body.kind, amount_fen=amount_fen
    )


async def decide(
    connection: AsyncConnection,
    person: str,
    decision: Literal["release", "refuse"],
    ids: Sequence[UUID],
    reason: str,
) -> list[Decided]:
    """Let held donations go on, or refuse them: each as far as it may be; the answers in the order asked."""
    await donations.lock_donations(connection, ids)
    found = await queries.waiting(connection, ids)
    require = require_releasable if decision == "release" else require_refusable
    answers = [_decided(each, found.get(each), require) for each in ids]
    rows = [
        {
            "donation_id": each.donation_id,
            "decision": decision,
            "reason": reason,
            "decided_by": person,
            "decided_at": datetime.now(UTC),
            "open": decision == "release",
        }
        for each in answers
        if each.outcome == "done"
    ]
    if rows:
        await queries.add_decisions(connection, rows)
    return answers


def _decided(donation_id: UUID, row: Any, require: Callable[[Waiting], None]) -> Decided:
    try:
        if row is None:
            raise UnknownDonation("Look for it: GET /v1/donations.")
        require(Waiting(row.status, row.campaign_status, row.decision))
    except Refused as refused:
        return Decided(donation_id=donation_id, outcome="not_done", code=refused.code, detail=refused.detail)
    return Decided(donation_id=donation_id, outcome="done")


async def set_aside(
    connection: AsyncConnection, person: str, ids: Sequence[UUID], reason: str
) -> list[SetAside]:
    """Let reversals wait no more whose donation never came: each as far as it may be. No money is moved, and
    what is set aside stays so, should the donation come after all.
    """
    known = await donations.lock_reversals(connection, ids)
    statuses = await queries.awaited(connection, ids)
    answers = [_set_aside(each, known.get(each), statuses.get(each)) for each in ids]
    if done := [each.reversal_id for each in answers if each.outcome == "done"]:
        await queries.set_aside(connection, done, person, reason)
    return answers


def _set_aside(reversal_id: UUID, row: Any, donation_status: str | None) -> SetAside:
    try:
        if row is None:
            raise UnknownReversal("Look for it: GET /v1/waiting-reversals.")
        require_set_aside(row.status, donation_status)
    except Refused as refused:
        return SetAside(reversal_id=reversal_id, outcome="not_done", code=refused.code, detail=refused.detail)
    return SetAside(reversal_id=reversal_id, outcome="done")


async def resolve(
    connection: AsyncConnection, person: str, positions: Sequence[Position], reason: str
) -> list[Resolved]:
    """Note that conflicts were looked into, and what came of it. It moves no money."""
    known = await queries.lock_conflicts(connection, {(each.source, each.sequence) for each in positions})
    fresh = [position for position, by in known.items() if by is None]
    if fresh:
        await queries.resolve(connection, fresh, person, reason)
    return [_resolved(each, known) for each in positions]


def _resolved(position: Position, known: dict[tuple[str, int], str | None]) -> Resolved:
    at = (position.source, position.sequence)
    if at in known and known[at] is None:
        return Resolved(source=at[0], sequence=at[1], outcome="done")
    code, detail = (
        ("already-resolved", f"{known[at]} has resolved it.")
        if at in known
        else ("unknown-conflict", "There is no conflict of this position.")
    )
    return Resolved(source=at[0], sequence=at[1], outcome="not_done", code=code, detail=detail)
