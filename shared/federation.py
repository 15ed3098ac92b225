"""Sums that roll up a tree of organisations: a county's into its city's."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

MAX_LEVELS: Final = 16
"""Far above what can be registered; a walk upwards ends here whatever the tree says."""


def roll_up(
    parents: Mapping[str, str | None], own: Mapping[str, Mapping[str, int]]
) -> dict[str, Counter[str]]:
    """Each organisation's sums: its own and those of all below it, each name by itself.

    `parents` names the one above each (None: on top); one above that is not in `parents` is nobody, so what
    is below it stands for itself. What `own` has of an organisation that is not in `parents` is left out.
    """
    sums: dict[str, Counter[str]] = {each: Counter() for each in parents}
    for organisation, figures in own.items():
        above: str | None = organisation
        for _ in range(MAX_LEVELS):
            if above is None or above not in sums:
                break
            sums[above].update(figures)
            above = parents[above]
    return sums
