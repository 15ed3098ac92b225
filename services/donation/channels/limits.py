"""How much may come how fast."""

import math
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Bucket:
    """A token bucket: `per_second` on average, as many at once."""

    per_second: int
    tokens: float = 0.0
    at_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.tokens = float(self.per_second)

    def take(self, count: int = 1) -> bool:
        """Take `count` tokens, all or none. More than the bucket holds are taken when it is full, and what
        comes after waits until they are there again.
        """
        now_s = time.monotonic()
        self.tokens = min(self.per_second, self.tokens + (now_s - self.at_s) * self.per_second)
        self.at_s = now_s
        if self.tokens < min(count, self.per_second):
            return False
        self.tokens -= count
        return True

    def wait_s(self, count: int = 1) -> int:
        """After how many whole seconds so many can be taken, at least 1."""
        return max(1, math.ceil((min(count, self.per_second) - self.tokens) / self.per_second))
