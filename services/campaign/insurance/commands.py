"""What people do with policies and claims: each function is one command, in the transaction of its caller.

Locks, always in this order: the claim, the policy, the disbursement that pays a premium.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.campaign import queries as campaigns
from services.campaign.commands import Actor
from services.campaign.days import require_not_ahead, require_not_before, today_of
from services.campaign.identifiers import new_id
from services.campaign.insurance import queries, rules
from services.campaign.insurance.rules import RecordState, Step
from services.campaign.insurance.schemas import (
    Claim,
    ClaimBody,
    Policy,
    PolicyBody,
    PremiumBody,
    Record,
    WhyBody,
)
from services.campaign.spending import queries as spending
from services.campaign.spending.rules import require_launched_once
from shared.refusals import Refused
from shared.two_people import require_another

R = TypeVar("R", bound=Record)


class RecordKnown(Refused):
    """A policy or a claim that is in the books already."""

    code = "insurance-record-known"
    title = "It is in the books already"


# ---------------------------------------------------------------- policies


async def enter_policy(
    connection: AsyncConnection, actor: Actor, campaign_id: str, body: PolicyBody
) -> Policy:
    """Write what the contract says. It does not count yet. Raises NotAProgramme, PeriodWrong, …"""
    campaign = await campaigns.campaign(connection, campaign_id)
    require_launched_once(campaign.state)
    rules.require_programme(campaign.kind)
    _require_terms(body)
    if body.renews is not None:
        before = await queries.lock_record(connection, Policy, body.renews)
        rules.require_renewable(
            before.state,
            same_campaign=before.campaign_id == campaign_id,
            ended_on=before.ends_on,
            starts_on=body.starts_on,
        )
    terms = body.model_dump(exclude={"groups"}) | {"renewed": body.renewed or body.renews is not None}
    with _once():
        entered = await queries.add_record(
            connection, Policy, terms | {"policy_id": new_id(), "campaign_id": campaign_id} | _entered(actor)
        )
    await queries.add_groups(
        connection, entered.policy_id, [(each.group, each.people) for each in body.groups]
    )
    return await queries.policy(connection, entered.policy_id)


async def confirm_policy(
    connection: AsyncConnection, actor: Actor, policy_id: UUID, body: PremiumBody
) -> Policy:
    """By another person, who has read the contract and found the premium paid. Raises PremiumNotPaid."""
    known = await _locked(connection, actor, Policy, policy_id, Step.CONFIRM)
    require_another(actor.person, known.asked_by)
    paid = await spending.disbursement(connection, body.disbursement_id, lock=True)
    others_fen = await queries.premiums_fen(connection, body.disbursement_id)
    rules.require_premium_paid(
        known.premium_fen,
        paid.state,
        same_campaign=paid.campaign_id == known.campaign_id,
        left_fen=paid.amount_fen - paid.returned_fen - others_fen,
    )
    await _decide(connection, actor, known, RecordState.CONFIRMED, disbursement_id=body.disbursement_id)
    return await queries.policy(connection, policy_id)


def _require_terms(body: PolicyBody) -> None:
    rules.require_period(body.starts_on, body.ends_on)
    rules.require_groups_once([each.group for each in body.groups])
    rules.require_limit(body.cap_fen, body.limit_fen)


# ---------------------------------------------------------------- claims


async def enter_claim(connection: AsyncConnection, actor: Actor, policy_id: UUID, body: ClaimBody) -> Claim:
    """Write what the insurer has paid. It does not count yet, and has its part of the limit. Raises PastCap,
    PastLimit, NotCovered, OutsidePeriod, …
    """
    now = datetime.now(UTC)
    policy = await queries.lock_record(connection, Policy, policy_id)
    covered = {each.group for each in (await queries.policy(connection, policy_id)).groups}
    rules.require_in_force(policy.state)
    rules.require_claimable(
        body.amount_fen,
        body.group,
        body.occurred_on,
        cap_fen=policy.cap_fen,
        covered=covered,
        starts_on=policy.starts_on,
        ends_on=policy.ends_on,
    )
    claimed_fen, _ = await queries.claimed(connection, policy_id)
    rules.require_within_limit(body.amount_fen, policy.limit_fen, claimed_fen)
    values = {
        "claim_id": new_id(),
        "policy_id": policy_id,
        "claim_number": body.claim_number,
        "group_name": body.group,
        "amount_fen": body.amount_fen,
        "occurred_on": body.occurred_on,
        "paid_on": _paid_on(body, now),
        **policy.model_dump(include={"cap_fen", "starts_on", "ends_on"}),
    }
    with _once():
        return await queries.add_record(connection, Claim, values | _entered(actor))


async def confirm_claim(connection: AsyncConnection, actor: Actor, claim_id: UUID) -> Claim:
    """By another person, who has read the insurer's letter."""
    known = await _locked(connection, actor, Claim, claim_id, Step.CONFIRM)
    require_another(actor.person, known.asked_by)
    policy = await queries.lock_record(connection, Policy, known.policy_id)
    rules.require_in_force(policy.state)
    return await _decide(connection, actor, known, RecordState.CONFIRMED)


def _paid_on(body: ClaimBody, now: datetime) -> date:
    day = body.paid_on or today_of(now)
    require_not_ahead(day, now, "paid_on")
    require_not_before(day, body.occurred_on, "paid_on")
    return day


# ---------------------------------------------------------------- both


async def withdraw(
    connection: AsyncConnection, actor: Actor, kind: type[R], record_id: UUID, body: WhyBody
) -> R:
    """Take back, or refuse, what nobody has confirmed."""
    known = await _locked(connection, actor, kind, record_id, Step.WITHDRAW)
    return await _decide(connection, actor, known, RecordState.WITHDRAWN, reason=body.reason)


async def ask_void(
    connection: AsyncConnection, actor: Actor, kind: type[R], record_id: UUID, body: WhyBody
) -> R:
    """Ask that a record counts no longer. It counts until another person agrees."""
    known = await _locked(connection, actor, kind, record_id, Step.ASK_VOID)
    return await queries.change_record(
        connection,
        known,
        state=RecordState.VOIDING,
        reason=body.reason,
        void_asked_by=actor.person,
        void_asked_at=datetime.now(UTC),
    )


async def void(connection: AsyncConnection, actor: Actor, kind: type[R], record_id: UUID) -> R:
    """By another person: the record counts no longer. Raises PolicyHasClaims."""
    known = await _locked(connection, actor, kind, record_id, Step.VOID)
    assert known.void_asked_by is not None, "it is voiding"
    require_another(actor.person, known.void_asked_by)
    if isinstance(known, Policy):
        _, claims = await queries.claimed(connection, known.policy_id)
        rules.require_no_claims(claims)
    return await queries.change_record(
        connection, known, state=RecordState.VOIDED, voided_by=actor.person, voided_at=datetime.now(UTC)
    )


async def keep(connection: AsyncConnection, actor: Actor, kind: type[R], record_id: UUID) -> R:
    """Refuse, or take back, that a record shall be void."""
    known = await _locked(connection, actor, kind, record_id, Step.KEEP)
    undone = {"reason": None, "void_asked_by": None, "void_asked_at": None}
    return await queries.change_record(connection, known, state=RecordState.CONFIRMED, **undone)


async def _locked(connection: AsyncConnection, actor: Actor, kind: type[R], record_id: UUID, step: Step) -> R:
    known = await queries.lock_record(connection, kind, record_id)
    actor.require_read(known.version)
    rules.require_step(known.state, step)
    return known


async def _decide(
    connection: AsyncConnection, actor: Actor, known: R, state: RecordState, **values: Any
) -> R:
    now = datetime.now(UTC)
    return await queries.change_record(
        connection, known, state=state, decided_by=actor.person, decided_at=now, **values
    )


def _entered(actor: Actor) -> dict[str, Any]:
    return {
        "state": RecordState.ENTERED,
        "version": 1,
        "asked_by": actor.person,
        "asked_at": datetime.now(UTC),
    }


@contextmanager
def _once() -> Iterator[None]:
    """Raise RecordKnown for a second one of the same number, or a second renewal of the same policy."""
    try:
        yield
    except IntegrityError as error:
        known = {
            "insurance_policies_once": ("The insurer gives each policy number once.", "policy_number"),
            "insurance_policies_renewed_once": ("Another policy renews that one.", "renews"),
            "insurance_claims_once": ("The insurer gives each claim number once.", "claim_number"),
        }
        for constraint, (detail, field) in known.items():
            if constraint in str(error.orig):
                raise RecordKnown(detail, fields=[field]) from error
        raise
