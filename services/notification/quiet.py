"""Quiet hours: when nobody is written to, by the clock of Shanghai. Messages wait till they end."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Final, Self
from zoneinfo import ZoneInfo

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
_SPAN: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Quiet:
    """From `start` up to `end`, which may lie on the next day; the same twice: never."""

    start: time
    end: time

    @classmethod
    def read(cls, text: str) -> Self:
        """From "22:00-08:00"; an empty text is never. Raises ValueError."""
        if not text:
            return cls(time(), time())
        found = _SPAN.fullmatch(text)
        if found is None:
            raise ValueError("not hours like 22:00-08:00")
        start_hour, start_minute, end_hour, end_minute = map(int, found.groups())
        return cls(time(start_hour, start_minute), time(end_hour, end_minute))

    def holds(self, now: datetime) -> bool:
        """Whether it is quiet now (UTC, or any time that knows its offset)."""
        clock = now.astimezone(SHANGHAI).time()
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


def today() -> datetime:
    """The moment, as days are counted: in Shanghai."""
    return datetime.now(UTC).astimezone(SHANGHAI)
