"""Campaigns' states and uses, what was announced of them, and decisions about them."""

from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import milestones, plan, queries
from services.campaign.days import today_of
from services.campaign.decisions import queries as decisions
from services.campaign.decisions.rules import DecisionKind, DecisionState
from services.campaign.lifecycle import State
from services.campaign.replaying.replayed import DECIDED_BY, UNKNOWN, Partly, Replayed
from services.campaign.schemas import Campaign
from shared.events import (
    CampaignClosed,
    CampaignFiled,
    CampaignLaunched,
    CampaignPaused,
    CampaignSettled,
    Event,
    GoalReached,
)
from shared.refusals import NotFound

STATES: Final[dict[type[Event], State]] = {
    CampaignFiled: State.FILED,
    CampaignLaunched: State.LAUNCHED,
    CampaignPaused: State.PAUSED,
    CampaignClosed: State.CLOSED,
    CampaignSettled: State.SETTLED,
}
_OF_PLAN: Final = (
    "kind",
    "title",
    "title_en",
    "organisation",
    "licence",
    "filing_number",
    "purpose",
    "goal_fen",
    "window_start",
    "window_end",
    "contact",
    "query_method",
)
_REACHED: Final = text(
    "UPDATE thresholds SET reached_at = :at WHERE campaign_id = :campaign_id AND kind = :kind"
    " AND threshold_fen = :fen AND reached_at IS NULL"
)


async def changed(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """The state that the event names, with as much of the plan as it has."""
    try:
        known = await queries.campaign(connection, event.data.campaign_id, lock=True)
    except NotFound:
        return False
    told = {name: getattr(event.data, name) for name in _OF_PLAN}
    told["milestones_fen"] = list(event.data.milestones_fen)
    if any(plan.missing_fields(known.model_dump() | told)):
        return False
    state, day = STATES[type(event)], today_of(event.time)
    if known.filed_at is None and event.data.filing_number is not None:
        told |= {"filed_at": event.time, "filed_on": day}
    first_launch = known.first_launched_at is None and state is not State.FILED
    if first_launch:
        told |= {"first_launched_at": event.time, "launched_on": event.data.launched_on or day}
    closed, settled = state in (State.CLOSED, State.SETTLED), state is State.SETTLED
    closed_at = known.closed_at or (event.time if settled else event.data.changed_at)
    told |= {
        "closed_at": closed_at if closed else None,
        "closed_on": (event.data.closed_on or today_of(closed_at)) if closed else None,
        "settled_at": event.data.changed_at if settled else None,
        "settled_on": (event.data.settled_on or day) if settled else None,
    }
    await queries.change_campaign(
        connection, known, action="restore", person=UNKNOWN, now=event.time, day=day, state=state, **told
    )
    if first_launch:
        announced = milestones.thresholds(known.campaign_id, told["goal_fen"], told["milestones_fen"])
        await queries.add_thresholds(connection, announced)
    return True


async def reached(connection: AsyncConnection, event: Any, _: Replayed) -> bool:
    """It was announced, and must not be again when the donations are read once more."""
    goal = isinstance(event, GoalReached)
    reached = {
        "campaign_id": event.data.campaign_id,
        "kind": (milestones.ThresholdKind.GOAL if goal else milestones.ThresholdKind.MILESTONE).value,
        "fen": event.data.goal_fen if goal else event.data.milestone_fen,
        "at": event.time,
    }
    return bool((await connection.execute(_REACHED, reached)).rowcount)


async def use_changed(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """Other uses than the filed ones, from then on."""
    data = event.data
    campaign = await _known(connection, data.campaign_id)
    terms = {
        "kind": DecisionKind.CHANGE_OF_USE,
        "uses_before": list(data.uses_before),
        "uses_after": list(data.uses_after),
        "bureau_reference": data.bureau_reference,
    }
    if campaign is None or not await _decided(connection, event, done, terms):
        return False
    await queries.change_campaign(
        connection,
        campaign,
        action=DecisionKind.CHANGE_OF_USE,
        person=DECIDED_BY,
        now=event.time,
        day=data.decided_on,
        reason=UNKNOWN,
        uses=list(data.uses_after),
    )
    return True


async def remainder_decided(connection: AsyncConnection, event: Any, done: Replayed) -> bool:
    """What was left went elsewhere; the transfer is an event of its own."""
    data = event.data
    terms = {"kind": DecisionKind.REMAINDER, "to_campaign_id": data.to_campaign_id}
    for campaign_id in (data.campaign_id, data.to_campaign_id):
        if await _known(connection, campaign_id) is None:
            return False
    return await _decided(connection, event, done, terms, moved_fen=data.moved_fen)


async def _known(connection: AsyncConnection, campaign_id: str) -> Campaign | None:
    try:
        return await queries.campaign(connection, campaign_id, lock=True)
    except NotFound:
        return None


async def _decided(
    connection: AsyncConnection, event: Any, done: Replayed, terms: dict[str, Any], **values: Any
) -> bool:
    data = event.data
    decided = {"state": DecisionState.DECIDED, "decided_by": DECIDED_BY, "decided_at": event.time} | values
    try:
        known = await decisions.decision(connection, data.decision_id, lock=True)
    except NotFound:
        asked = {
            "decision_id": data.decision_id,
            "campaign_id": data.campaign_id,
            "version": 1,
            "decided_on": data.decided_on,
            "resolution": UNKNOWN,
            "reason": UNKNOWN,
            "public_statement": data.public_statement,
            "asked_by": UNKNOWN,
            "asked_at": event.time,
        }
        await decisions.add_decision(connection, asked | terms | decided)
        done.lacks(Partly.DECISION, data.decision_id)
        return True
    if known.state is not DecisionState.ASKED:
        return False
    await decisions.change_decision(connection, known, **decided)
    return True
