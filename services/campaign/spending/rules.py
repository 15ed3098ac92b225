"""The way of a disbursement (拨付). Pure.

requested → approved by another person → paid. What is not paid ends as rejected by an approver, or withdrawn.
What comes back of a payment is no state: it follows from the amounts, and what was paid stays paid.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal

from services.campaign.days import require_not_ahead, require_not_before
from services.campaign.lifecycle import State
from shared.events.campaigns import SpendingCategory
from shared.refusals import Refused
from shared.two_people import require_another

MAX_ITEMS: Final = 100
MAX_COUNTS: Final = 10

CameBack = Literal["nothing", "partly", "all"]


class DisbursementState(StrEnum):
    """Where a disbursement stands. Approved reserves the amount, paid has spent it."""

    REQUESTED = "requested"
    APPROVED = "approved"
    PAID = "paid"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class ReturnState(StrEnum):
    """Where a return stands, which one person records and another confirms."""

    ASKED = "asked"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class DisbursementStepNotAllowed(Refused):
    """Approving what is not waiting, paying what is not approved, and the like."""

    code = "disbursement-step-not-allowed"
    title = "The disbursement can't take this step from its state"


class NotRaising(Refused):
    """A disbursement from a campaign that has never been launched."""

    code = "campaign-never-launched"
    title = "The campaign has never been launched"


class SettledAlready(Refused):
    """A disbursement from a campaign whose fund was accounted for to the end."""

    code = "campaign-settled"
    title = "The campaign is settled"


class ItemsDiffer(Refused):
    """Line items that don't make the amount."""

    code = "items-differ"
    title = "The line items don't add up to the amount"
    status = 422


class NobodyHelped(Refused):
    """Programme money without a beneficiary."""

    code = "beneficiaries-missing"
    title = "Whom it helps is missing"
    status = 422


class PastPaid(Refused):
    """More came back than was paid."""

    code = "past-paid"
    title = "More can't come back than was paid"


class ReturnWaits(Refused):
    """A second return before the first was decided."""

    code = "return-waits"
    title = "A return is waiting for its second person"


class NoReturnWaits(Refused):
    """Nobody has recorded a return."""

    code = "return-nothing-waits"
    title = "No return waits for a second person"


# ---------------------------------------------------------------- asked for


def require_launched_once(state: State) -> None:
    """Raise NotRaising while nothing can have been received, SettledAlready when nothing is left. A closed
    campaign goes on spending.
    """
    if state in (State.DRAFT, State.FILED):
        raise NotRaising(f"The campaign is {state}; launch it before money is asked for.", state=state.value)
    if state is State.SETTLED:
        raise SettledAlready("The campaign is settled; finance opens it again when money has come.")


def require_items_add_up(amount_fen: int, items_fen: Sequence[int]) -> None:
    """Raise ItemsDiffer unless the line items make the amount; without any, the amount stands alone."""
    surplus = sum(items_fen) - amount_fen
    if items_fen and surplus:
        raise ItemsDiffer(
            f"The items make {abs(surplus)} fen {'more' if surplus > 0 else 'less'} than the amount.",
            fields=["items"],
            difference_fen=surplus,
        )


def require_helped(category: SpendingCategory, beneficiaries: int) -> None:
    """Raise NobodyHelped for programme money that helps nobody; what the work costs helps nobody directly."""
    if category == "programme" and beneficiaries < 1:
        raise NobodyHelped("Count whom a programme helps.", fields=["beneficiaries"])


# ---------------------------------------------------------------- decided, paid, ended


def require_approvable(state: DisbursementState, *, requested_by: str, approved_by: str) -> None:
    """Raise unless it waits for approval and the approver is another person than the requester."""
    _require_state(state, DisbursementState.REQUESTED, step="approved")
    require_another(approved_by, requested_by)


def require_rejectable(state: DisbursementState) -> None:
    """Raise unless it waits for approval."""
    _require_state(state, DisbursementState.REQUESTED, step="rejected")


def require_payable(state: DisbursementState) -> None:
    """Raise unless it is approved and not paid yet."""
    _require_state(state, DisbursementState.APPROVED, step="paid")


def require_withdrawable(state: DisbursementState) -> None:
    """Raise when it is paid or over: what was paid comes back by a return."""
    _require_state(state, DisbursementState.REQUESTED, DisbursementState.APPROVED, step="withdrawn")


def require_not_ended(state: DisbursementState) -> None:
    """Raise when it was rejected or withdrawn: it keeps no more files."""
    _require_state(
        state,
        DisbursementState.REQUESTED,
        DisbursementState.APPROVED,
        DisbursementState.PAID,
        step="given an invoice",
    )


def _require_state(state: DisbursementState, *allowed: DisbursementState, step: str) -> None:
    if state not in allowed:
        raise DisbursementStepNotAllowed(
            f"It is {state}; only what is {' or '.join(allowed)} is {step}.", state=state.value
        )


# ---------------------------------------------------------------- what came back


def came_back(amount_fen: int, returned_fen: int) -> CameBack:
    """How much of a payment has come back."""
    if not returned_fen:
        return "nothing"
    return "all" if returned_fen == amount_fen else "partly"


def require_returnable(
    state: DisbursementState, *, paid_fen: int, returned_fen: int, amount_fen: int
) -> None:
    """Raise unless it was paid and so much can still come back; PastPaid has the remaining figure."""
    _require_state(state, DisbursementState.PAID, step="returned")
    remaining_fen = paid_fen - returned_fen
    if amount_fen > remaining_fen:
        raise PastPaid(
            f"{paid_fen} fen were paid and {returned_fen} came back; at most {remaining_fen} more can.",
            fields=["amount_fen"],
            remaining_fen=remaining_fen,
            amount_fen=amount_fen,
        )


def require_return_day(returned_on: date, *, paid_on: date | None, now: datetime) -> None:
    """Raise for a day before the payment's, or one that hasn't come."""
    require_not_ahead(returned_on, now, "returned_on")
    require_not_before(returned_on, paid_on, "returned_on")
