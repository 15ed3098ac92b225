"""What donation events mean for the pledges they name: pure.

A pledge_id that means nothing here never stops the money: the payment is kept with its problem for the desk.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from services.campaign.pledges.rules import PledgeState
from shared.events import DonationReceived, DonationReversed, Event


class Problem(StrEnum):
    """Why a payment counts towards no pledge."""

    UNKNOWN = "unknown"
    OTHER_CAMPAIGN = "other_campaign"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Named:
    """A donation or a reversal that names a pledge, at its position. One of the amounts (fen) is 0."""

    source: str
    sequence: int
    pledge_id: UUID
    campaign_id: str
    donation_id: UUID
    paid_fen: int
    returned_fen: int


def payments_in(events: Iterable[Event]) -> list[Named]:
    """The donations and reversals of a batch that name a pledge."""
    named = []
    for event in events:
        if isinstance(event, (DonationReceived, DonationReversed)) and event.data.pledge_id is not None:
            data = event.data
            came_in = isinstance(event, DonationReceived)
            named.append(
                Named(
                    event.source,
                    event.sequence,
                    event.data.pledge_id,
                    data.campaign_id,
                    data.donation_id,
                    data.amount_fen if came_in else 0,
                    0 if came_in else data.amount_fen,
                )
            )
    return named


def problem_of(payment: Named, pledges: Mapping[UUID, tuple[str, PledgeState]]) -> Problem | None:
    """Why a payment counts towards no pledge; None when it counts. `pledges`: campaign and state by id.

    A pledge that is entered and not confirmed takes it: the cheque may be quicker than the second person.
    """
    known = pledges.get(payment.pledge_id)
    if known is None:
        return Problem.UNKNOWN
    campaign_id, state = known
    if campaign_id != payment.campaign_id:
        return Problem.OTHER_CAMPAIGN
    return Problem.CANCELLED if state is PledgeState.CANCELLED else None
