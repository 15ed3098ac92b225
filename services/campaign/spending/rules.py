"""The way of a disbursement (拨付): requested → approved by another person → paid."""

from enum import StrEnum

from services.campaign.lifecycle import State
from services.campaign.two_people import require_another
from shared.refusals import Refused


class DisbursementState(StrEnum):
    """Where a disbursement stands. Approved reserves the amount, paid has spent it."""

    REQUESTED = "requested"
    APPROVED = "approved"
    PAID = "paid"


class DisbursementStepNotAllowed(Refused):
    """Approving what is not waiting, or paying what is not approved."""

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


def require_launched_once(state: State) -> None:
    """Raise NotRaising while nothing can have been received, SettledAlready when nothing is left. A closed
    campaign goes on spending.
    """
    if state in (State.DRAFT, State.FILED):
        raise NotRaising(f"The campaign is {state}; launch it before money is asked for.", state=state.value)
    if state is State.SETTLED:
        raise SettledAlready("The campaign is settled; finance opens it again when money has come.")


def require_approvable(state: DisbursementState, *, requested_by: str, approved_by: str) -> None:
    """Raise unless it waits for approval and the approver is another person than the requester."""
    if state is not DisbursementState.REQUESTED:
        raise DisbursementStepNotAllowed(
            f"It is {state} already; only a requested disbursement is approved.", state=state.value
        )
    require_another(approved_by, requested_by)


def require_payable(state: DisbursementState) -> None:
    """Raise unless it is approved and not paid yet."""
    if state is not DisbursementState.APPROVED:
        raise DisbursementStepNotAllowed(
            f"It is {state}; only an approved disbursement is paid.", state=state.value
        )
