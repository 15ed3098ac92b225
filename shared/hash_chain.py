"""Hash chains of append-only tables: a row that is changed, removed or put in afterwards is found.

hash = SHA-256(hash before ‖ encoding), the first hash before being 32 zero bytes. The encoding is the row as
a JSON object in UTF-8 in the form of RFC 8785: keys sorted, no white space, what is null left out; dates as
2026-12-31, times as 2026-12-31T12:00:00.000000Z. A field that is added later is null in older rows and so
leaves their hashes as they are; nothing else about this may ever change. Whoever holds a row's sequence and
hash can prove every row before it without trusting the service that keeps them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

NO_HASH: Final = bytes(32)
"""What stands before the first row."""


def said(values: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """What is hashed of a row's fields."""
    return {name: _plain(values[name]) for name in fields if values[name] is not None}


def encoded(what: Mapping[str, Any]) -> bytes:
    """The bytes that are hashed of what `said` gives."""
    return json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def following(previous: bytes, row: bytes) -> bytes:
    """The hash of a row, encoded, that stands behind the one with hash `previous`; 32 bytes."""
    return hashlib.sha256(previous + row).digest()


def _plain(value: Any) -> int | str | list[Any]:
    if isinstance(value, int | str | list):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else str(value)
