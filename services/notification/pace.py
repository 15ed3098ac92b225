"""How fast mails may leave: a surge of thanks drains at a set rate and delays nothing live."""


class Pace:
    """Evenly spaced turns, `per_second` of them; a pause saves up nothing, so no burst follows it."""

    def __init__(self, per_second: float) -> None:
        self._interval_s = 1 / per_second
        self._next_s = 0.0

    def reserve(self, now_s: float) -> float:
        """Take the next turn; gives the seconds to wait for it. `now_s` is a monotonic clock."""
        turn_s = max(self._next_s, now_s)
        self._next_s = turn_s + self._interval_s
        return turn_s - now_s
