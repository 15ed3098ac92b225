"""Signatures of what goes out: Standard Webhooks 1.0.0, symmetric (HMAC-SHA256)."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32


def new_secret() -> str:
    """A new signing secret, 32 random bytes in the notation of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers_of(secrets_valid: Sequence[str], event_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers of one attempt at `at_s` (seconds since the epoch, UTC).

    One signature for each secret that is valid now, the newest first: a receiver that knows any one of them
    takes the message, which is what lets a secret be changed without a gap.
    """
    signed = b".".join((event_id.encode(), str(at_s).encode(), body))
    signatures = (hmac.digest(_key(each), signed, hashlib.sha256) for each in secrets_valid)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at_s),
        "webhook-signature": " ".join("v1," + base64.b64encode(each).decode() for each in signatures),
    }


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
