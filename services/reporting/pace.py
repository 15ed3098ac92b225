"""The pace of donations: averages over the last minutes up to this second, from sums by whole minutes."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from services.reporting.schemas import Pace

WINDOWS_MINUTES: Final = (1, 5, 15)
LOOK_BACK: Final = timedelta(minutes=max(WINDOWS_MINUTES) + 1)
_MINUTE: Final = timedelta(minutes=1)


def paces(arrivals: Iterable[Mapping[str, Any]], now: datetime) -> list[Pace]:
    """One campaign's pace in each window. `arrivals` have minute (UTC), donations and received_fen.

    Of the minute in which a window begins only the part inside counts, as if it had been even.
    """
    rows = list(arrivals)
    return [_pace(rows, now, minutes) for minutes in WINDOWS_MINUTES]


def _pace(arrivals: Iterable[Mapping[str, Any]], now: datetime, minutes: int) -> Pace:
    start = now - minutes * _MINUTE
    donations, fen = 0.0, 0.0
    for row in arrivals:
        share = min(1.0, max(0.0, (row["minute"] + _MINUTE - start) / _MINUTE))
        donations += share * row["donations"]
        fen += share * row["received_fen"]
    return Pace(
        over_minutes=minutes,
        donations_per_minute=round(donations / minutes, 2),
        fen_per_minute=round(fen / minutes),
    )
