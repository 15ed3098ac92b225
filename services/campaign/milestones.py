"""Goal and milestones: amounts of net received money, each announced once, when it is first reached.

Net received is received − reversed. A refund that takes the sum back below a milestone announces nothing, and
reaching it again announces nothing either: what was announced on a screen can't be unsaid.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.money import MAX_AMOUNT_FEN
from shared.refusals import Refused

DEFAULT_PERCENTS: Final = (25, 50, 75, 100)
MAX_MILESTONES: Final = 20


class MilestonesContradict(Refused):
    """Two lists of milestones, or percentages of nothing."""

    code = "milestones-contradict"
    title = "The milestones contradict the plan"
    status = 422


class ThresholdKind(StrEnum):
    """The goal, or a milestone on the way to it and beyond."""

    MILESTONE = "milestone"
    GOAL = "goal"


@dataclass(frozen=True, slots=True)
class Threshold:
    """An amount of net received money (fen) that is announced when it is reached."""

    campaign_id: str
    kind: ThresholdKind
    threshold_fen: int


def milestones_of_percents(goal_fen: int, percents: Iterable[int]) -> tuple[int, ...]:
    """Milestones in fen for percentages of the goal, ascending, each once.

    Rounded up, so that "25 % reached" is never said a fen too early.
    """
    return tuple(sorted({-(-goal_fen * percent // 100) for percent in percents}))


def planned(
    goal_fen: int | None, *, percents: Iterable[int] | None, explicit_fen: Iterable[int] | None
) -> tuple[int, ...]:
    """The milestones of a plan in fen: as stated, or DEFAULT_PERCENTS of the goal when nothing is stated.

    Raises MilestonesContradict when both forms are there, percentages of a goal that isn't, or when one is
    larger than any amount may be.
    """
    if explicit_fen is not None:
        if percents is not None:
            raise MilestonesContradict(
                "Send milestone_percents or milestones_fen, not both.", fields=["milestones_fen"]
            )
        return tuple(sorted(set(explicit_fen)))
    if goal_fen is None:
        if percents:
            raise MilestonesContradict("Percentages need a goal_fen.", fields=["milestone_percents"])
        return ()
    milestones = milestones_of_percents(goal_fen, DEFAULT_PERCENTS if percents is None else percents)
    if milestones and milestones[-1] > MAX_AMOUNT_FEN:
        raise MilestonesContradict(
            f"A milestone is at most {MAX_AMOUNT_FEN} fen.", fields=["milestone_percents"]
        )
    return milestones


def thresholds(campaign_id: str, goal_fen: int, milestones_fen: Iterable[int]) -> tuple[Threshold, ...]:
    """Everything a campaign announces, in the order in which it is reached."""
    milestones = (Threshold(campaign_id, ThresholdKind.MILESTONE, fen) for fen in sorted(set(milestones_fen)))
    return (*milestones, Threshold(campaign_id, ThresholdKind.GOAL, goal_fen))


def reached(waiting: Iterable[Threshold], net_received_fen: int) -> list[Threshold]:
    """Those of the waiting thresholds that the net received sum has come to, lowest first, the goal last."""
    crossed = [threshold for threshold in waiting if net_received_fen >= threshold.threshold_fen]
    return sorted(crossed, key=lambda each: (each.threshold_fen, each.kind is ThresholdKind.GOAL))
