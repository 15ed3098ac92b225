"""Money that changes its fund: one person asks, another approves, and with the approval it has moved. Pure.

| kind | what it is | it follows from |
| --- | --- | --- |
| correction | what came into the wrong fund goes to the right one | a request |
| trust | a named fund becomes a charitable trust (慈善信托): the money leaves the books | a request |
| remainder | what a campaign has left goes to a similar purpose (Charity Law art. 58) | that decision |
| split | a part of a donation that was given for several purposes | the donation's split |

asked → approved by another person, or withdrawn. A transfer is never undone: it is corrected by another one.
Neither is it received or disbursed: it stands beside both.
"""

from enum import StrEnum
from typing import Final

from services.campaign.lifecycle import State
from shared.refusals import Refused


class TransferKind(StrEnum):
    """Why money changes its fund."""

    SPLIT = "split"
    REMAINDER = "remainder"
    TRUST = "trust"
    CORRECTION = "correction"


class TransferState(StrEnum):
    """Where a transfer stands; only an approved one has moved money."""

    ASKED = "asked"
    APPROVED = "approved"
    WITHDRAWN = "withdrawn"


ACTIVE: Final = (State.LAUNCHED, State.PAUSED, State.CLOSED)
"""Campaigns whose fund can give and take. Before its launch a fund has nothing and owes nobody an account of
it; what is settled stays settled.
"""


class SameFund(Refused):
    """A transfer from a fund to itself."""

    code = "transfer-same-fund"
    title = "Both ends are the same fund"
    status = 422


class FundNotActive(Refused):
    """A fund that can't give or take now."""

    code = "fund-not-active"
    title = "The campaign's fund can't give or take money now"


class TransferDecided(Refused):
    """A transfer that was approved or withdrawn already."""

    code = "transfer-decided"
    title = "The transfer is decided"


def require_two_funds(from_campaign_id: str, to_campaign_id: str) -> None:
    """Raise SameFund unless the money goes elsewhere."""
    if from_campaign_id == to_campaign_id:
        raise SameFund("Name the campaign that the money should go to.", fields=["to_campaign_id"])


def require_active(campaign_id: str, state: State) -> None:
    """Raise FundNotActive unless the campaign was launched and isn't settled."""
    if state not in ACTIVE:
        raise FundNotActive(
            f"{campaign_id} is {state}; money moves between funds of campaigns that are "
            f"{', '.join(ACTIVE[:-1])} or {ACTIVE[-1]}.",
            campaign_id=campaign_id,
            state=state.value,
        )


def require_waiting(state: TransferState) -> None:
    """Raise TransferDecided unless it still waits for its second person."""
    if state is not TransferState.ASKED:
        raise TransferDecided(
            f"It is {state} already. What was moved wrongly is moved back by a correction.", state=state.value
        )
