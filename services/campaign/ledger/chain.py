"""The hash chain of a journal: a row that is changed, removed or put in afterwards is found.

hash = SHA-256(hash before ‖ encoding), the first hash before being 32 zero bytes. The encoding is the entry
as a JSON object in UTF-8 in the form of RFC 8785: keys sorted, no white space, what is null left out; dates
as 2026-12-31, times as 2026-12-31T12:00:00.000000Z. A field that is added later is null in older rows and so
leaves their hashes as they are; nothing else about this may ever change. Whoever holds a journal's head (its
sequence and hash, as the reports state it) can prove every entry before it without trusting this service.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

NO_HASH: Final = bytes(32)
"""What stands before the first entry."""

ENTRY_FIELDS: Final = (
    "journal",
    "sequence",
    "kind",
    "booked_on",
    "event_on",
    "recorded_at",
    "recorded_by",
    "confirmed_by",
    "source",
    "first_sequence",
    "last_sequence",
    "donations",
    "reversals",
    "subject",
    "reverses",
    "note",
)
POSTING_FIELDS: Final = ("account", "campaign_id", "side", "amount_fen")


def encode(entry: Mapping[str, Any], postings: Sequence[Mapping[str, Any]]) -> bytes:
    """An entry with its postings, in the order of their lines, as the bytes that are hashed."""
    said: dict[str, Any] = _said(entry, ENTRY_FIELDS)
    said["postings"] = [_said(posting, POSTING_FIELDS) for posting in postings]
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def next_hash(previous: bytes, entry: Mapping[str, Any], postings: Sequence[Mapping[str, Any]]) -> bytes:
    """The hash of the entry that follows the one with hash `previous`; 32 bytes."""
    return hashlib.sha256(previous + encode(entry, postings)).digest()


def _said(values: Mapping[str, Any], fields: Sequence[str]) -> dict[str, int | str]:
    return {name: _plain(values[name]) for name in fields if values[name] is not None}


def _plain(value: Any) -> int | str:
    if isinstance(value, int | str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else str(value)
