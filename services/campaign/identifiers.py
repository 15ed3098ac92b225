"""Ids of pledges and disbursements: UUIDs that sort by the time they were made (RFC 9562, version 7)."""

import secrets
import time
from uuid import UUID


def new_id() -> UUID:
    """A new id: 48 bits of UTC milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    high, low = secrets.randbits(12), secrets.randbits(62)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
