"""The chain of `previous` on an event topic: whether a consumer that reads it misses nothing. Pure."""

from enum import Enum


class Link(Enum):
    """What an event is to a consumer that has read everything before it."""

    NEXT = "next"
    REPEAT = "repeat"
    EARLY = "early"
    TORN = "torn"


class Chains:
    """Follows every source's chain, in the order of the log."""

    def __init__(self) -> None:
        self.marks: dict[str, int] = {}
        self.repeats = 0
        self.torn: list[str] = []
        self._early: dict[str, int] = {}

    def take(self, source: str, sequence: int, previous: int) -> Link:
        """Judge the next event. TORN: it denies an event that lies between it and its `previous`."""
        mark = self.marks.get(source, -1)
        if sequence <= mark:
            self.repeats += 1
            return Link.REPEAT
        if previous > mark:
            self._early[source] = max(sequence, self._early.get(source, -1))
            return Link.EARLY
        self.marks[source] = sequence
        if previous < mark:
            self.torn.append(f"{source}:{sequence} names {previous} as the event before it, which is {mark}")
            return Link.TORN
        return Link.NEXT

    @property
    def gaps(self) -> list[str]:
        """Sources with an event that came too early and whose rightful copy is not there."""
        return [
            f"{source} ends at {self.marks.get(source, -1)} for whoever reads it, but has an event {early}"
            for source, early in sorted(self._early.items())
            if early > self.marks.get(source, -1)
        ]
