"""What people do with funds: each function is one command, inside the transaction of its caller.

Locks, always in this order: the transfer, the funds by their campaigns' ids, the ledger's periods and
journals, the outbox. A campaign's state is read under its fund's lock, and whoever settles a campaign takes
that lock: no money comes in behind it.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import guardrail
from services.campaign import queries as campaigns
from services.campaign.announcements import Announcer
from services.campaign.commands import Actor
from services.campaign.days import require_not_ahead, today_of
from services.campaign.funds import announcements, named, queries, transfers
from services.campaign.funds.named import TermsState
from services.campaign.funds.schemas import (
    CorrectionBody,
    NamedFund,
    NamedFundBody,
    Terms,
    Transfer,
    TrustBody,
    WithdrawBody,
)
from services.campaign.funds.transfers import TransferKind, TransferState
from services.campaign.identifiers import new_id
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_transfer
from services.campaign.organisations import rights
from services.campaign.two_people import require_another
from shared.refusals import NotFound

# ---------------------------------------------------------------- asked for


async def ask_correction(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: CorrectionBody
) -> Transfer:
    """Ask that money goes to the fund it belongs to. Nothing moves yet, so no balance is asked.

    Raises SameFund, FundNotActive, DayNotYet, NotFound.
    """
    await rights.require_campaigns(connection, actor.reach, [body.to_campaign_id])
    transfers.require_two_funds(campaign_id, body.to_campaign_id)
    await _require_active(connection, campaign_id, body.to_campaign_id)
    return await _ask(connection, actor, TransferKind.CORRECTION, campaign_id, body.model_dump())


async def ask_trust(connection: AsyncConnection, actor: Actor, campaign_id: str, body: TrustBody) -> Transfer:
    """Ask that a named fund becomes a charitable trust, with the donor's consent. Raises NotANamedFund, …"""
    await _require_active(connection, campaign_id)
    if await queries.standing_terms(connection, campaign_id) is None:
        raise named.NotANamedFund(
            "Only a named fund, which belongs to its donor's wish, becomes a trust. Have its terms confirmed."
        )
    return await _ask(connection, actor, TransferKind.TRUST, campaign_id, body.model_dump())


async def _ask(
    connection: AsyncConnection, actor: Actor, kind: TransferKind, campaign_id: str, terms: dict[str, Any]
) -> Transfer:
    now = datetime.now(UTC)
    terms["decided_on"] = terms["decided_on"] or today_of(now)
    require_not_ahead(terms["decided_on"], now, "decided_on")
    values = {
        **terms,
        "transfer_id": new_id(),
        "kind": kind,
        "state": TransferState.ASKED,
        "version": 1,
        "from_campaign_id": campaign_id,
        "asked_by": actor.person,
        "asked_at": now,
    }
    return await queries.add_transfer(connection, values)


# ---------------------------------------------------------------- decided


async def approve_transfer(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, transfer_id: UUID
) -> Transfer:
    """Move the money, if the fund's balance covers it. Raises SamePerson or PastBalance, among
    others. → FundsTransferred
    """
    asked = await _read_and_locked(connection, actor, transfer_id)
    transfers.require_waiting(asked.state)
    require_another(actor.person, asked.asked_by)
    await _lock_both(connection, asked.from_campaign_id, asked.to_campaign_id)
    await require_covered(connection, asked.from_campaign_id, asked.amount_fen)
    approved = await queries.change_transfer(
        connection,
        asked,
        state=TransferState.APPROVED,
        decided_by=actor.person,
        decided_at=datetime.now(UTC),
    )
    await _book(connection, announcer, approved)
    return approved


async def withdraw_transfer(
    connection: AsyncConnection, actor: Actor, transfer_id: UUID, body: WithdrawBody
) -> Transfer:
    """Withdraw or refuse what nobody has approved, with the reason. Raises TransferDecided."""
    asked = await _read_and_locked(connection, actor, transfer_id)
    transfers.require_waiting(asked.state)
    return await queries.change_transfer(
        connection,
        asked,
        state=TransferState.WITHDRAWN,
        decided_by=actor.person,
        decided_at=datetime.now(UTC),
        withdraw_reason=body.reason,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A transfer that follows from what two people have decided already: a remainder (art. 58)."""

    decision_id: UUID
    from_campaign_id: str
    to_campaign_id: str
    amount_fen: int
    decided_on: date
    reason: str
    reference: str | None
    asked_by: str
    asked_at: datetime
    approved_by: str


async def transfer_remainder(connection: AsyncConnection, announcer: Announcer, decided: Decided) -> Transfer:
    """Move what a campaign has left, in the transaction of the decision. The caller holds no lock that comes
    after the funds'. Raises what an approval raises, and SamePerson for a decision of one.
    → FundsTransferred
    """
    transfers.require_two_funds(decided.from_campaign_id, decided.to_campaign_id)
    require_another(decided.approved_by, decided.asked_by)
    await _lock_both(connection, decided.from_campaign_id, decided.to_campaign_id)
    await require_covered(connection, decided.from_campaign_id, decided.amount_fen)
    values = {
        "transfer_id": new_id(),
        "kind": TransferKind.REMAINDER,
        "state": TransferState.APPROVED,
        "version": 1,
        "decision_id": decided.decision_id,
        "from_campaign_id": decided.from_campaign_id,
        "to_campaign_id": decided.to_campaign_id,
        "amount_fen": decided.amount_fen,
        "decided_on": decided.decided_on,
        "reason": decided.reason,
        "reference": decided.reference,
        "asked_by": decided.asked_by,
        "asked_at": decided.asked_at,
        "decided_by": decided.approved_by,
        "decided_at": datetime.now(UTC),
    }
    moved = await queries.add_transfer(connection, values)
    await _book(connection, announcer, moved)
    return moved


# ---------------------------------------------------------------- what all of them do


async def require_covered(connection: AsyncConnection, campaign_id: str, amount_fen: int) -> None:
    """Raise PastBalance unless the locked fund of a campaign covers the amount."""
    guardrail.require_covered(await campaigns.figures(connection, campaign_id), amount_fen)


async def _lock_both(connection: AsyncConnection, from_campaign_id: str, to_campaign_id: str | None) -> None:
    """Lock the funds, then look at the campaigns: whoever settles one holds its fund's lock until then."""
    ids = [each for each in (from_campaign_id, to_campaign_id) if each is not None]
    await campaigns.lock_funds(connection, ids)
    await _require_active(connection, *ids)


async def _require_active(connection: AsyncConnection, *campaign_ids: str) -> None:
    for campaign_id in campaign_ids:
        campaign = await campaigns.campaign(connection, campaign_id)
        transfers.require_active(campaign_id, campaign.state)


async def _book(connection: AsyncConnection, announcer: Announcer, moved: Transfer) -> None:
    """Put an approved transfer into the ledger, and announce it."""
    assert moved.decided_by is not None, "it is approved"
    entry = of_transfer(
        moved.transfer_id,
        moved.from_campaign_id,
        moved.to_campaign_id,
        moved.amount_fen,
        decided_on=moved.decided_on,
        asked_by=moved.asked_by,
        approved_by=moved.decided_by,
        reason=moved.reason,
    )
    await bookkeeping.book(connection, [entry])
    await announcements.funds_transferred(connection, announcer, moved)


async def _read_and_locked(connection: AsyncConnection, actor: Actor, transfer_id: UUID) -> Transfer:
    known = await queries.transfer(connection, transfer_id, lock=True)
    actor.require_read(known.version)
    return known


# ---------------------------------------------------------------- named funds


async def write_terms(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: NamedFundBody
) -> NamedFund:
    """Write a named fund's terms, or other ones in their place; they stand when another person has confirmed
    them. Raises NotAProgramme, TermsWait, VersionRequired for a change that doesn't say what it replaces.
    """
    now = datetime.now(UTC)
    require_not_ahead(body.signed_on, now, "signed_on")
    newest = await _lock_terms(connection, campaign_id)
    campaign = await campaigns.campaign(connection, campaign_id)
    named.require_programme(campaign.kind, campaign.state)
    named.require_none_waits(None if newest is None else newest.state)
    if newest is not None:
        actor.require_read(newest.version)
    values = {
        **body.model_dump(),
        "campaign_id": campaign_id,
        "version": 1 if newest is None else newest.version + 1,
        "state": TermsState.ASKED,
        "asked_by": actor.person,
        "asked_at": now,
    }
    await queries.add_terms(connection, values)
    return await named_fund(connection, campaign_id)


async def decide_terms(
    connection: AsyncConnection, actor: Actor, campaign_id: str, state: TermsState
) -> NamedFund:
    """Confirm, by another person, or withdraw the terms that wait. Raises NoTermsWait or SamePerson."""
    newest = await _lock_terms(connection, campaign_id)
    if newest is None:
        raise named.NotANamedFund("Write its terms first; another person confirms them.")
    actor.require_read(newest.version)
    named.require_waiting(newest.state)
    if state is TermsState.CONFIRMED:
        require_another(actor.person, newest.asked_by)
    await queries.decide_terms(connection, newest, state, person=actor.person, now=datetime.now(UTC))
    return await named_fund(connection, campaign_id)


async def named_fund(connection: AsyncConnection, campaign_id: str) -> NamedFund:
    """A named fund with its versions. Raises NotFound for a campaign that has no terms."""
    found = await queries.versions_of_terms(connection, campaign_id)
    if not found:
        raise NotFound("The campaign is no named fund.", fields=["campaign_id"])
    return NamedFund(
        campaign_id=campaign_id,
        version=found[0].version,
        standing=await queries.standing_terms(connection, campaign_id),
        waiting=found[0] if found[0].state is TermsState.ASKED else None,
        versions=found,
    )


async def _lock_terms(connection: AsyncConnection, campaign_id: str) -> Terms | None:
    """Lock the fund, under which its terms are decided; gives their newest version. Raises NotFound."""
    await campaigns.campaign(connection, campaign_id)
    await campaigns.lock_funds(connection, [campaign_id])
    return await queries.newest_terms(connection, campaign_id)
