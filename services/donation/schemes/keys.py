"""The companies' public keys: each loaded once, however many notices it checks."""

import base64
import binascii
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

log = structlog.get_logger(__name__)

CACHED: Final = 512
"""Keys kept loaded: some channels' worth, each of some kilobytes."""
_ALWAYS: Final = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_PADDING: Final = PKCS1v15()
_HASH: Final = SHA256()


class NotAKey(ValueError):
    """A text that is no RSA public key and no certificate of one."""


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """A public key and the time it counts in (UTC); one that is not in a certificate counts always."""

    public: RSAPublicKey
    since: datetime = _ALWAYS[0]
    until: datetime = _ALWAYS[1]

    def signed(self, signature: bytes, message: bytes, now: datetime) -> bool:
        """Whether this is the key's signature (RSA-SHA256, PKCS #1 v1.5) of the message."""
        if not self.since <= now <= self.until:
            return False
        try:
            self.public.verify(signature, message, _PADDING, _HASH)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=CACHED)
def platform_key(text: str) -> PlatformKey:
    """Read a certificate or a public key: PEM, or the bare base64 of a key's DER. Raises NotAKey."""
    if "BEGIN CERTIFICATE" in text:
        return key_of_certificate(certificates(text)[0])
    try:
        if "BEGIN" in text:
            public = load_pem_public_key(text.encode())
        else:
            public = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise NotAKey(str(error)) from None
    if not isinstance(public, RSAPublicKey):
        raise NotAKey("not an RSA key")
    return PlatformKey(public)


def platform_keys(texts: Iterable[str]) -> list[PlatformKey]:
    """The keys that can be read: a text that is none proves nothing and hinders no other."""
    keys = []
    for text in texts:
        try:
            keys.append(platform_key(text))
        except NotAKey as error:
            log.error("platform_key_unreadable", error=str(error)[:200])
    return keys


def certificates(text: str) -> list[x509.Certificate]:
    """The certificates of a PEM, one at least. Raises NotAKey."""
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except (ValueError, TypeError) as error:
        raise NotAKey(str(error)) from None


def key_of_certificate(certificate: x509.Certificate) -> PlatformKey:
    """The key in a certificate, as long as that is valid. Raises NotAKey."""
    try:
        public = certificate.public_key()
    except (ValueError, TypeError) as error:
        raise NotAKey(str(error)) from None
    if not isinstance(public, RSAPublicKey):
        raise NotAKey("not an RSA key")
    return PlatformKey(public, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def signature_bytes(text: str) -> bytes:
    """A signature in base64; empty when it is none, which fits nothing."""
    with contextlib.suppress(ValueError):
        return base64.b64decode(text, validate=True)
    return b""
