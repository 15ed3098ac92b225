"""What people do with matching gifts: each function is one command, inside the transaction of its caller.

Locks, always in this order: campaigns by their ids, the match, the ledger's periods, the outbox.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import require_not_ahead, today_of
from services.campaign.identifiers import new_id
from services.campaign.ledger.queries import own_periods
from services.campaign.matching import announcements, queries, rules
from services.campaign.matching.rules import MatchState
from services.campaign.matching.schemas import ClosingBody, ConfirmBody, Match, MatchBody, ReasonBody
from services.campaign.organisations import rights
from services.campaign.pledges import announcements as pledge_announcements
from services.campaign.pledges import queries as pledges
from services.campaign.pledges.rules import Action, PledgeState, name_to_show, require_due_date
from shared.two_people import require_another


async def enter_match(connection: AsyncConnection, actor: Actor, campaign_id: str, body: MatchBody) -> Match:
    """Write what the agreement says. It does not count yet. Raises NotMatchedNow, TooManyMatches, …"""
    now = datetime.now(UTC)
    rules.require_window(body.window_start, body.window_end)
    matched = body.campaign_ids or [campaign_id]
    rules.require_each_once(matched)
    for each in sorted({campaign_id, *matched}):
        campaign = await campaigns.campaign(connection, each, lock=True)
        rules.require_running(each, campaign.state)
        await rights.require_organisation(connection, actor.reach, campaign.organisation_id)
    for each in matched:
        rules.require_room(each, await queries.open_matches(connection, each))
    agreed_on = body.agreed_on or today_of(now)
    require_not_ahead(agreed_on, now, "agreed_on")
    values = {
        **body.model_dump(exclude={"alias", "campaign_ids"}),
        "agreed_on": agreed_on,
        "match_id": new_id(),
        "campaign_id": campaign_id,
        "state": MatchState.ENTERED,
        "version": 1,
        "shown_name": name_to_show(body.company, body.display, body.alias),
        "entered_by": actor.person,
        "entered_at": now,
    }
    return await queries.add_match(connection, values, matched)


async def confirm_match(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, match_id: UUID, body: ConfirmBody
) -> Match:
    """By another person, before anything in the window was counted: from now on it counts. → MatchOffered"""
    known = await _read_and_locked(connection, actor, match_id)
    rules.require_state(known.state, MatchState.ENTERED)
    require_another(actor.person, known.entered_by)
    rules.require_cap_read(known.cap_fen, body.cap_fen)
    # Every batch that has begun is committed after this, and every other one will see this match.
    await own_periods(connection)
    now = datetime.now(UTC)
    counted = await queries.counted(connection, known.campaign_ids, today_of(known.window_start))
    rules.require_nothing_counted(known.window_start, now, counted=counted)
    confirmed = await queries.change_match(
        connection, known, state=MatchState.CONFIRMED, confirmed_by=actor.person, confirmed_at=now
    )
    await announcements.match_offered(connection, announcer, confirmed)
    return confirmed


async def cancel_match(connection: AsyncConnection, actor: Actor, match_id: UUID, body: ReasonBody) -> Match:
    """Strike out what nobody has confirmed, with the reason."""
    known = await _read_and_locked(connection, actor, match_id)
    rules.require_state(known.state, MatchState.ENTERED)
    return await queries.change_match(
        connection,
        known,
        state=MatchState.CANCELLED,
        cancelled_by=actor.person,
        cancelled_at=datetime.now(UTC),
        cancel_reason=body.reason,
    )


async def ask_closing(connection: AsyncConnection, actor: Actor, match_id: UUID, body: ClosingBody) -> Match:
    """Ask that it becomes a pledge that is due on a day. Raises WindowOpen, DueDateRefused, …"""
    now = datetime.now(UTC)
    known = await _read_and_locked(connection, actor, match_id)
    rules.require_state(known.state, MatchState.CONFIRMED)
    rules.require_over(known.window_end, now)
    require_due_date(body.due_on, today_of(known.window_end))
    return await queries.change_match(
        connection,
        known,
        state=MatchState.CLOSING,
        closing_by=actor.person,
        closing_at=now,
        due_on=body.due_on,
    )


async def close_match(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, match_id: UUID
) -> Match:
    """By another person: what is matched now becomes a pledge of the company. → MatchClosed, PledgeMade"""
    now = datetime.now(UTC)
    known = await _read_and_locked(connection, actor, match_id)
    rules.require_state(known.state, MatchState.CLOSING)
    assert known.closing_by is not None, "somebody has asked"
    require_another(actor.person, known.closing_by)
    made = None
    if known.matched_fen:
        values = _pledge_values(known, actor.person, now)
        made = await pledges.add_pledge(connection, values, action=Action.CONFIRM, person=actor.person)
    closed = await queries.change_match(
        connection,
        known,
        state=MatchState.CLOSED,
        closed_by=actor.person,
        closed_at=now,
        closed_fen=known.matched_fen,
        pledge_id=made and made.pledge_id,
    )
    await announcements.match_closed(connection, announcer, closed)
    if made is not None:
        await pledge_announcements.pledge_made(connection, announcer, made)
    return closed


def _pledge_values(match: Match, confirmed_by: str, now: datetime) -> dict[str, Any]:
    """The columns of the pledge that a match becomes: promised with the end of its window."""
    return {
        "pledge_id": new_id(),
        "campaign_id": match.campaign_id,
        "state": PledgeState.CONFIRMED,
        "version": 1,
        "company": match.company,
        "display": match.display,
        "shown_name": match.shown_name,
        "amount_fen": match.matched_fen,
        "promised_on": today_of(match.window_end),
        "due_on": match.due_on,
        "entered_by": match.closing_by,
        "entered_at": match.closing_at,
        "written_by": match.closing_by,
        "confirmed_by": confirmed_by,
        "confirmed_at": now,
    }


async def _read_and_locked(connection: AsyncConnection, actor: Actor, match_id: UUID) -> Match:
    known = await queries.match(connection, match_id, lock=True)
    actor.require_read(known.version)
    return known
