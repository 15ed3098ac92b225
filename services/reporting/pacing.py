"""Coalescing: a key that is marked often is taken at most once per interval. Without I/O or clock."""


class Pacing:
    """Which keys may be handled when. The first mark after a pause is due at once, so nothing waits that
    need not; marks within the interval are one. `now_s` is any monotonic clock, in seconds.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._marked: set[str] = set()
        self._taken_at_s: dict[str, float] = {}

    @property
    def waiting(self) -> int:
        """Keys that are marked and not taken."""
        return len(self._marked)

    def mark(self, key: str) -> None:
        """There is something to do for a key."""
        self._marked.add(key)

    def due_in_s(self, now_s: float) -> float | None:
        """Seconds until some key may be taken (0: now); None: nothing is marked."""
        if not self._marked:
            return None
        return max(0.0, min(self._due_at_s(key) for key in self._marked) - now_s)

    def take(self, now_s: float) -> set[str]:
        """Take every key that is due; its interval begins now."""
        due = {key for key in self._marked if self._due_at_s(key) <= now_s}
        self._marked -= due
        for key in due:
            self._taken_at_s[key] = now_s
        if len(self._taken_at_s) > 2 * len(due) + 1000:
            self._forget(now_s)
        return due

    def _due_at_s(self, key: str) -> float:
        return self._taken_at_s.get(key, float("-inf")) + self._interval_s

    def _forget(self, now_s: float) -> None:
        """Keys whose interval has passed are as good as new: the memory stays bounded."""
        self._taken_at_s = {
            key: at_s for key, at_s in self._taken_at_s.items() if at_s + self._interval_s > now_s
        }
