"""What people do with the ledger: each function is one command, inside the transaction its caller has
opened.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign.commands import Actor
from services.campaign.identifiers import new_id
from services.campaign.ledger import bookkeeping, drafts, periods, queries
from services.campaign.ledger.drafts import DraftState
from services.campaign.ledger.entries import (
    BUSINESS,
    Entry,
    Kind,
    Posting,
    day_of,
    require_balanced,
    require_no_fund,
    turned,
)
from services.campaign.ledger.periods import PeriodState
from services.campaign.ledger.schemas import Draft, Line, Period, ReversalBody, VoucherBody
from services.campaign.organisations import rights
from shared import versions
from shared.refusals import NotFound
from shared.two_people import require_another

# ---------------------------------------------------------------- drafts


async def draft_voucher(
    connection: AsyncConnection, actor: Actor, body: VoucherBody, kind: Kind = Kind.VOUCHER
) -> Draft:
    """Write a voucher, or the opening balances, for another person to book.

    Raises what its rules raise: a day that can't be right, an unbalanced voucher, one that changes a
    campaign's fund, a second opening; NotFound for a campaign that isn't there.
    """
    now = datetime.now(UTC)
    drafts.require_day(body.day, now)
    postings = [Posting(**posting.model_dump()) for posting in body.postings]
    require_balanced(postings)
    require_no_fund(postings)
    await rights.require_campaigns(connection, actor.reach, {posting.campaign_id for posting in postings})
    named = sorted({posting.campaign_id for posting in postings if posting.campaign_id is not None})
    if unknown := await queries.unknown_campaigns(connection, named):
        raise NotFound(f"There is no campaign {unknown[0]}.", fields=["postings"])
    if kind is Kind.OPENING:
        drafts.require_no_opening(await queries.standing_opening(connection))
    return await _add(connection, actor, kind, day=body.day, note=body.note, postings=postings, now=now)


async def draft_reversal(connection: AsyncConnection, actor: Actor, body: ReversalBody) -> Draft:
    """Write the reversal of a voucher or an opening, with its reason; it is booked on today.

    Raises NotFound, NotReversible or AlreadyReversed.
    """
    now = datetime.now(UTC)
    wrong = await queries.entry(connection, body.journal, body.sequence)
    await rights.require_campaigns(connection, actor.reach, {each.campaign_id for each in wrong.postings})
    drafts.require_reversible(wrong.journal, wrong.kind)
    drafts.require_not_reversed(await queries.reversed_by(connection, wrong.sequence))
    return await _add(
        connection,
        actor,
        Kind.REVERSAL,
        day=max(day_of(now), wrong.booked_on),
        note=body.note,
        postings=turned(_postings(wrong.postings)),
        now=now,
        reverses=wrong.sequence,
    )


async def _add(
    connection: AsyncConnection,
    actor: Actor,
    kind: Kind,
    *,
    day: date,
    note: str,
    postings: Sequence[Posting],
    now: datetime,
    reverses: int | None = None,
) -> Draft:
    values = {
        "draft_id": new_id(),
        "kind": kind,
        "state": DraftState.WAITING,
        "version": 1,
        "day": day,
        "note": note,
        "postings": [Line.model_validate(posting).model_dump() for posting in postings],
        "reverses": reverses,
        "made_by": actor.person,
        "made_at": now,
    }
    return await queries.add_draft(connection, values)


async def book_draft(connection: AsyncConnection, actor: Actor, draft_id: UUID) -> Draft:
    """Book what another person has written.

    Raises SamePerson and DraftDecided, and again what can have changed since it was written: AlreadyReversed,
    OpeningBooked.
    """
    draft = await queries.draft(connection, draft_id, lock=True)
    versions.require_version(draft.version, actor.expected_version)
    drafts.require_waiting(draft.state)
    require_another(actor.person, draft.made_by)
    await bookkeeping.lock(connection, [BUSINESS])
    if draft.reverses is not None:
        drafts.require_not_reversed(await queries.reversed_by(connection, draft.reverses))
    if draft.kind is Kind.OPENING:
        drafts.require_no_opening(await queries.standing_opening(connection))
    entry = Entry(
        kind=draft.kind,
        event_on=draft.day,
        recorded_by=draft.made_by,
        confirmed_by=actor.person,
        postings=_postings(draft.postings),
        subject=draft.draft_id,
        reverses=draft.reverses,
        note=draft.note,
    )
    (place,) = await bookkeeping.book(connection, [entry])
    return await queries.decide_draft(
        connection,
        draft,
        DraftState.BOOKED,
        person=actor.person,
        now=datetime.now(UTC),
        sequence=place.sequence,
    )


async def discard_draft(connection: AsyncConnection, actor: Actor, draft_id: UUID) -> Draft:
    """Throw a draft away that nobody has booked. Raises DraftDecided."""
    draft = await queries.draft(connection, draft_id, lock=True)
    versions.require_version(draft.version, actor.expected_version)
    drafts.require_waiting(draft.state)
    return await queries.decide_draft(
        connection, draft, DraftState.DISCARDED, person=actor.person, now=datetime.now(UTC)
    )


def _postings(lines: Sequence[Line]) -> tuple[Posting, ...]:
    return tuple(Posting(line.account, line.campaign_id, line.side, line.amount_fen) for line in lines)


# ---------------------------------------------------------------- periods


async def ask_to_close(connection: AsyncConnection, actor: Actor, month: date) -> Period:
    """Ask to close a month and all before it. Raises MonthNotOver, MonthClosed or ClosingAlready."""
    now = datetime.now(UTC)
    await queries.own_periods(connection)
    periods.require_closable(month, closed=await queries.closed_month(connection), now=now)
    known = await queries.period(connection, month)
    periods.require_not_asked(None if known is None else known.asked_by)
    return await queries.add_period(connection, month, asked_by=actor.person, now=now)


async def confirm_close(connection: AsyncConnection, actor: Actor, month: date) -> Period:
    """Close a month that another person has asked to close. Raises SamePerson, NotClosing or MonthClosed."""
    now = datetime.now(UTC)
    await queries.own_periods(connection)
    periods.require_closable(month, closed=await queries.closed_month(connection), now=now)
    known = await queries.period(connection, month)
    if known is None or known.state is not PeriodState.CLOSING:
        raise periods.NotClosing("Ask to close it first; another person confirms.")
    versions.require_version(known.version, actor.expected_version)
    require_another(actor.person, known.asked_by)
    return await queries.close_period(connection, known, confirmed_by=actor.person, now=now)
