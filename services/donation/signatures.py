"""Signatures of channels: Standard Webhooks 1.0.0, symmetric (HMAC-SHA256), tested against their library."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

TOLERANCE_S: Final = 300
PREFIX: Final = "whsec_"
MAX_ID: Final = 256


class NotSigned(Exception):
    """The request does not prove that it comes from the channel. `code` is stable."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def new_secret() -> str:
    """A new signing secret, 32 random bytes in the notation of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a secret in the notation `whsec_<base64>`."""
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)


def verify(keys: Iterable[bytes], headers: Mapping[str, str], body: bytes, now_s: float) -> str:
    """Check a request and give back its webhook-id. `keys`: those that count now; one must fit. `now_s`:
    seconds since the epoch, UTC.

    Raises NotSigned with signature-missing, signature-too-old or signature-wrong. Each signature is compared
    in constant time.
    """
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "")
    if not (message_id and timestamp and signatures) or len(message_id) > MAX_ID:
        raise NotSigned("signature-missing", "Send webhook-id, webhook-timestamp and webhook-signature.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise NotSigned("signature-missing", "webhook-timestamp is not a number of seconds.")
    if abs(now_s - int(timestamp)) > TOLERANCE_S:
        raise NotSigned(
            "signature-too-old", "webhook-timestamp is more than five minutes off; check the clock."
        )
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    candidates = signatures.split(" ")[:10]
    expected = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    if not any([_matches(each, candidate) for each in expected for candidate in candidates]):  # noqa: C419 - all
        raise NotSigned("signature-wrong", "No signature fits the body. Sign the bytes exactly as sent.")
    return message_id


def _matches(expected: bytes, candidate: str) -> bool:
    version, _, encoded = candidate.partition(",")
    if version != "v1":
        return False
    try:
        return hmac.compare_digest(base64.b64decode(encoded, validate=True), expected)
    except (binascii.Error, ValueError):
        return False
