"""The hash chain of the audit log (shared/hash_chain.py): which fields of a row are hashed."""

from collections.abc import Mapping
from typing import Any, Final

from shared import hash_chain

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


def next_hash(previous: bytes, row: Mapping[str, Any]) -> bytes:
    """The hash of a row that stands behind `previous`."""
    return hash_chain.following(previous, hash_chain.encoded(hash_chain.said(row, FIELDS)))
