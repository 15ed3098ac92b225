"""When a process that has ended is started again: soon, and less soon each time."""

from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 0.5
LONGEST_S: Final = 10.0
STEADY_S: Final = 30.0
"""Who has run this long begins at the shortest pause again."""


@dataclass(slots=True)
class Backoff:
    """Of one process. Times are seconds of any one monotonic clock."""

    pause_s: float = FIRST_S
    due_at: float | None = None
    """When to start it again; None while it runs."""
    started_at: float = 0.0
    restarts: int = 0

    def ended(self, now: float) -> float:
        """It was found ended: the pause until its next start, in seconds."""
        if now - self.started_at >= STEADY_S:
            self.pause_s = FIRST_S
        pause_s, self.pause_s = self.pause_s, min(self.pause_s * 2, LONGEST_S)
        self.due_at = now + pause_s
        return pause_s

    def due(self, now: float) -> bool:
        """True when it has to be started now."""
        return self.due_at is not None and now >= self.due_at

    def started(self, now: float) -> None:
        """It was started again."""
        self.due_at = None
        self.started_at = now
        self.restarts += 1
