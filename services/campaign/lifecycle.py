"""The life of a campaign: draft → filed → launched ⇄ paused → closed → settled.

Charity Law art. 24 and 73: nothing is raised without a filing number (备案编号), except by an
emergency appeal (应急救援), which may launch from draft and must file within 10 days of its launch.
Settled (结项) says that nothing of it is left to do: it is closed and filed, and its fund
and its store of goods are empty. Money that comes all the same (given before the close and told
late) opens it again, by a recorded step.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from shared.events.campaigns import CampaignKind
from shared.refusals import Refused

LATE_FILING: Final = timedelta(days=10)
"""Charity Law art. 73: how long after its launch an emergency appeal may file; the day of the launch itself
does not count (Civil Code art. 201).
"""


class State(StrEnum):
    """Where a campaign stands."""

    DRAFT = "draft"
    FILED = "filed"
    LAUNCHED = "launched"
    PAUSED = "paused"
    CLOSED = "closed"
    SETTLED = "settled"


class Action(StrEnum):
    """What can be done with a campaign. Resuming is launching from paused, reopening undoes settling."""

    FILE = "file"
    LAUNCH = "launch"
    PAUSE = "pause"
    CLOSE = "close"
    SETTLE = "settle"
    REOPEN = "reopen"


NEXT: Final[Mapping[tuple[State, Action], State]] = MappingProxyType(
    {
        (State.DRAFT, Action.FILE): State.FILED,
        (State.DRAFT, Action.LAUNCH): State.LAUNCHED,
        (State.FILED, Action.LAUNCH): State.LAUNCHED,
        (State.LAUNCHED, Action.PAUSE): State.PAUSED,
        (State.PAUSED, Action.LAUNCH): State.LAUNCHED,
        (State.LAUNCHED, Action.CLOSE): State.CLOSED,
        (State.PAUSED, Action.CLOSE): State.CLOSED,
        (State.CLOSED, Action.SETTLE): State.SETTLED,
        (State.SETTLED, Action.REOPEN): State.CLOSED,
        # An emergency appeal files late, wherever it stands by then.
        (State.LAUNCHED, Action.FILE): State.LAUNCHED,
        (State.PAUSED, Action.FILE): State.PAUSED,
        (State.CLOSED, Action.FILE): State.CLOSED,
    }
)


class StepNotAllowed(Refused):
    """The state machine has no such step."""

    code = "campaign-step-not-allowed"
    title = "The campaign can't take this step from its state"


class NotFiled(Refused):
    """A launch without a filing number."""

    code = "campaign-not-filed"
    title = "The campaign has no filing number"


class FundNotEmpty(Refused):
    """Settling while there is money to account for."""

    code = "campaign-fund-not-empty"
    title = "The campaign's fund is not empty"


class StoreNotEmpty(Refused):
    """Settling a campaign whose goods lie in the store still."""

    code = "goods-in-store"
    title = "The campaign's store is not empty"


class AlreadyFiled(Refused):
    """A second filing number for the same campaign."""

    code = "campaign-already-filed"
    title = "The campaign has a filing number already"


def next_state(state: State, action: Action, *, kind: CampaignKind, filing_number: str | None) -> State:
    """The state that `action` leads to.

    Raises StepNotAllowed, AlreadyFiled, or NotFiled (a launch without a number, unless an emergency appeal).
    """
    if action is Action.FILE and filing_number is not None:
        raise AlreadyFiled(
            f"It is filed under {filing_number}; a filing number isn't changed here.",
            filing_number=filing_number,
        )
    target = NEXT.get((state, action))
    if target is None:
        allowed = sorted(
            step
            for (origin, step) in NEXT
            if origin is state and (step is not Action.FILE or filing_number is None)
        )
        raise StepNotAllowed(
            f"A {state} campaign can't {action}. Possible now: {', '.join(allowed) or 'nothing'}.",
            state=state.value,
            action=action.value,
        )
    if action is Action.LAUNCH and filing_number is None and kind != "emergency_appeal":
        raise NotFiled(
            "File the campaign first; only an emergency appeal may launch before it files (art. 73)."
        )
    if action is Action.SETTLE and filing_number is None:
        raise NotFiled("Note the filing number first: also an emergency appeal is filed, late (art. 73).")
    return target


def require_empty(*, reserved_fen: int, balance_fen: int) -> None:
    """Raise FundNotEmpty unless the fund has nothing left and nothing is waiting to be paid."""
    if reserved_fen or balance_fen:
        raise FundNotEmpty(
            f"{reserved_fen} fen are approved and not paid, {balance_fen} fen are left. Pay what is approved,"
            " spend what is left on the campaign's uses, or decide where it goes (art. 58).",
            reserved_fen=reserved_fen,
            balance_fen=balance_fen,
        )


def require_empty_store(in_store_fen: int) -> None:
    """Raise StoreNotEmpty unless all goods given in kind have gone out."""
    if in_store_fen:
        raise StoreNotEmpty(
            f"Goods of {in_store_fen} fen lie in the store. Distribute them, or write off what is lost.",
            in_store_fen=in_store_fen,
        )


def filing_due_on(*, kind: CampaignKind, filing_number: str | None, launched_on: date | None) -> date | None:
    """The last day on which an emergency appeal may file; None when nothing is due (art. 73)."""
    if kind != "emergency_appeal" or filing_number is not None or launched_on is None:
        return None
    return launched_on + LATE_FILING


def days_left(due_on: date | None, today: date) -> int | None:
    """How many days are left after today; 0 on the last day, below 0 it is late. None: nothing is due."""
    return None if due_on is None else (due_on - today).days
