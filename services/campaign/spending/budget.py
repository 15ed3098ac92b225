"""The budget by use (预算), and all else that limits one disbursement beside the fund's balance. Pure.

| a disbursement for | is held to |
| --- | --- |
| a programme | a use of the plan (art. 24), and its line when the campaign has a budget |
| management, fund-raising | the cost that the plan states (募捐成本) |
| anything | the plan's window: not approved or paid before it begins, nor paid after the budget's last day |

A budget is a choice: without one the plan's uses and the balance alone decide. It changes by two people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from services.campaign.lifecycle import State
from services.campaign.plan import require_planned
from shared.events.campaigns import SpendingCategory
from shared.refusals import Refused

MAX_LINES: Final = 20


class BudgetState(StrEnum):
    """Where a change of the budget stands, which one person asks for and another decides."""

    ASKED = "asked"
    DONE = "done"
    WITHDRAWN = "withdrawn"


class PastBudget(Refused):
    """A disbursement larger than what its line has left."""

    code = "past-budget"
    title = "The budget does not cover this disbursement"


class PastPlannedCost(Refused):
    """Management or fund-raising beyond the cost that was filed."""

    code = "past-planned-cost"
    title = "The plan's cost does not cover this disbursement"


class OutsideWindow(Refused):
    """Money that goes out before the campaign's window, or after its last day of spending."""

    code = "outside-window"
    title = "The day lies outside the campaign's window"


class BudgetBelowSpent(Refused):
    """A line smaller than what was approved or paid of it."""

    code = "budget-below-spent"
    title = "More is spent than the budget would allow"


class UseTwice(Refused):
    """Two lines for one use."""

    code = "budget-use-twice"
    title = "A use has one line"
    status = 422


class PlanNotFiled(Refused):
    """A budget for uses that are not filed."""

    code = "budget-plan-not-filed"
    title = "The plan is not filed"


class BudgetWaits(Refused):
    """A second change before the first was decided."""

    code = "budget-change-waits"
    title = "A change of the budget is waiting for its second person"


class NoBudgetWaits(Refused):
    """Nobody has asked for a change."""

    code = "budget-nothing-waits"
    title = "No change of the budget waits for a second person"


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for one disbursement. Amounts in fen.

    `line_fen`: its use's line, None without a budget, 0 for a use without a line. `spent_fen`: reserved and
    paid, less what came back, of the same use; of all management and fund-raising for one of these.
    """

    uses: tuple[str, ...]
    cost_fen: int
    opens_on: date
    spend_until: date | None
    line_fen: int | None
    spent_fen: int


def require_allowed(limits: Limits, category: SpendingCategory, use: str, amount_fen: int) -> None:
    """Raise UseNotPlanned, PastBudget or PastPlannedCost, with the remaining figure.

    `limits` must have been read under the lock of the fund, or two approvals can both win.
    """
    if category == "programme":
        require_planned(use, limits.uses)
        limit_fen = limits.line_fen
    else:
        limit_fen = limits.cost_fen
    if limit_fen is None:
        return
    remaining_fen = max(0, limit_fen - limits.spent_fen)
    if amount_fen > remaining_fen:
        raise (PastBudget if category == "programme" else PastPlannedCost)(
            f"{limit_fen} fen are planned, {limits.spent_fen} spent or reserved, {remaining_fen} are left. "
            "Ask for at most that, or have the plan changed by two people.",
            fields=["amount_fen"],
            planned_fen=limit_fen,
            remaining_fen=remaining_fen,
            amount_fen=amount_fen,
        )


def require_in_window(limits: Limits, day: date, field: str, *, opened: bool) -> None:
    """Raise OutsideWindow for a day after the last one of spending, or, when it must have `opened`, for one
    before the campaign's window.
    """
    if limits.spend_until is not None and day > limits.spend_until:
        raise OutsideWindow(
            f"The last day of spending is {limits.spend_until}. Have it changed by two people.",
            fields=[field],
            spend_until=limits.spend_until.isoformat(),
        )
    if opened:
        require_opened(limits, day, "Nothing is paid before.", fields=[field])


def require_opened(limits: Limits, day: date, consequence: str, *, fields: Sequence[str] = ()) -> None:
    """Raise OutsideWindow, with what follows, for a day before the campaign's window."""
    if day < limits.opens_on:
        raise OutsideWindow(
            f"The campaign's window begins on {limits.opens_on}. {consequence}",
            fields=fields,
            opens_on=limits.opens_on.isoformat(),
        )


def require_budget(state: State, uses: Sequence[str], wanted: Sequence[str]) -> None:
    """Raise PlanNotFiled, UseTwice or UseNotPlanned unless the lines are for uses of a filed plan."""
    if state in (State.DRAFT, State.SETTLED):
        raise PlanNotFiled(
            f"The campaign is {state}; a budget is made when its plan is filed.", state=state.value
        )
    if len(set(wanted)) < len(wanted):
        raise UseTwice("Put a use on one line.", fields=["lines"])
    for use in wanted:
        require_planned(use, uses)


def require_not_below(lines: Mapping[str, int], spent: Mapping[str, int]) -> None:
    """Raise BudgetBelowSpent unless each line covers what is spent or reserved of its use, in fen."""
    for use, spent_fen in spent.items():
        if lines.get(use, 0) < spent_fen:
            raise BudgetBelowSpent(
                f"{spent_fen} fen are spent or reserved for {use}; its line is at least that.",
                fields=["lines"],
                use=use,
                spent_fen=spent_fen,
            )
