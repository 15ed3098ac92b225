"""The keys of a channel: made by us, or read from what a payment company gives out. Pure but for randomness.

A private key of anybody is never taken: whoever could sign in a company's name could make donations.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from services.donation.channels.schemes import PURPOSES_OF, Purpose, Scheme
from services.donation.signatures import new_secret
from shared.refusals import Refused

MAX_CERTIFICATES: Final = 5
"""Certificates in one PEM: a chain has three."""
MIN_RSA_BITS: Final = 2048
APIV3_BYTES: Final = 32
_CERTIFICATE: Final = "-----BEGIN CERTIFICATE-----"
_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*")


class KeyUnusable(Refused):
    """What was given is not a key of that purpose."""

    code = "key-unusable"
    title = "The key can't be used"
    status = 422


@dataclass(frozen=True, slots=True)
class Material:
    """A key ready to be sealed. `key_id` None: to be numbered. `fingerprint`: SHA-256 of what is public, in
    hex; None for a secret. `valid_until` (UTC): when its certificate ends.
    """

    secret: str = field(repr=False)
    key_id: str | None = None
    fingerprint: str | None = None
    valid_until: datetime | None = None


def material_of(
    scheme: Scheme, purpose: Purpose, given: str | None, key_id: str | None, now: datetime
) -> Material:
    """The key to keep. `given`: as the company gives it out; None for a signing secret, which is made here.

    Raises KeyUnusable naming the field. Nothing of the key itself stands in its text.
    """
    if purpose not in PURPOSES_OF[scheme]:
        allowed = ", ".join(sorted(PURPOSES_OF[scheme])) or "none"
        raise KeyUnusable(f"A channel of {scheme} has keys for: {allowed}.", fields=["purpose"])
    if purpose == "signing":
        if given is not None or key_id is not None:
            raise KeyUnusable("A signing secret and its number are made here.", fields=["key", "key_id"])
        return Material(new_secret())
    if given is None:
        raise KeyUnusable("Give the key as the company shows it.", fields=["key"])
    if purpose == "apiv3":
        if len(given.encode()) != APIV3_BYTES or not given.isascii():
            raise KeyUnusable("An APIv3 key has exactly 32 ASCII characters.", fields=["key"])
        return Material(given, key_id)
    if _CERTIFICATE in given:
        return _certificates(given, key_id, now)
    return _public_key(scheme, given, key_id)


def _certificates(given: str, key_id: str | None, now: datetime) -> Material:
    found = _read_certificates(given)
    for certificate in found:
        _check_strength(certificate.public_key())
        if certificate.not_valid_after_utc <= now:
            ended = certificate.not_valid_after_utc.date().isoformat()
            raise KeyUnusable(f"A certificate was valid until {ended}.", fields=["key"])
    digest = hashlib.sha256(b"".join(each.public_bytes(Encoding.DER) for each in found)).hexdigest()
    return Material(
        "".join(each.public_bytes(Encoding.PEM).decode() for each in found),
        key_id or f"{found[0].serial_number:X}",
        digest,
        min(each.not_valid_after_utc for each in found).astimezone(UTC),
    )


def _read_certificates(given: str) -> Sequence[x509.Certificate]:
    if "PRIVATE KEY" in given:
        raise _private()
    try:
        found = x509.load_pem_x509_certificates(given.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise KeyUnusable("This is not a certificate in PEM.", fields=["key"]) from None
    if len(found) > MAX_CERTIFICATES:
        raise KeyUnusable(f"Give at most {MAX_CERTIFICATES} certificates at once.", fields=["key"])
    return found


def _public_key(scheme: Scheme, given: str, key_id: str | None) -> Material:
    key = _read_public_key(given)
    _check_strength(key)
    if scheme == "wechatpay" and key_id is None:
        detail = "Give the public key's id as the merchant platform shows it, PUB_KEY_ID_…"
        raise KeyUnusable(detail, fields=["key_id"])
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256(der).hexdigest()
    return Material(pem, key_id or digest[:16], digest)


def _read_public_key(given: str) -> PublicKeyTypes:
    """A key in PEM, or as the bare base64 of its DER, which Alipay's console shows."""
    if "PRIVATE KEY" in given:
        raise _private()
    try:
        if "-----BEGIN" in given:
            return load_pem_public_key(given.encode())
        if _BASE64.fullmatch(given):
            return load_der_public_key(base64.b64decode(given))
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        pass
    raise KeyUnusable("This is no public key or certificate in PEM.", fields=["key"])


def _private() -> KeyUnusable:
    detail = "This is a private key. Keep it where it is, and give the public key or the certificate."
    return KeyUnusable(detail, fields=["key"])


def _check_strength(key: object) -> None:
    """All three companies sign with RSA; what is shorter than 2048 bits can be forged."""
    if not isinstance(key, RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise KeyUnusable(f"Only RSA keys of {MIN_RSA_BITS} bits or more are taken.", fields=["key"])
