"""What operators do: each function is one command, inside the transaction that its caller has opened.

It reads under a lock, asks the pure rules, writes the new state, and writes the event to the outbox last.
Whatever a rule raises (Refused) leaves the transaction without effect.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import (
    disbursements,
    guardrail,
    lifecycle,
    milestones,
    plan,
    queries,
)
from services.campaign.announcements import Announcer
from services.campaign.disbursements import DisbursementState
from services.campaign.identifiers import new_id
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_disbursement
from services.campaign.lifecycle import Action, State
from services.campaign.schemas import (
    Campaign,
    CampaignBody,
    Disbursement,
    DisbursementBody,
    PlanBody,
)
from shared import versions
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
    """Who gives a command, and which version of its object they have seen (None: whichever there is)."""

    person: str
    expected_version: int | None = None


# ---------------------------------------------------------------- campaigns


async def create_campaign(connection: AsyncConnection, actor: Actor, body: CampaignBody) -> Campaign:
    """Write a draft. Raises CampaignExists, and what a wrong plan raises."""
    now = datetime.now(UTC)
    values = {
        **_plan_values(body),
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
    values = _plan_values(body)
    return await queries.change_campaign(
        connection, campaign, action="plan", person=actor.person, now=datetime.now(UTC), **values
    )


async def file_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str, filing_number: str
) -> Campaign:
    """Note the filing number. Raises FilingNumberTaken, and what the life cycle or the plan raises."""
    try:
        return await _step(
            connection, announcer, actor, campaign_id, action=Action.FILE, filing_number=filing_number
        )
    except IntegrityError as error:
        if "campaigns_filing_number" not in str(error.orig):
            raise
        raise FilingNumberTaken("Check the number with the bureau.", fields=["filing_number"]) from error


async def launch_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str
) -> Campaign:
    """Launch, or resume from paused. From now on donations are taken."""
    return await _step(connection, announcer, actor, campaign_id, action=Action.LAUNCH)


async def pause_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str
) -> Campaign:
    """Pause: donations are held until the campaign is launched again."""
    return await _step(connection, announcer, actor, campaign_id, action=Action.PAUSE)


async def close_campaign(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, campaign_id: str
) -> Campaign:
    """Close for good. What is left is still disbursed."""
    return await _step(connection, announcer, actor, campaign_id, action=Action.CLOSE)


async def _step(
    connection: AsyncConnection,
    announcer: Announcer,
    actor: Actor,
    campaign_id: str,
    *,
    action: Action,
    **values: Any,
) -> Campaign:
    campaign = await _locked(connection, actor, campaign_id)
    state = lifecycle.next_state(
        campaign.state, action, kind=campaign.kind, filing_number=campaign.filing_number
    )
    plan.require_complete(campaign.model_dump())
    now = datetime.now(UTC)
    changed = await queries.change_campaign(
        connection,
        campaign,
        action=action,
        person=actor.person,
        now=now,
        state=state,
        **values,
        **_times(campaign, action, now),
    )
    if campaign.first_launched_at is None and changed.first_launched_at is not None:
        assert changed.goal_fen is not None, "a complete plan has a goal"
        announced = milestones.thresholds(campaign_id, changed.goal_fen, changed.milestones_fen)
        await queries.add_thresholds(connection, announced)
    await announcer.campaign_changed(connection, changed)
    return changed


def _times(campaign: Campaign, action: Action, now: datetime) -> dict[str, datetime]:
    """The time that an action is remembered by; a campaign is launched for the first time only once."""
    if action is Action.FILE:
        return {"filed_at": now}
    if action is Action.LAUNCH and campaign.first_launched_at is None:
        return {"first_launched_at": now}
    return {"closed_at": now} if action is Action.CLOSE else {}


def _plan_values(body: PlanBody) -> dict[str, Any]:
    """The columns of a plan. Raises when its parts contradict each other."""
    plan.require_window(body.window_start, body.window_end)
    values = body.model_dump(exclude={"campaign_id", "milestone_percents"})
    values["milestones_fen"] = list(
        milestones.planned(body.goal_fen, percents=body.milestone_percents, explicit_fen=body.milestones_fen)
    )
    return values


async def _locked(connection: AsyncConnection, actor: Actor, campaign_id: str) -> Campaign:
    campaign = await queries.campaign(connection, campaign_id, lock=True)
    versions.require_version(campaign.version, actor.expected_version)
    return campaign


# ---------------------------------------------------------------- disbursements


async def request_disbursement(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: DisbursementBody
) -> Disbursement:
    """Ask for money. Nothing is reserved yet, so no balance is asked."""
    campaign = await queries.campaign(connection, campaign_id)
    disbursements.require_launched_once(campaign.state)
    values = {
        **body.model_dump(),
        "disbursement_id": new_id(),
        "campaign_id": campaign_id,
        "fund_id": await queries.fund_of(connection, campaign_id),
        "state": DisbursementState.REQUESTED,
        "version": 1,
        "requested_by": actor.person,
        "requested_at": datetime.now(UTC),
    }
    return await queries.add_disbursement(connection, values)


async def approve_disbursement(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, disbursement_id: UUID
) -> Disbursement:
    """Reserve the amount, if the fund's balance covers it. Raises SamePerson or PastBalance, among others."""
    wanted = await queries.disbursement(connection, disbursement_id, lock=True)
    versions.require_version(wanted.version, actor.expected_version)
    disbursements.require_approvable(wanted.state, requested_by=wanted.requested_by, approved_by=actor.person)
    guardrail.require_covered(await queries.lock_fund(connection, wanted.campaign_id), wanted.amount_fen)
    approved = await queries.change_disbursement(
        connection,
        wanted,
        state=DisbursementState.APPROVED,
        approved_by=actor.person,
        approved_at=datetime.now(UTC),
    )
    await announcer.disbursement_approved(connection, approved)
    return approved


async def pay_disbursement(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, disbursement_id: UUID
) -> Disbursement:
    """Note that the money has gone out, in the ledger too. Raises PastHeld when refunds have taken it
    meanwhile.
    """
    now = datetime.now(UTC)
    approved = await queries.disbursement(connection, disbursement_id, lock=True)
    versions.require_version(approved.version, actor.expected_version)
    disbursements.require_payable(approved.state)
    guardrail.require_held(await queries.lock_fund(connection, approved.campaign_id), approved.amount_fen)
    paid = await queries.change_disbursement(
        connection, approved, state=DisbursementState.PAID, paid_by=actor.person, paid_at=now
    )
    entry = of_disbursement(
        paid.disbursement_id, paid.campaign_id, paid.amount_fen, paid_by=actor.person, paid_at=now
    )
    await bookkeeping.book(connection, [entry])
    await announcer.funds_disbursed(connection, paid)
    return paid
