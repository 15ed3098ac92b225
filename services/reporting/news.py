"""What is new in a campaign's totals on its way to the screen: since when it is known to us, and whose traces
follow it. It goes along as the headers of the record on `totals`, so that a state stays the same bytes.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from services.reporting.metrics import SHOWN_LAG_SECONDS
from shared import tracing
from shared.broker import Headers

RECEIVED_AT: Final = "received-at"
"""Milliseconds since 1970 UTC, in decimal text."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class News:
    """`received_at`: of the oldest donation that is new; `places`: of its traces, MAX_TRACES at most."""

    received_at: datetime | None = None
    places: tuple[str, ...] = ()

    def and_then(self, later: Self) -> "News":
        """Both in one."""
        known = [at for at in (self.received_at, later.received_at) if at is not None]
        return News(min(known, default=None), (*self.places, *later.places)[: tracing.MAX_TRACES])

    def headers(self) -> list[tuple[str, bytes | None]]:
        """What a record says of it; of the traces, where they are by now."""
        if self.received_at is None:
            return list(tracing.headers())
        ms = (self.received_at - _EPOCH) // timedelta(milliseconds=1)
        return [(RECEIVED_AT, str(ms).encode()), *tracing.headers()]

    @classmethod
    def of(cls, headers: Headers) -> Self:
        """What a record says. What can't be read is nothing."""
        said = next((value for name, value in headers if name == RECEIVED_AT), None)
        ms = int(said) if said is not None and said.isdigit() and len(said) < 15 else None
        received_at = None if ms is None else _EPOCH + timedelta(milliseconds=ms)
        return cls(received_at, tuple(tracing.traces_of(headers)))


class Awaited:
    """The news that wait for their campaign's next frame."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[News, int]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def expect(self, campaign_id: str, news: News) -> None:
        """A state came with these; its frame, or one that has it in it, will follow."""
        if news.received_at is not None or news.places:
            before, heard_ns = self._waiting.get(campaign_id, (News(), time.time_ns()))
            self._waiting[campaign_id] = before.and_then(news), heard_ns

    def shown(self, campaign_id: str, streams: int) -> None:
        """The campaign's newest state has been handed to so many streams."""
        news, heard_ns = self._waiting.pop(campaign_id, (News(), 0))
        if news.received_at is not None:
            lag = datetime.now(UTC) - news.received_at
            SHOWN_LAG_SECONDS.observe(max(0.0, lag.total_seconds()))
        with tracing.going_on(
            news.places, "show totals", attributes={"shanliu.streams": streams}, begun_ns=heard_ns
        ):
            pass
