"""The hash chain of the audit log: a row that is changed, removed or put in afterwards is found.

hash = SHA-256(hash before ‖ encoding), the first hash before being 32 zero bytes. The encoding is the row as
a JSON object in UTF-8 in the form of RFC 8785: keys sorted, no white space, what is null left out; times as
2026-12-31T12:00:00.000000Z. It is that of the ledger (services/campaign/ledger/chain.py); whoever keeps a
row's sequence and hash can prove every row before it without trusting the console.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

NO_HASH: Final = bytes(32)
"""What stands before the first row."""

FIELDS: Final = (
    "sequence",
    "at",
    "kind",
    "person",
    "roles",
    "address",
    "method",
    "service",
    "path",
    "status",
    "idempotency_key",
    "summary",
)


def encoded(row: Mapping[str, Any]) -> bytes:
    """What is hashed of a row."""
    said = {field: _plain(row[field]) for field in FIELDS if row[field] is not None}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def next_hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The hash of a row that stands behind `previous`."""
    return hashlib.sha256(previous + encoded(row)).digest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value
