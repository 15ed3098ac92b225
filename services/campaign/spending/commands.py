"""What people do with disbursements: each function is one command, inside the transaction of its caller."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import guardrail
from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.identifiers import new_id
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_disbursement
from services.campaign.spending import announcements, queries, rules
from services.campaign.spending.rules import DisbursementState
from services.campaign.spending.schemas import Disbursement, DisbursementBody
from shared import versions


async def request_disbursement(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: DisbursementBody
) -> Disbursement:
    """Ask for money. Nothing is reserved yet, so no balance is asked."""
    campaign = await campaigns.campaign(connection, campaign_id)
    rules.require_launched_once(campaign.state)
    values = {
        **body.model_dump(),
        "disbursement_id": new_id(),
        "campaign_id": campaign_id,
        "fund_id": await campaigns.fund_of(connection, campaign_id),
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
    rules.require_approvable(wanted.state, requested_by=wanted.requested_by, approved_by=actor.person)
    guardrail.require_covered(await campaigns.lock_fund(connection, wanted.campaign_id), wanted.amount_fen)
    approved = await queries.change_disbursement(
        connection,
        wanted,
        state=DisbursementState.APPROVED,
        approved_by=actor.person,
        approved_at=datetime.now(UTC),
    )
    await announcements.disbursement_approved(connection, announcer, approved)
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
    rules.require_payable(approved.state)
    guardrail.require_held(await campaigns.lock_fund(connection, approved.campaign_id), approved.amount_fen)
    paid = await queries.change_disbursement(
        connection, approved, state=DisbursementState.PAID, paid_by=actor.person, paid_at=now
    )
    entry = of_disbursement(
        paid.disbursement_id, paid.campaign_id, paid.amount_fen, paid_by=actor.person, paid_at=now
    )
    await bookkeeping.book(connection, [entry])
    await announcements.funds_disbursed(connection, announcer, paid)
    return paid
