"""What people decide about a campaign: each function is one command, inside the transaction of its caller.

Locks, always in this order: the campaign, the decision, the funds by their campaigns' ids, the ledger, the
outbox.
"""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import require_not_ahead, require_not_before, today_of
from services.campaign.decisions import announcements, queries, rules
from services.campaign.decisions.rules import DecisionKind, DecisionState
from services.campaign.decisions.schemas import (
    ChangeOfUseBody,
    Decision,
    DecisionBody,
    RemainderBody,
    WithdrawBody,
)
from services.campaign.funds import commands as funds
from services.campaign.funds import transfers
from services.campaign.identifiers import new_id
from services.campaign.organisations import rights
from services.campaign.schemas import Campaign
from shared.two_people import require_another

# ---------------------------------------------------------------- asked for


async def ask_change_of_use(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: ChangeOfUseBody
) -> Decision:
    """Put forward other uses. Raises PlanNotFiled, UsesUnchanged, DecisionWaits, …"""
    campaign = await campaigns.campaign(connection, campaign_id, lock=True)
    rules.require_other_uses(campaign.state, campaign.uses, body.uses)
    terms = {
        "kind": DecisionKind.CHANGE_OF_USE,
        "uses_before": campaign.uses,
        "uses_after": body.uses,
        "bureau_reference": body.bureau_reference,
    }
    return await _ask(connection, actor, campaign, body, terms, follows=campaign.filed_on)


async def ask_remainder(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: RemainderBody
) -> Decision:
    """Put forward where the rest goes. Nothing moves yet, so no balance is asked. Raises RemainderTooEarly,
    SameCampaign, FundNotActive, DecisionWaits, …
    """
    await rights.require_campaigns(connection, actor.reach, [body.to_campaign_id])
    rules.require_elsewhere(campaign_id, body.to_campaign_id)
    campaign = await campaigns.campaign(connection, campaign_id, lock=True)
    rules.require_closed(campaign.state)
    taker = await campaigns.campaign(connection, body.to_campaign_id)
    transfers.require_active(taker.campaign_id, taker.state)
    terms = {
        "kind": DecisionKind.REMAINDER,
        "to_campaign_id": body.to_campaign_id,
        "bureau_reference": body.bureau_reference,
    }
    return await _ask(connection, actor, campaign, body, terms, follows=campaign.closed_on)


async def _ask(
    connection: AsyncConnection,
    actor: Actor,
    campaign: Campaign,
    body: DecisionBody,
    terms: dict[str, Any],
    *,
    follows: date | None,
) -> Decision:
    now = datetime.now(UTC)
    day = body.decided_on or today_of(now)
    require_not_ahead(day, now, "decided_on")
    require_not_before(day, follows, "decided_on")
    asked = await queries.add_decision(
        connection,
        {
            **terms,
            "decision_id": new_id(),
            "campaign_id": campaign.campaign_id,
            "state": DecisionState.ASKED,
            "version": 1,
            "decided_on": day,
            "resolution": body.resolution,
            "reason": body.reason,
            "public_statement": body.public_statement,
            "asked_by": actor.person,
            "asked_at": now,
        },
    )
    if asked is None:
        raise rules.DecisionWaits("Have it decided or withdrawn first, then ask again.")
    return asked


# ---------------------------------------------------------------- decided


async def approve_decision(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, decision_id: UUID
) -> Decision:
    """By another person: it takes effect. → UseChanged, or FundsTransferred and RemainderDecided"""
    campaign, asked = await _locked(connection, actor, decision_id)
    rules.require_waiting(asked.state)
    require_another(actor.person, asked.asked_by)
    if asked.kind is DecisionKind.CHANGE_OF_USE:
        return await _change_uses(connection, announcer, actor, campaign, asked)
    return await _move_remainder(connection, announcer, actor, campaign, asked)


async def _change_uses(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign: Campaign, asked: Decision
) -> Decision:
    assert asked.uses_after is not None, "it is a change of use"
    rules.require_other_uses(campaign.state, campaign.uses, asked.uses_after)
    decided = await _decide(connection, actor, asked)
    await campaigns.change_campaign(
        connection,
        campaign,
        action=asked.kind,
        person=actor.person,
        now=datetime.now(UTC),
        day=asked.decided_on,
        reason=asked.resolution,
        uses=asked.uses_after,
    )
    await announcements.use_changed(connection, announcer, decided)
    return decided


async def _move_remainder(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign: Campaign, asked: Decision
) -> Decision:
    assert asked.to_campaign_id is not None, "it is about a remainder"
    rules.require_closed(campaign.state)
    await campaigns.lock_funds(connection, [asked.campaign_id, asked.to_campaign_id])
    figures = await campaigns.figures(connection, asked.campaign_id)
    left_fen = rules.remainder_fen(reserved_fen=figures.reserved_fen, remaining_fen=figures.remaining_fen)
    decided = await _decide(connection, actor, asked, moved_fen=left_fen)
    transfer = funds.Decided(
        decision_id=asked.decision_id,
        from_campaign_id=asked.campaign_id,
        to_campaign_id=asked.to_campaign_id,
        amount_fen=left_fen,
        decided_on=asked.decided_on,
        reason=asked.reason,
        reference=asked.resolution,
        asked_by=asked.asked_by,
        asked_at=asked.asked_at,
        approved_by=actor.person,
    )
    await funds.transfer_remainder(connection, announcer, transfer)
    await announcements.remainder_decided(connection, announcer, decided)
    return decided


async def withdraw_decision(
    connection: AsyncConnection, actor: Actor, decision_id: UUID, body: WithdrawBody
) -> Decision:
    """Withdraw or refuse what nobody has decided, with the reason. Raises DecisionMade."""
    _, asked = await _locked(connection, actor, decision_id)
    rules.require_waiting(asked.state)
    return await queries.change_decision(
        connection,
        asked,
        state=DecisionState.WITHDRAWN,
        decided_by=actor.person,
        decided_at=datetime.now(UTC),
        withdraw_reason=body.reason,
    )


async def _decide(connection: AsyncConnection, actor: Actor, asked: Decision, **values: Any) -> Decision:
    return await queries.change_decision(
        connection,
        asked,
        state=DecisionState.DECIDED,
        decided_by=actor.person,
        decided_at=datetime.now(UTC),
        **values,
    )


async def _locked(connection: AsyncConnection, actor: Actor, decision_id: UUID) -> tuple[Campaign, Decision]:
    """The campaign, then the decision that it is about, both locked, as their reader has seen the latter."""
    found = await queries.decision(connection, decision_id)
    campaign = await campaigns.campaign(connection, found.campaign_id, lock=True)
    known = await queries.decision(connection, decision_id, lock=True)
    actor.require_read(known.version)
    return campaign, known
