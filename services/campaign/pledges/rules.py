"""What may be done with a pledge, and how much of it is kept. Pure.

entered → confirmed by another person → released after the report of art. 41; entered → cancelled. Whether it
is fulfilled is no state: it follows from the amounts, and a refund can undo it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final, Literal

from services.campaign.lifecycle import State
from shared.refusals import Refused

Display = Literal["name", "alias", "anonymous"]

UNNAMED_COMPANY: Final = "爱心企业"
"""Shown for a company that did not agree to be named (art. 82): "a kind company"."""

LATEST_DUE: Final = timedelta(days=5 * 366)
"""A due date further off than five years is taken for a typing error."""

STAGES: Final = (-7, 0, 7, 30)
"""Days after the due date on which somebody is reminded of an open pledge, ascending."""


class PledgeState(StrEnum):
    """Where a pledge stands. Only confirmed and released ones were promised."""

    ENTERED = "entered"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    CANCELLED = "cancelled"


PROMISED: Final = (PledgeState.CONFIRMED, PledgeState.RELEASED)
"""The states that count as promised. A release is shown apart and never lowers the promised total."""


class Action(StrEnum):
    """What made a version of a pledge."""

    ENTER = "enter"
    REWRITE = "rewrite"
    CONFIRM = "confirm"
    CANCEL = "cancel"
    ASK_CORRECTION = "ask_correction"
    CORRECT = "correct"
    WITHDRAW_CORRECTION = "withdraw_correction"
    ASK_DELIVERY = "ask_delivery"
    DELIVER = "deliver"
    WITHDRAW_DELIVERY = "withdraw_delivery"
    ASK_RELEASE = "ask_release"
    RELEASE = "release"
    WITHDRAW_RELEASE = "withdraw_release"


class StepState(StrEnum):
    """Where a correction, delivery or release stands, which one person asks for and another decides."""

    ASKED = "asked"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class PledgesNotTaken(Refused):
    """A pledge to a campaign that is not launched."""

    code = "pledges-not-taken"
    title = "The campaign takes no pledges now"


class DueDateRefused(Refused):
    """A due date in the past, or too far off."""

    code = "due-date-refused"
    title = "The due date can't be right"
    status = 422


class AliasMissing(Refused):
    """An alias is to be shown, and none was sent."""

    code = "alias-missing"
    title = "The alias to show is missing"
    status = 422


class PlacardTaken(Refused):
    """Each placard of a campaign is entered once."""

    code = "placard-taken"
    title = "Another pledge of the campaign has this placard number"


class PledgeStepNotAllowed(Refused):
    """The pledge's state has no such step."""

    code = "pledge-step-not-allowed"
    title = "The pledge can't take this step from its state"


class ReadBackDiffers(Refused):
    """What the second person read is not what was entered."""

    code = "read-back-differs"
    title = "What was read back is not what was entered"


class ReadBackMissing(Refused):
    """A second person who decides about an amount without having read it."""

    code = "read-back-missing"
    title = "The amount has to be read back"


class StepWaits(Refused):
    """A second request of a kind before the first was decided."""

    code = "pledge-step-waits"
    title = "One is waiting for its second person"


class NothingWaits(Refused):
    """Nothing of this kind has been asked for."""

    code = "pledge-nothing-waits"
    title = "Nothing waits for a second person"


class NothingChanged(Refused):
    """A correction to what is written already."""

    code = "pledge-correction-empty"
    title = "The correction changes nothing"


class NothingOpen(Refused):
    """A release of what has been kept."""

    code = "pledge-nothing-open"
    title = "Nothing of the pledge is open"


class GiftNamed(Refused):
    """A gift in kind that another delivery has named."""

    code = "pledge-gift-named"
    title = "The gift keeps another promise"


class MoneyCameIn(Refused):
    """Cancelling what a donation was given for."""

    code = "pledge-has-donations"
    title = "Donations were given for this pledge"


class NoGoods(Refused):
    """A delivery for a promise of money."""

    code = "pledge-of-money"
    title = "The pledge is of money"


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of a promise is kept. Amounts in fen; quantities in the unit of the pledge.

    `quantity` is 0 for a promise of money. `paid_fen` and `returned_fen` only grow; a reversal that is read
    before its donation may take their difference below zero for a moment.
    """

    amount_fen: int
    released_fen: int
    paid_fen: int
    returned_fen: int
    delivered_fen: int
    quantity: int
    delivered_quantity: int

    @property
    def fulfilled_fen(self) -> int:
        """Donations less reversals, and goods delivered, at their values."""
        return self.paid_fen - self.returned_fen + self.delivered_fen

    @property
    def fulfilled(self) -> bool:
        """The whole value has come in, or all the goods, whatever their value is now."""
        all_goods = 0 < self.quantity <= self.delivered_quantity
        return all_goods or self.fulfilled_fen >= self.amount_fen

    @property
    def open_fen(self) -> int:
        """What can still be asked for."""
        left = self.amount_fen - self.released_fen - self.fulfilled_fen
        return 0 if self.fulfilled else max(0, left)

    @property
    def overpaid_fen(self) -> int:
        """What came in beyond the promise: shown, never refused."""
        return max(0, self.fulfilled_fen - self.amount_fen)


def stage_of(due_on: date, today: date) -> int | None:
    """The last of STAGES that `today` has come to; None before the first."""
    passed = [stage for stage in STAGES if due_on + timedelta(days=stage) <= today]
    return passed[-1] if passed else None


def require_open_for_pledges(state: State) -> None:
    """Raise PledgesNotTaken unless the campaign is launched: a promise is made in public (art. 41)."""
    if state is not State.LAUNCHED:
        raise PledgesNotTaken(
            f"The campaign is {state}; launch it before pledges are entered.", state=state.value
        )


def require_due_date(due_on: date, promised_on: date) -> None:
    """Raise DueDateRefused unless due_on is between the day of the promise and five years on.

    A promise may be recorded, and corrected, when its date has gone by.
    """
    if not promised_on <= due_on <= promised_on + LATEST_DUE:
        raise DueDateRefused(
            f"due_on must lie between {promised_on} and {promised_on + LATEST_DUE}.",
            fields=["due_on"],
            due_on=due_on.isoformat(),
        )


def name_to_show(company: str, display: Display, alias: str | None) -> str:
    """The name for screens and events, as the company agreed (art. 82).

    Raises AliasMissing when an alias is to be shown and there is none.
    """
    if display == "name":
        return company
    if display == "anonymous":
        return UNNAMED_COMPANY
    if not alias:
        raise AliasMissing("Send the alias that is to be shown.", fields=["alias"])
    return alias


def require_state(state: PledgeState, *allowed: PledgeState) -> None:
    """Raise PledgeStepNotAllowed unless the pledge is in one of the allowed states."""
    if state not in allowed:
        needed = " or ".join(allowed)
        raise PledgeStepNotAllowed(
            f"The pledge is {state}; this is done with one that is {needed}. Read it again.",
            state=state.value,
        )


def require_read_back(entered_fen: int, read_fen: int | None) -> None:
    """Raise ReadBackMissing or ReadBackDiffers unless the second person has read the same amount off the
    placard.
    """
    if read_fen is None:
        raise ReadBackMissing("Send what the placard says as amount_fen.", fields=["amount_fen"])
    if entered_fen != read_fen:
        raise ReadBackDiffers(
            "Look at the placard together. Is the entry wrong, rewrite it, and confirm it then.",
            fields=["amount_fen"],
        )


def require_no_money(kept: Kept) -> None:
    """Raise MoneyCameIn when a donation named the pledge: it was meant, so it isn't a mistake."""
    if kept.fulfilled_fen:
        raise MoneyCameIn(
            f"{kept.fulfilled_fen} fen came in for it. Rewrite and confirm it instead.",
            fulfilled_fen=kept.fulfilled_fen,
        )


def require_open(kept: Kept) -> None:
    """Raise NothingOpen when there is nothing to be released from."""
    if not kept.open_fen:
        raise NothingOpen(
            f"{kept.fulfilled_fen} of {kept.amount_fen} fen came in; there is nothing to release.",
            fulfilled_fen=kept.fulfilled_fen,
        )
