"""The hash chain of a journal (shared/hash_chain.py): which fields of an entry and its postings are hashed.

The reports state a journal's head: its sequence and hash.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared import hash_chain

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
    lines = [hash_chain.said(posting, POSTING_FIELDS) for posting in postings]
    return hash_chain.encoded(hash_chain.said(entry, ENTRY_FIELDS) | {"postings": lines})


def next_hash(previous: bytes, entry: Mapping[str, Any], postings: Sequence[Mapping[str, Any]]) -> bytes:
    """The hash of the entry that follows the one with hash `previous`; 32 bytes."""
    return hash_chain.following(previous, encode(entry, postings))
