"""How long one has to wait after wrong passwords: longer each time, for the account and for the address.

Five may be wrong (a person with a new keyboard); from then on each further one doubles the wait, a quarter of
an hour at most, so that nobody can keep the desk out of its account for a night. An address may be a whole
office behind one router: twenty. An hour without a try forgets it all.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

Kind = Literal["account", "address"]

FREE: Final[dict[Kind, int]] = {"account": 5, "address": 20}
FIRST_WAIT: Final = timedelta(seconds=15)
LONGEST_WAIT: Final = timedelta(minutes=15)
FORGOTTEN_AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Tries:
    """What is known of one account or address: wrong tries in a row, the last one, until when it waits."""

    failures: int
    last_at: datetime
    blocked_until: datetime | None = None


def wait_s(known: Tries | None, now: datetime) -> int:
    """Seconds until the next try is listened to, rounded up; 0: now."""
    if known is None or known.blocked_until is None or known.blocked_until <= now:
        return 0
    return -int(-(known.blocked_until - now).total_seconds() // 1)


def failed(kind: Kind, known: Tries | None, now: datetime) -> Tries:
    """What is known after one more wrong try."""
    counts = known is not None and now - known.last_at < FORGOTTEN_AFTER
    failures = (known.failures if known is not None and counts else 0) + 1
    over = failures - FREE[kind]
    if over < 0:
        return Tries(failures, now)
    wait = min(FIRST_WAIT * 2 ** min(over, 10), LONGEST_WAIT)
    return Tries(failures, now, now + wait)
