"""What a policy and a claim may say, and the steps they take: pure rules.

Both are records of what an insurer does, not money of the fund: the premium is a disbursement of the
programme, and a claim is paid by the insurer to whom it covers. So neither is ever added to what was
received or disbursed.
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from services.campaign.spending.rules import DisbursementState
from shared.events.campaigns import CampaignKind
from shared.refusals import Refused

MAX_PERIOD: Final = timedelta(days=3660)


class RecordState(StrEnum):
    """Where a record stands. It counts when another person has confirmed it, until two have voided it."""

    ENTERED = "entered"
    CONFIRMED = "confirmed"
    VOIDING = "voiding"
    VOIDED = "voided"
    WITHDRAWN = "withdrawn"


COUNTS: Final = (RecordState.CONFIRMED, RecordState.VOIDING)
"""A record that somebody wants to void counts until another person agrees."""
CONFIRMED_ONCE: Final = (*COUNTS, RecordState.VOIDED)
HOLDS: Final = (RecordState.ENTERED, *COUNTS)
"""What takes its place: a claim that waits has its part of the limit."""


class Step(StrEnum):
    """What a person does with a record."""

    CONFIRM = "confirm"
    WITHDRAW = "withdraw"
    ASK_VOID = "ask to void"
    VOID = "void"
    KEEP = "keep"


_FROM: Final = {
    Step.CONFIRM: RecordState.ENTERED,
    Step.WITHDRAW: RecordState.ENTERED,
    Step.ASK_VOID: RecordState.CONFIRMED,
    Step.VOID: RecordState.VOIDING,
    Step.KEEP: RecordState.VOIDING,
}


class RecordStepNotAllowed(Refused):
    """A record that isn't where the step begins."""

    code = "insurance-step-not-allowed"
    title = "The record can't take this step from its state"


class NotAProgramme(Refused):
    """A policy of a campaign that is none."""

    code = "not-a-programme"
    title = "Charity insurance is a programme"


class PeriodWrong(Refused):
    """A period that ends before it begins, or never."""

    code = "period-wrong"
    title = "The policy's period can't be so"
    status = 422


class GroupTwice(Refused):
    """A group that is listed twice."""

    code = "group-twice"
    title = "A group stands there twice"
    status = 422


class LimitBelowCap(Refused):
    """A limit that the first claim could pass."""

    code = "limit-below-cap"
    title = "The limit of all claims is below the cap of one"
    status = 422


class RenewalWrong(Refused):
    """A renewal of what can't be renewed by it."""

    code = "renewal-wrong"
    title = "It can't renew that policy"


class PremiumNotPaid(Refused):
    """A premium that the named disbursement does not pay."""

    code = "premium-not-paid"
    title = "The disbursement does not pay this premium"


class PolicyNotInForce(Refused):
    """A claim on a policy that doesn't count."""

    code = "policy-not-in-force"
    title = "The policy is not confirmed"


class PolicyHasClaims(Refused):
    """A policy that has paid can't have been a mistake."""

    code = "policy-has-claims"
    title = "There are claims on the policy"


class OutsidePeriod(Refused):
    """Something that happened while the policy did not cover it."""

    code = "outside-period"
    title = "It lies outside the policy's period"


class NotCovered(Refused):
    """A group that the policy doesn't name."""

    code = "group-not-covered"
    title = "The policy doesn't cover this group"


class PastCap(Refused):
    """More than one claim can be."""

    code = "past-cap"
    title = "The claim is past the policy's cap"


class PastLimit(Refused):
    """More than all claims together can be."""

    code = "past-limit"
    title = "The claims are past the policy's limit"


def require_step(state: RecordState, step: Step) -> None:
    """Raise RecordStepNotAllowed unless the record is where the step begins."""
    if state is not _FROM[step]:
        raise RecordStepNotAllowed(
            f"It is {state}; only what is {_FROM[step]} takes the step: {step}.", state=state.value
        )


def require_programme(kind: CampaignKind) -> None:
    """Raise NotAProgramme for a gala, a drive or an appeal."""
    if kind != "programme":
        raise NotAProgramme("Enter it under a campaign of kind programme.", kind=kind)


def require_period(starts_on: date, ends_on: date) -> None:
    """Raise PeriodWrong unless the period begins, and ends within ten years."""
    if not starts_on <= ends_on <= starts_on + MAX_PERIOD:
        raise PeriodWrong("ends_on is the last day of it, at most ten years later.", fields=["ends_on"])


def require_groups_once(groups: Sequence[str]) -> None:
    """Raise GroupTwice when people of one group would be counted twice."""
    if len(set(groups)) < len(groups):
        raise GroupTwice("Add the people of one group up.", fields=["groups"])


def require_limit(cap_fen: int, limit_fen: int | None) -> None:
    """Raise LimitBelowCap for terms that contradict each other."""
    if limit_fen is not None and limit_fen < cap_fen:
        raise LimitBelowCap("limit_fen is for all claims together.", fields=["limit_fen"])


def require_renewable(state: RecordState, *, same_campaign: bool, ended_on: date, starts_on: date) -> None:
    """Raise RenewalWrong unless the one before counts, is of the programme, and ends before this begins."""
    if state not in COUNTS or not same_campaign:
        raise RenewalWrong("Name a confirmed policy of the same programme.", fields=["renews"])
    if starts_on <= ended_on:
        raise RenewalWrong(f"The policy before lasts until {ended_on}.", fields=["starts_on"])


def require_premium_paid(
    premium_fen: int, state: DisbursementState, *, same_campaign: bool, left_fen: int
) -> None:
    """Raise PremiumNotPaid unless the disbursement is paid, is the programme's own, and covers the premium.
    `left_fen`: its amount without what came back of it and without other policies' premiums.
    """
    if state is not DisbursementState.PAID or not same_campaign:
        raise PremiumNotPaid("Name a paid disbursement of the same campaign.", fields=["disbursement_id"])
    if premium_fen > left_fen:
        raise PremiumNotPaid(
            "Other premiums, or what came back, leave too little of it.", remaining_fen=max(left_fen, 0)
        )


def require_in_force(state: RecordState) -> None:
    """Raise PolicyNotInForce unless the policy counts."""
    if state not in COUNTS:
        raise PolicyNotInForce(f"It is {state}; have it confirmed first.", state=state.value)


def require_claimable(
    amount_fen: int,
    group: str,
    occurred_on: date,
    *,
    cap_fen: int,
    covered: Collection[str],
    starts_on: date,
    ends_on: date,
) -> None:
    """Raise unless the policy covers the group on that day, and one claim may be so large."""
    if group not in covered:
        raise NotCovered(f"It covers: {', '.join(sorted(covered))}.", fields=["group"])
    if not starts_on <= occurred_on <= ends_on:
        raise OutsidePeriod(f"The policy covers {starts_on} … {ends_on}.", fields=["occurred_on"])
    if amount_fen > cap_fen:
        raise PastCap("A claim is paid up to the cap.", fields=["amount_fen"], remaining_fen=cap_fen)


def require_within_limit(amount_fen: int, limit_fen: int | None, claimed_fen: int) -> None:
    """Raise PastLimit when all claims, this one included, would pass the policy's limit. The caller has
    locked the policy, so that two claims at the same moment can't both have the last of it.
    """
    if limit_fen is not None and claimed_fen + amount_fen > limit_fen:
        raise PastLimit(
            "Nothing more is paid on this policy than its limit.",
            fields=["amount_fen"],
            remaining_fen=limit_fen - claimed_fen,
        )


def require_no_claims(claims: int) -> None:
    """Raise PolicyHasClaims unless nothing was claimed on what shall be void."""
    if claims:
        raise PolicyHasClaims("Void or withdraw its claims first.", claims=claims)
