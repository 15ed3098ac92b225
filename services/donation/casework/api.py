"""What comes by HTTP about single donations, from the operations console.

| who (role) | may |
| --- | --- |
| viewer, desk, finance | find donations, see a donation's record, what is held, waits or is in conflict |
| desk, finance | withdraw a donor's consent to be named |
| finance | take money back, release or refuse what is held, set waiting reversals aside, resolve conflicts |
| administrator | all of it |

Every POST needs an `Idempotency-Key`.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.casework import commands, consent, queries
from services.donation.casework.paging import AfterDonation, AfterPosition
from services.donation.casework.schemas import (
    After,
    AfterRecord,
    Conflict,
    ConflictPage,
    ConsentBody,
    ConsentWithdrawn,
    DecidedEach,
    Found,
    FoundPage,
    Held,
    HeldBody,
    HeldPage,
    Limit,
    Reconciliation,
    Record,
    ResolveBody,
    ResolvedEach,
    ReversalAsked,
    ReversalBody,
    SetAsideBody,
    SetAsideEach,
    Sought,
    WaitingReversal,
    WaitingReversalPage,
)
from services.donation.casework.sending import Sender
from services.donation.reconciliation.days import bounds_of
from shared import http_commands
from shared.access import require
from shared.broker import PublishFailed
from shared.events.fields import CAMPAIGN_ID
from shared.problems import Problem, answers
from shared.run_once import Answer, Runner, Work
from shared.strict_json import StrictJsonRoute

READING: Final = [Depends(require("viewer", "desk", "finance"))]

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["casework"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.casework`."""

    engine: AsyncEngine
    runner: Runner
    sender: Sender


async def _parts(request: Request) -> Parts:
    parts = request.app.state.casework
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


Sent: TypeAlias = http_commands.Sent[Parts]
sent = http_commands.Commands(_parts, http_commands.Sent[Parts]).sent


# ---------------------------------------------------------------- finding


@router.get("/donations", summary="Find donations, newest first", dependencies=READING)
async def find(parts: Wired, sought: Annotated[Sought, Query()]) -> FoundPage:
    """By what the donor can say of it; what is given narrows the list together. Of the donor only the name
    they agreed to show. Part by part: send `next` as `after` until it is null.
    """
    after, limit = _after(sought.after), sought.limit
    async with parts.engine.connect() as connection:
        rows = await queries.find(connection, _known(sought), after, limit)
    return FoundPage(items=[Found.model_validate(row) for row in rows], next=_next(rows, limit))


@router.get(
    "/donations/{donation_id}/record",
    summary="All that is known of a donation",
    dependencies=READING,
    responses=answers(Problem(404, "unknown-donation", "Not known here.")),
)
async def record(parts: Wired, donation_id: UUID) -> Record:
    """Its events with their positions, what went back, its receipts, conflicts, what was decided while it was
    held, and whether the channel's bill has it.
    """
    async with parts.engine.connect() as connection:
        rows = await queries.find(connection, {"donation_id": donation_id}, None, 1)
        if not rows:
            raise Problem(404, "unknown-donation", "Not known here.")
        kept = await queries.kept(connection, donation_id)
        withdrawal = await consent.withdrawal_of(connection, donation_id)
    return Record.model_validate(
        {
            "donation": rows[0],
            "events": kept.events,
            "reversals": kept.reversals,
            "receipts": kept.receipts,
            "receipt_waived": kept.waived,
            "conflicts": kept.conflicts,
            "decision": kept.decision,
            "consent_withdrawal": withdrawal,
            "reconciliation": _reconciliation(kept),
        },
        from_attributes=True,
    )


def _reconciliation(kept: queries.Kept) -> Reconciliation:
    states = {each.state for each in kept.breaks}
    found = "matched" if kept.bill is not None else "waiting"
    state = "open" if "open" in states else "resolved" if "resolved" in states else found
    return Reconciliation.model_validate(
        {
            "state": state,
            "bill_id": kept.bill.bill_id if kept.bill is not None else None,
            "day": kept.bill.day if kept.bill is not None else None,
            "breaks": kept.breaks,
        },
        from_attributes=True,
    )


@router.post(
    "/donations/{donation_id}/reversals",
    status_code=202,
    response_model=ReversalAsked,
    summary="Take a donation back, wholly or in part (退款)",
    responses=answers(Problem(404, "unknown-donation", "Look for it: GET /v1/donations.")),
)
async def reverse(
    donation_id: UUID,
    body: ReversalBody,
    sent: Annotated[Sent, Depends(sent("reverse_donation", "finance"))],
) -> Response:
    """It is taken out of the books only: the money itself is sent back where it came from. For what the
    channel does not report by itself.
    """

    async def work(connection: AsyncConnection) -> Answer:
        asked = await commands.reverse(connection, sent.person, donation_id, body)
        return Answer.of(202, asked)

    return await _sent_on(sent, work)


@router.post(
    "/donations/{donation_id}/consent/withdraw",
    status_code=202,
    response_model=ConsentWithdrawn,
    summary="Name its donor no more (撤回署名同意)",
    responses=answers(Problem(404, "unknown-donation", "Look for it: GET /v1/donations.")),
)
async def withdraw_consent(
    donation_id: UUID,
    body: ConsentBody,
    sent: Annotated[Sent, Depends(sent("withdraw_consent", "desk", "finance"))],
) -> Response:
    """The donor is anonymous from now on: name or alias leave the screens, the lists and the ranking of
    companies, and a message that is shown is withdrawn. The money stays where it is. It can't be undone.
    """

    async def work(connection: AsyncConnection) -> Answer:
        asked = await consent.withdraw(connection, sent.person, donation_id, body.reason)
        return Answer.of(202, asked)

    return await _sent_on(sent, work)


# ---------------------------------------------------------------- held


@router.get("/held", summary="Held donations, those that wait longest first", dependencies=READING)
async def held(
    parts: Wired,
    *,
    campaign_id: Annotated[str | None, Query(pattern=CAMPAIGN_ID)] = None,
    reason: Annotated[
        Literal["unknown_campaign", "not_launched", "paused", "closed", "campaign_not_allowed"] | None,
        Query(description="Why it was held when it came in"),
    ] = None,
    after: After = None,
    limit: Limit = 50,
) -> HeldPage:
    """What waits for its campaign goes on by itself when that takes it; the others wait for a person."""
    async with parts.engine.connect() as connection:
        rows = await queries.list_held(connection, campaign_id, reason, _after(after), limit)
    return HeldPage(items=[Held.model_validate(row) for row in rows], next=_next(rows, limit))


@router.post("/held/release", response_model=DecidedEach, summary="Let held donations count (放行)")
async def release(
    body: HeldBody, sent: Annotated[Sent, Depends(sent("release_held", "finance"))]
) -> Response:
    """One or many, each with its own answer. `done`: it counts as soon as the worker has booked it. Not for
    a campaign that nobody knows or that is not launched.
    """
    return await _decide(sent, "release", body)


@router.post("/held/refuse", response_model=DecidedEach, summary="Refuse held donations (拒收)")
async def refuse(body: HeldBody, sent: Annotated[Sent, Depends(sent("refuse_held", "finance"))]) -> Response:
    """One or many, each with its own answer. They never count; the money is to go back to the donor."""
    return await _decide(sent, "refuse", body)


async def _decide(sent: Sent, decision: Literal["release", "refuse"], body: HeldBody) -> Response:
    async def work(connection: AsyncConnection) -> DecidedEach:
        items = await commands.decide(connection, sent.person, decision, body.donation_ids, body.reason)
        return DecidedEach(items=items)

    return await sent.run(work)


# ---------------------------------------------------------------- waiting reversals


@router.get("/waiting-reversals", summary="Reversals that wait, longest first (待冲回)", dependencies=READING)
async def waiting_reversals(parts: Wired, *, after: After = None, limit: Limit = 50) -> WaitingReversalPage:
    """Each goes on by itself as soon as its donation counts. One whose donation never comes (a mistyped
    transaction_id) waits for ever: the channel sends the donation, or it is set aside.
    """
    async with parts.engine.connect() as connection:
        rows = await queries.list_waiting_reversals(connection, _after(after), limit)
    last = rows[-1] if len(rows) == limit else None
    following = str(AfterDonation(last.waits_since, last.reversal_id)) if last is not None else None
    return WaitingReversalPage(items=[WaitingReversal.model_validate(row) for row in rows], next=following)


@router.post(
    "/waiting-reversals/set-aside", response_model=SetAsideEach, summary="Set waiting reversals aside"
)
async def set_aside(
    body: SetAsideBody, sent: Annotated[Sent, Depends(sent("set_reversals_aside", "finance"))]
) -> Response:
    """One or many, each with its own answer; only those whose donation is not here or was refused. It moves
    no money. Should the donation come after all, it counts: the channel sends the reversal under a new id.
    """

    async def work(connection: AsyncConnection) -> SetAsideEach:
        items = await commands.set_aside(connection, sent.person, body.reversal_ids, body.reason)
        return SetAsideEach(items=items)

    return await sent.run(work)


# ---------------------------------------------------------------- conflicts


@router.get("/conflicts", summary="Conflicts, newest first", dependencies=READING)
async def conflicts(
    parts: Wired,
    *,
    shown: Annotated[Literal["open", "all"], Query(description="open: nobody has resolved it")] = "open",
    after: AfterRecord = None,
    limit: Limit = 50,
) -> ConflictPage:
    """Another content came under a donation's id; what came first counts, and no money was moved."""
    place = AfterPosition.parse(after) if after is not None else None
    async with parts.engine.connect() as connection:
        rows = await queries.list_conflicts(connection, open_only=shown == "open", after=place, rows=limit)
    last = rows[-1] if len(rows) == limit else None
    following = str(AfterPosition(last.received_at, last.source, last.sequence)) if last is not None else None
    return ConflictPage(items=[Conflict.model_validate(row) for row in rows], next=following)


@router.post("/conflicts/resolve", response_model=ResolvedEach, summary="Resolve conflicts")
async def resolve(
    body: ResolveBody, sent: Annotated[Sent, Depends(sent("resolve_conflicts", "finance"))]
) -> Response:
    """Note what was found out and done, one or many. It moves no money: take the donation back where it was
    wrong, and have the channel send the right one under an id of its own.
    """

    async def work(connection: AsyncConnection) -> ResolvedEach:
        items = await commands.resolve(connection, sent.person, body.conflicts, body.reason)
        return ResolvedEach(items=items)

    return await sent.run(work)


# ---------------------------------------------------------------- lists


async def _sent_on(sent: Sent, work: Work) -> Response:
    """Do what was asked for and tell intake of it; when that can't be now, the worker does it soon."""
    response = await sent.run(work)
    with suppress(SQLAlchemyError, OSError, TimeoutError, PublishFailed):
        await sent.parts.sender.send()
    return response


def _known(sought: Sought) -> dict[str, Any]:
    """As queries.find asks it."""
    known = sought.model_dump(include={"donation_id", "transaction_id", "receipt", "amount_fen"})
    known["tail"] = sought.transaction_id_ends
    if sought.day is not None:
        try:
            known["starts"], known["ends"] = bounds_of(sought.day)
        except OverflowError:
            raise Problem(422, "invalid-field", "day: no calendar has this day in UTC.") from None
    return known


def _after(after: str | None) -> AfterDonation | None:
    return AfterDonation.parse(after) if after is not None else None


def _next(rows: Sequence[Any], limit: int) -> str | None:
    if len(rows) < limit:
        return None
    return str(AfterDonation(rows[-1].occurred_at, rows[-1].donation_id))
