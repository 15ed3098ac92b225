"""What operators do: each function is one command, inside the transaction that its caller has opened.

It reads under a lock, asks the pure rules, writes the new state, and writes the event to the outbox last.
Whatever a rule raises (Refused) leaves the transaction without effect.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import (
    days,
    lifecycle,
    milestones,
    plan,
    queries,
)
from services.campaign.announcements import Announcer
from services.campaign.goods import queries as goods
from services.campaign.identifiers import new_id
from services.campaign.lifecycle import Action, State
from services.campaign.organisations import queries as organisations
from services.campaign.organisations import rights
from services.campaign.organisations.hierarchy import as_registered
from services.campaign.parts import following
from services.campaign.parts import queries as part_queries
from services.campaign.parts import rules as parts
from services.campaign.schemas import (
    Campaign,
    CampaignBody,
    FilingBody,
    PlanBody,
    ReopenBody,
    StepBody,
)
from shared import versions
from shared.access import EVERYWHERE, Reach
from shared.refusals import Refused


class CampaignExists(Refused):
    """The id is taken."""

    code = "campaign-exists"
    title = "There is a campaign with this id"


class FilingNumberTaken(Refused):
    """The bureau gives each number once."""

    code = "filing-number-taken"
    title = "Another campaign has this filing number"


class PlanFixed(Refused):
    """A plan that was filed or launched."""

    code = "plan-fixed"
    title = "The plan can't be rewritten"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who gives a command, which version of its object they have seen (None: whichever there is), and where
    they may give it. What the address names was looked at before; what a body names, a command looks at.
    """

    person: str
    expected_version: int | None = None
    reach: Reach = EVERYWHERE

    def require_read(self, version: int) -> None:
        """Raise VersionRequired unless they say which version they have read, VersionChanged unless it is
        `version`: whoever decides second must have seen what they decide on.
        """
        if self.expected_version is None:
            raise versions.VersionRequired(
                "Read it, then decide: send the ETag of what you have read as If-Match.", fields=["If-Match"]
            )
        versions.require_version(version, self.expected_version)


# ---------------------------------------------------------------- campaigns


async def create_campaign(
    connection: AsyncConnection, actor: Actor, body: CampaignBody, **of_part: Any
) -> Campaign:
    """Write a draft. Raises CampaignExists, and what a wrong plan raises. `of_part`: a part's own columns."""
    now = datetime.now(UTC)
    values = {
        **await _plan_values(connection, actor, body),
        **of_part,
        "campaign_id": body.campaign_id,
        "state": State.DRAFT,
        "version": 1,
        "created_at": now,
        "changed_at": now,
    }
    campaign = await queries.add_campaign(connection, values, new_id())
    if campaign is None:
        raise CampaignExists("Choose another id, or read the campaign that has it.", fields=["campaign_id"])
    await queries.record_change(connection, campaign, action="create", person=actor.person)
    return campaign


async def rewrite_plan(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: PlanBody
) -> Campaign:
    """Put a new plan in the place of a draft's. Raises PlanFixed once it was filed or launched."""
    campaign = await _locked(connection, actor, campaign_id)
    if campaign.state is not State.DRAFT:
        raise PlanFixed(
            f"The campaign is {campaign.state}; a filed plan changes by a recorded decision (art. 56).",
            state=campaign.state.value,
        )
    values = await _plan_values(connection, actor, body)
    return await queries.change_campaign(
        connection, campaign, action="plan", person=actor.person, now=datetime.now(UTC), **values
    )


async def file_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str, body: FilingBody
) -> Campaign:
    """Note the filing number. Raises FilingNumberTaken, and what the life cycle or the plan raises."""
    try:
        return await _step(
            connection,
            announcer,
            actor,
            campaign_id,
            action=Action.FILE,
            body=body,
            filing_number=body.filing_number,
        )
    except IntegrityError as error:
        if "campaigns_filing_number" not in str(error.orig):
            raise
        raise FilingNumberTaken("Check the number with the bureau.", fields=["filing_number"]) from error


async def launch_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str, body: StepBody
) -> Campaign:
    """Launch, or resume from paused. From now on donations are taken."""
    return await _step(connection, announcer, actor, campaign_id, action=Action.LAUNCH, body=body)


async def pause_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str, body: StepBody
) -> Campaign:
    """Pause: donations are held until the campaign is launched again."""
    return await _step(connection, announcer, actor, campaign_id, action=Action.PAUSE, body=body)


async def close_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str, body: StepBody
) -> Campaign:
    """Close for good. What is left is still disbursed."""
    return await _step(connection, announcer, actor, campaign_id, action=Action.CLOSE, body=body)


async def settle_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str, body: StepBody
) -> Campaign:
    """Say that nothing is left to do. Raises FundNotEmpty, StoreNotEmpty, PartsNotSettled or NotFiled.

    Locks the tree of the campaign, which is its store's lock too, then its fund.
    """
    actor.require_read((await _tree_locked(connection, actor, campaign_id)).version)
    figures = await queries.lock_fund(connection, campaign_id)
    lifecycle.require_empty(reserved_fen=figures.reserved_fen, balance_fen=figures.balance_fen)
    lifecycle.require_empty_store((await goods.figures(connection, campaign_id)).in_store_fen)
    return await _step(connection, announcer, actor, campaign_id, action=Action.SETTLE, body=body)


async def reopen_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str, body: ReopenBody
) -> Campaign:
    """Take a settled campaign back to closed, with the reason: money came, or has to go back."""
    actor.require_read((await _tree_locked(connection, actor, campaign_id)).version)
    undone = {"settled_at": None, "settled_on": None}
    return await _step(
        connection,
        announcer,
        actor,
        campaign_id,
        action=Action.REOPEN,
        body=body,
        reason=body.reason,
        **undone,
    )


async def _step(
    connection: AsyncConnection,
    announcer: Announcer,
    actor: Actor,
    campaign_id: str,
    *,
    action: Action,
    body: StepBody,
    reason: str | None = None,
    **values: Any,
) -> Campaign:
    campaign = await _tree_locked(connection, actor, campaign_id)
    parent = None if campaign.parent_id is None else await queries.campaign(connection, campaign.parent_id)
    if parent is not None:
        parts.require_step(action, parent.state)
    number = (parent or campaign).filing_number
    state = lifecycle.next_state(campaign.state, action, kind=campaign.kind, filing_number=number)
    plan.require_complete(campaign.model_dump())
    now = datetime.now(UTC)
    day = body.on or days.today_of(now)
    days.require_not_ahead(day, now, "on")
    days.require_not_before(day, _follows(campaign, action), "on")
    if parent is not None and action is Action.LAUNCH:
        parts.require_kind(parent.kind, campaign.kind)
        parts.require_inside(*((each.window_start, each.window_end) for each in (parent, campaign)))
        days.require_not_before(day, parent.launched_on, "on")
        values |= following.number_of(parent)
    if action is Action.SETTLE:
        of_parts = await part_queries.parts(connection, campaign_id)
        parts.require_parts_settled(part.state for part in of_parts)
    changed = await queries.change_campaign(
        connection,
        campaign,
        action=action,
        person=actor.person,
        now=now,
        day=day,
        reason=reason,
        state=state,
        **values,
        **_times(campaign, action, now, day),
    )
    if campaign.first_launched_at is None and changed.first_launched_at is not None:
        assert changed.goal_fen is not None, "a complete plan has a goal"
        announced = milestones.thresholds(campaign_id, changed.goal_fen, changed.milestones_fen)
        await queries.add_thresholds(connection, announced)
    await announcer.campaign_changed(connection, changed)
    await following.follow(connection, announcer, changed, action, person=actor.person, now=now, day=day)
    return changed


def _follows(campaign: Campaign, action: Action) -> date | None:
    """The day that a step can't lie before."""
    if action is Action.FILE:
        return None
    return campaign.settled_on or campaign.closed_on or campaign.launched_on or campaign.filed_on


def _times(campaign: Campaign, action: Action, now: datetime, day: date) -> dict[str, datetime | date]:
    """The time and the day that an action is remembered by; a first launch there is only once."""
    if action is Action.FILE:
        return {"filed_at": now, "filed_on": day}
    if action is Action.LAUNCH and campaign.first_launched_at is None:
        return {"first_launched_at": now, "launched_on": day}
    if action is Action.CLOSE:
        return {"closed_at": now, "closed_on": day}
    return {"settled_at": now, "settled_on": day} if action is Action.SETTLE else {}


async def _plan_values(connection: AsyncConnection, actor: Actor, body: PlanBody) -> dict[str, Any]:
    """The columns of a plan, with the register's words. Raises when its parts contradict each other, and
    OutOfReach for another's organisation.
    """
    plan.require_window(body.window_start, body.window_end)
    values = body.model_dump(exclude={"campaign_id", "milestone_percents"})
    await rights.require_organisation(connection, actor.reach, body.organisation_id)
    if body.organisation_id is not None:
        registered = await organisations.organisation(connection, body.organisation_id)
        values["organisation"] = as_registered("organisation", body.organisation, registered.name)
        values["licence"] = as_registered("licence", body.licence, registered.licence)
    values["milestones_fen"] = list(
        milestones.planned(body.goal_fen, percents=body.milestone_percents, explicit_fen=body.milestones_fen)
    )
    return values


async def _locked(connection: AsyncConnection, actor: Actor, campaign_id: str) -> Campaign:
    campaign = await queries.campaign(connection, campaign_id, lock=True)
    versions.require_version(campaign.version, actor.expected_version)
    return campaign


async def _tree_locked(connection: AsyncConnection, actor: Actor, campaign_id: str) -> Campaign:
    """As `_locked`, with its parts, or its parent, locked too."""
    await part_queries.lock_tree(connection, campaign_id)
    return await _locked(connection, actor, campaign_id)
