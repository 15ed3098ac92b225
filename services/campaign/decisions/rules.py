"""What may be decided about a campaign's money once its plan is filed. Pure.

| kind | what it decides | what it needs |
| --- | --- | --- |
| change_of_use 变更用途 | uses in the place of the filed ones | the bureau's record (art. 56) |
| remainder 剩余财产 | who of a similar purpose takes what is left | a closed campaign (art. 58) |

asked → decided by another person, or withdrawn. Both are made public. A decision is never undone: another one
changes what it has decided.
"""

from collections.abc import Sequence
from enum import StrEnum

from services.campaign.lifecycle import State
from shared.refusals import Refused


class DecisionKind(StrEnum):
    """What is decided."""

    CHANGE_OF_USE = "change_of_use"
    REMAINDER = "remainder"


class DecisionState(StrEnum):
    """Where a decision stands; only a decided one has an effect."""

    ASKED = "asked"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"


class PlanNotFiled(Refused):
    """A decision on a plan that can simply be rewritten, or that is all carried out."""

    code = "decision-not-needed"
    title = "The campaign is not in a state for this decision"


class UsesUnchanged(Refused):
    """New uses that are the filed ones."""

    code = "decision-uses-unchanged"
    title = "The uses are these already"


class UsesRepeated(Refused):
    """A use that is named twice."""

    code = "decision-uses-repeated"
    title = "A use stands in the list twice"
    status = 422


class RemainderTooEarly(Refused):
    """A remainder of a campaign that still raises."""

    code = "decision-remainder-too-early"
    title = "The campaign is not closed"


class SameCampaign(Refused):
    """A remainder that stays where it is."""

    code = "decision-same-campaign"
    title = "The remainder would stay where it is"
    status = 422


class StillReserved(Refused):
    """A remainder while approved money waits to be paid."""

    code = "decision-money-reserved"
    title = "Approved money waits to be paid"


class NothingLeft(Refused):
    """A remainder of nothing."""

    code = "decision-nothing-left"
    title = "Nothing is left"


class DecisionWaits(Refused):
    """A second request of a kind before the first was decided."""

    code = "decision-waits"
    title = "One of its kind waits for its second person"


class DecisionMade(Refused):
    """A decision that was made or withdrawn already."""

    code = "decision-made"
    title = "The decision is made"


def require_other_uses(state: State, uses: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise unless the plan is filed and the campaign not settled, and the wanted uses are others."""
    if state in (State.DRAFT, State.SETTLED):
        what = "rewrite its plan" if state is State.DRAFT else "finance opens it again first"
        raise PlanNotFiled(f"The campaign is {state}: {what}.", state=state.value)
    if len(set(wanted)) < len(wanted):
        raise UsesRepeated("Name each use once.", fields=["uses"])
    if set(wanted) == set(uses):
        raise UsesUnchanged("Send all the uses as they are to be from now on.", fields=["uses"])


def require_closed(state: State) -> None:
    """Raise RemainderTooEarly unless the campaign is closed: what still raises has no remainder."""
    if state is not State.CLOSED:
        raise RemainderTooEarly(
            f"It is {state}; what is left is decided on once it is closed.", state=state.value
        )


def require_elsewhere(campaign_id: str, to_campaign_id: str) -> None:
    """Raise SameCampaign unless the remainder goes to another campaign."""
    if campaign_id == to_campaign_id:
        raise SameCampaign("Name the campaign of a similar purpose (art. 58).", fields=["to_campaign_id"])


def remainder_fen(*, reserved_fen: int, remaining_fen: int) -> int:
    """What is left of a closed campaign, in fen: all of it goes. Raises StillReserved or NothingLeft."""
    if reserved_fen:
        raise StillReserved(
            f"{reserved_fen} fen are approved and not paid. Pay or withdraw them first.",
            reserved_fen=reserved_fen,
        )
    if not remaining_fen:
        raise NothingLeft("The fund has nothing left; the campaign can be settled.", remaining_fen=0)
    return remaining_fen


def require_waiting(state: DecisionState) -> None:
    """Raise DecisionMade unless it still waits for its second person."""
    if state is not DecisionState.ASKED:
        raise DecisionMade(f"It is {state} already; another decision can change it.", state=state.value)
