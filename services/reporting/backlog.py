"""How old the oldest record is that a group has not read, told from offsets alone (pure).

Who watches may not read the records (deploy/acls.yaml: describe only), so their times are not known. But a
record at an offset was written after the last look that saw the partition end at or before it, so its age is
at most the time since then; a look comes every two seconds, and so exact is the age. A watch that has just
begun counts from its own beginning: of a backlog that it found it knows no more, and says less than is true.
"""

from bisect import bisect_right
from collections.abc import Hashable, Mapping
from typing import Final, Generic, TypeVar

Place = TypeVar("Place", bound=Hashable)

MAX_LOOKS: Final = 512
"""Of one partition; beyond that every second look is forgotten, and the age is as much less exact."""


class Backlog(Generic[Place]):
    """Remembers where partitions ended, for as long as something before that is unread."""

    def __init__(self) -> None:
        self._ends: dict[Place, list[tuple[int, float]]] = {}

    def look(self, now_s: float, places: Mapping[Place, tuple[int, int]]) -> dict[Place, float]:
        """Of each place, given as (committed offset, end offset), the age in seconds of the oldest record
        that is unread; 0: all is read. `now_s` is of a clock that only goes forward. What is not given is
        forgotten.
        """
        self._ends = {place: looks for place, looks in self._ends.items() if place in places}
        return {
            place: self._age_s(self._ends.setdefault(place, []), now_s, committed, end)
            for place, (committed, end) in places.items()
        }

    @staticmethod
    def _age_s(looks: list[tuple[int, float]], now_s: float, committed: int, end: int) -> float:
        looks.append((end, now_s))
        if end <= committed:
            del looks[:-1]
            return 0.0
        before = bisect_right(looks, committed, key=lambda look: look[0])
        del looks[: max(0, before - 1)]
        if len(looks) > MAX_LOOKS:
            del looks[1:-1:2]
        return now_s - looks[0][1]
