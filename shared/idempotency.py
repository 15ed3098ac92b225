"""Idempotency-Key: a command that comes twice has one effect and one answer.

The key belongs to the person who sent it. Same key and same request: the stored answer, a refusal as well.
Same key and another request: refused, nothing runs. (draft-ietf-httpapi-idempotency-key-header, 2.6 and 2.7)
"""

import hashlib
import json
import re
from datetime import timedelta
from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSON

from shared.refusals import Refused

KEPT: Final = timedelta(days=30)
"""How long an answer is kept. A repeat after that is a new command."""

_KEY: Final = re.compile(r"[\x21-\x7e]{1,128}")


def idempotency_keys_table(metadata: MetaData) -> Table:
    """The answer that was given to each command of a service; kept for KEPT."""
    return Table(
        "idempotency_keys",
        metadata,
        Column("person", Text, primary_key=True),
        Column("idempotency_key", Text, primary_key=True),
        Column("request_hash", LargeBinary, nullable=False),
        Column("refused", Boolean, nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("answer", JSON, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False),
        CheckConstraint("octet_length(request_hash) = 32", name="idempotency_keys_hash"),
        CheckConstraint("status BETWEEN 200 AND 499", name="idempotency_keys_status"),
        Index("idempotency_keys_age", "created_at"),
    )


class KeyMissing(Refused):
    """A POST without Idempotency-Key."""

    code = "idempotency-key-missing"
    title = "The Idempotency-Key header is missing"
    status = 400


class KeyUnusable(Refused):
    """A key that is too long or not printable ASCII."""

    code = "idempotency-key-unusable"
    title = "The Idempotency-Key can't be used"
    status = 400


class KeyReused(Refused):
    """The key of another request."""

    code = "idempotency-key-reused"
    title = "The Idempotency-Key belongs to another request"
    status = 422


def require_key(key: str | None) -> str:
    """Give back the key. Raises KeyMissing, or KeyUnusable unless it is 1 … 128 visible ASCII characters."""
    if key is None:
        raise KeyMissing(
            "Send a new random key, such as a UUID, with each new command; the same one to repeat it.",
            fields=["Idempotency-Key"],
        )
    if not _KEY.fullmatch(key):
        raise KeyUnusable(
            "Use 1 to 128 visible ASCII characters, such as a UUID.", fields=["Idempotency-Key"]
        )
    return key


def request_hash(method: str, path: str, if_match: str | None, body: bytes) -> bytes:
    """What makes two requests the same: method, path, If-Match and what the body says. 32 bytes (SHA-256).

    White space and the order of keys of JSON don't count; of a file every byte does.
    """
    try:
        said = json.dumps(json.loads(body), sort_keys=True).encode() if body else b""
    except (ValueError, RecursionError):
        said = body
    parts = (method.encode(), path.encode(), (if_match or "").encode(), said)
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def require_same_request(stored_hash: bytes, new_hash: bytes) -> None:
    """Raise KeyReused unless the key was used for this very request."""
    if stored_hash != new_hash:
        raise KeyReused(
            "This key was used for another request. Send a new key with a new command.",
            fields=["Idempotency-Key"],
        )
