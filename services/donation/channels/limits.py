"""How much may come how fast."""

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

    def take(self) -> bool:
        """Take one token; False when there is none."""
        now_s = time.monotonic()
        self.tokens = min(self.per_second, self.tokens + (now_s - self.at_s) * self.per_second)
        self.at_s = now_s
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
