"""How a part (分活动) goes with its parent. Pure.

A part is a campaign with a goal, a fund and a life of its own, one level below its parent. It runs under the
parent's filing number (Charity Law art. 24: the filed plan covers it), so it is launched only while the
parent is, and is paused and closed with it at the latest. The parent is settled when its parts are.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final

from services.campaign.lifecycle import Action, State
from shared.events.campaigns import CampaignKind
from shared.refusals import Refused

MAX_PARTS: Final = 200
"""Parts of one campaign: what a parent shows is read with each change of one of them."""

PAUSED_WITH_PARENT: Final = "pause_with_parent"


class PartKind(StrEnum):
    """Who raises."""

    TEAM = "team"
    COUNTY = "county"
    COMPANY = "company"
    OTHER = "other"


class NoPartsOfParts(Refused):
    """A part of a part."""

    code = "part-of-part"
    title = "A part has no parts of its own"


class TooManyParts(Refused):
    """More parts than a parent can show."""

    code = "too-many-parts"
    title = "The campaign has as many parts as it can have"


class ParentOver(Refused):
    """A new part of a campaign that is over."""

    code = "parent-over"
    title = "The campaign takes no parts any more"


class OtherKind(Refused):
    """A part whose plan says it is of another kind than its parent."""

    code = "part-of-other-kind"
    title = "A part is of its parent's kind"
    status = 422


class OutsideWindow(Refused):
    """A part that raises before or after its parent."""

    code = "part-outside-window"
    title = "The part's window leaves its parent's"


class FiledWithParent(Refused):
    """A filing number for a part."""

    code = "part-filed-with-parent"
    title = "A part runs under its parent's filing number"


class ParentNotLaunched(Refused):
    """Launching a part whose parent does not raise."""

    code = "parent-not-launched"
    title = "The parent is not launched"


class ParentSettled(Refused):
    """Opening a part again whose parent is settled."""

    code = "parent-settled"
    title = "The parent is settled"


class PartsNotSettled(Refused):
    """Settling a parent before its parts."""

    code = "parts-not-settled"
    title = "Parts of the campaign are not settled"


def require_parent(state: State, *, is_part: bool, parts: int) -> None:
    """Raise NoPartsOfParts, ParentOver or TooManyParts unless a campaign may get another part."""
    if is_part:
        raise NoPartsOfParts("Make it a part of the campaign at the top.")
    if state in (State.CLOSED, State.SETTLED):
        raise ParentOver(f"It is {state}; create a campaign of its own instead.", state=state.value)
    if parts >= MAX_PARTS:
        raise TooManyParts(f"A campaign has at most {MAX_PARTS} parts.", parts=parts)


def require_kind(parent: CampaignKind, part: CampaignKind) -> None:
    """Raise OtherKind unless the part is of its parent's kind."""
    if parent != part:
        raise OtherKind(f"The parent is of the kind {parent}.", fields=["kind"])


def require_inside(
    parent: tuple[datetime | None, datetime | None], part: tuple[datetime | None, datetime | None]
) -> None:
    """Raise OutsideWindow unless the part's window (start, end) lies in its parent's. What is not stated yet
    is no error.
    """
    for name, theirs, ours in zip(("window_start", "window_end"), parent, part, strict=True):
        early = name == "window_start"
        if theirs is not None and ours is not None and (ours < theirs if early else ours > theirs):
            raise OutsideWindow(
                f"The parent's {name} is {theirs.isoformat()}; let the part's lie inside.", fields=[name]
            )


def require_step(action: Action, parent: State) -> None:
    """Raise unless a part may take this step while its parent is in this state."""
    if action is Action.FILE:
        raise FiledWithParent("File the parent; its parts get the number with it.")
    if action is Action.LAUNCH and parent is not State.LAUNCHED:
        raise ParentNotLaunched(f"The parent is {parent}; launch it first.", state=parent.value)
    if action is Action.REOPEN and parent is State.SETTLED:
        raise ParentSettled("Open the parent again first.")


def require_parts_settled(states: Iterable[State]) -> None:
    """Raise PartsNotSettled unless every part is settled, or was never launched."""
    open_parts = sum(state not in (State.DRAFT, State.SETTLED) for state in states)
    if open_parts:
        raise PartsNotSettled(f"{open_parts} parts are not settled. Settle them first.", parts=open_parts)


def following(action: Action, part: State, *, paused_with_parent: bool) -> State | None:
    """The state that a part comes to with its parent's step; None: the step is the parent's alone.

    A part that was paused by itself stays paused when the parent is launched again.
    """
    if action is Action.PAUSE and part is State.LAUNCHED:
        return State.PAUSED
    if action is Action.LAUNCH and part is State.PAUSED and paused_with_parent:
        return State.LAUNCHED
    if action is Action.CLOSE and part in (State.LAUNCHED, State.PAUSED):
        return State.CLOSED
    if action is Action.FILE and part is not State.DRAFT:
        return part
    return None
