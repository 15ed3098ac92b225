"""What people do with funds: each function is one command, inside the transaction of its caller.

Locks, always in this order: the transfer, the split, the funds by their campaigns' ids, the ledger's periods
and journals, the outbox. A campaign's state is read under its fund's lock, and whoever settles a campaign
takes that lock: no money comes in behind it.
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
from services.campaign.funds import announcements, named, queries, splitting, transfers
from services.campaign.funds.named import TermsState
from services.campaign.funds.schemas import (
    CorrectionBody,
    NamedFund,
    NamedFundBody,
    Split,
    SplitBody,
    Terms,
    Transfer,
    TrustBody,
    WithdrawBody,
)
from services.campaign.funds.splitting import Part, SplitState
from services.campaign.funds.transfers import TransferKind, TransferState
from services.campaign.identifiers import new_id
from services.campaign.ledger import bookkeeping
from services.campaign.ledger.entries import of_transfer
from services.campaign.organisations import rights
from shared.refusals import NotFound
from shared.two_people import require_another

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
    corrected = None
    if asked.split_id is not None:
        corrected = await queries.split(connection, asked.split_id, lock=True)
    await _lock_funds(connection, asked.from_campaign_id, asked.to_campaign_id)
    await require_covered(connection, asked.from_campaign_id, asked.amount_fen)
    approved = await queries.change_transfer(
        connection,
        asked,
        state=TransferState.APPROVED,
        decided_by=actor.person,
        decided_at=datetime.now(UTC),
    )
    if corrected is not None:
        await _settle_if_corrected(connection, corrected)
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
    await _lock_funds(connection, decided.from_campaign_id, decided.to_campaign_id)
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


async def _lock_funds(connection: AsyncConnection, *campaign_ids: str | None) -> None:
    """Lock the funds, then look at the campaigns: whoever settles one holds its fund's lock until then."""
    ids = {each for each in campaign_ids if each is not None}
    await campaigns.lock_funds(connection, ids)
    await _require_active(connection, *sorted(ids))


async def _require_active(connection: AsyncConnection, *campaign_ids: str) -> None:
    for campaign_id in campaign_ids:
        campaign = await campaigns.campaign(connection, campaign_id)
        transfers.require_active(campaign_id, campaign.state)


async def _book(connection: AsyncConnection, announcer: Announcer, *moved: Transfer) -> None:
    """Put approved transfers into the ledger, and announce them."""
    await enter(connection, *moved)
    for each in moved:
        await announcements.funds_transferred(connection, announcer, each)


async def enter(connection: AsyncConnection, *moved: Transfer) -> None:
    """Put approved transfers into the ledger."""
    entries = [
        of_transfer(
            each.transfer_id,
            each.from_campaign_id,
            each.to_campaign_id,
            each.amount_fen,
            decided_on=each.decided_on,
            asked_by=each.asked_by,
            approved_by=each.decided_by or "",
            reason=each.reason,
        )
        for each in moved
    ]
    await bookkeeping.book(connection, entries)


async def _read_and_locked(connection: AsyncConnection, actor: Actor, transfer_id: UUID) -> Transfer:
    known = await queries.transfer(connection, transfer_id, lock=True)
    actor.require_read(known.version)
    return known


# ---------------------------------------------------------------- a donation split over several funds


async def ask_split(connection: AsyncConnection, actor: Actor, campaign_id: str, body: SplitBody) -> Split:
    """Ask that a donation is split. The log is read for it meanwhile. Raises PartsUnclear, DonationSplit."""
    now = datetime.now(UTC)
    parts = [Part(each.campaign_id, each.amount_fen, each.share_bp) for each in body.parts]
    named_here = [each.campaign_id for each in parts]
    await rights.require_campaigns(connection, actor.reach, named_here)
    splitting.require_clear(parts)
    await _require_active(connection, campaign_id, *named_here)
    decided_on = body.decided_on or today_of(now)
    require_not_ahead(decided_on, now, "decided_on")
    require_not_ahead(body.received_on, now, "received_on")
    await queries.want_donation(connection, body.donation_id, body.received_on, now)
    values = {
        "split_id": new_id(),
        "donation_id": body.donation_id,
        "campaign_id": campaign_id,
        "state": SplitState.ASKED,
        "version": 1,
        "decided_on": decided_on,
        "reason": body.reason,
        "reference": body.reference,
        "asked_by": actor.person,
        "asked_at": now,
    }
    asked = await queries.add_split(connection, values, parts)
    if asked is None:
        raise splitting.DonationSplit(
            "A donation is split once. Withdraw the split that waits, if it is wrong."
        )
    return asked


async def approve_split(
    connection: AsyncConnection, announcer: Announcer, actor: Actor, split_id: UUID
) -> Split:
    """Split what is left of the donation, to the fen, if its fund still covers what goes elsewhere.

    Raises DonationNotRead, OtherFund, NotCounted, NothingLeft, PartsDiffer, PastBalance, SamePerson, …
    → FundsTransferred for each part that goes elsewhere
    """
    asked = await _read_and_locked_split(connection, actor, split_id)
    splitting.require_waiting(asked.state)
    require_another(actor.person, asked.asked_by)
    left_fen = await _left_of_donation(connection, asked)
    given = splitting.divide(left_fen, [part.wanted for part in asked.parts])
    await _lock_funds(connection, asked.campaign_id, *(part.campaign_id for part in asked.parts))
    moved = {
        part.campaign_id: fen
        for part, fen in zip(asked.parts, given, strict=True)
        if fen and part.campaign_id != asked.campaign_id
    }
    await require_covered(connection, asked.campaign_id, sum(moved.values()))
    await queries.give_parts(connection, asked, given)
    approved = await queries.change_split(
        connection,
        asked,
        state=SplitState.APPROVED,
        left_fen=left_fen,
        settled_fen=asked.donation.reversed_fen,
        decided_by=actor.person,
        decided_at=datetime.now(UTC),
    )
    transfers_ = [
        await queries.add_transfer(
            connection,
            _of_split(approved, approved.campaign_id, campaign_id, fen)
            | {
                "kind": TransferKind.SPLIT,
                "state": TransferState.APPROVED,
                "asked_by": approved.asked_by,
                "asked_at": approved.asked_at,
                "decided_by": approved.decided_by,
                "decided_at": approved.decided_at,
            },
        )
        for campaign_id, fen in moved.items()
    ]
    await _book(connection, announcer, *transfers_)
    return approved


async def withdraw_split(
    connection: AsyncConnection, actor: Actor, split_id: UUID, body: WithdrawBody
) -> Split:
    """Withdraw or refuse what nobody has approved, with the reason. Raises SplitDecided."""
    asked = await _read_and_locked_split(connection, actor, split_id)
    splitting.require_waiting(asked.state)
    return await queries.change_split(
        connection,
        asked,
        state=SplitState.WITHDRAWN,
        decided_by=actor.person,
        decided_at=datetime.now(UTC),
        withdraw_reason=body.reason,
    )


async def correct_split(connection: AsyncConnection, actor: Actor, split_id: UUID) -> Split:
    """Ask for the transfers that bring back what the parts have too much since the donation went back;
    another person approves each. Where rounding leaves nothing to bring back, the split is settled at once.
    """
    now = datetime.now(UTC)
    known = await _read_and_locked_split(connection, actor, split_id)
    splitting.require_approved(known.state)
    for campaign_id, fen in known.to_bring_back.items():
        values = _of_split(known, campaign_id, known.campaign_id, fen) | {
            "kind": TransferKind.CORRECTION,
            "state": TransferState.ASKED,
            "decided_on": today_of(now),
            "asked_by": actor.person,
            "asked_at": now,
        }
        await queries.add_transfer(connection, values)
    await _settle_if_corrected(connection, known)
    return await queries.split(connection, split_id)


def _of_split(split: Split, from_campaign_id: str, to_campaign_id: str, amount_fen: int) -> dict[str, Any]:
    """What every transfer of a split says."""
    return {
        "transfer_id": new_id(),
        "version": 1,
        "from_campaign_id": from_campaign_id,
        "to_campaign_id": to_campaign_id,
        "amount_fen": amount_fen,
        "decided_on": split.decided_on,
        "reason": split.reason,
        "reference": split.reference,
        "split_id": split.split_id,
        "donation_id": split.donation.donation_id,
    }


async def _left_of_donation(connection: AsyncConnection, asked: Split) -> int:
    """What is left of the donation, in fen, as the log says and the fund has counted."""
    donation = asked.donation
    if donation.source is None or donation.sequence is None or donation.amount_fen is None:
        raise splitting.DonationNotRead(
            "Wait a moment and read the split again; when searched_at is set, look at the id and the day."
        )
    if donation.campaign_id != asked.campaign_id:
        raise splitting.OtherFund(
            f"It came into the fund of {donation.campaign_id}; ask for the split there.",
            campaign_id=donation.campaign_id,
        )
    if not await queries.counted(connection, donation.source, donation.sequence):
        raise splitting.NotCounted("Wait until the fund has counted it, then approve again.")
    return donation.amount_fen - donation.reversed_fen


async def _settle_if_corrected(connection: AsyncConnection, known: Split) -> None:
    """Take a locked split from the list when nothing is left to bring back, or waits to be."""
    now_ = await queries.split(connection, known.split_id)
    if now_.to_correct and not now_.to_bring_back and not await queries.correction_waits(connection, known):
        await queries.change_split(connection, now_, settled_fen=now_.donation.reversed_fen)


async def _read_and_locked_split(connection: AsyncConnection, actor: Actor, split_id: UUID) -> Split:
    known = await queries.split(connection, split_id, lock=True)
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
