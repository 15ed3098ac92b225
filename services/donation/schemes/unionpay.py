"""Back notices of UnionPay (中国银联), version 5.1.0, and of the banks' e-CNY gateways that speak the same.

The body is a form. Signed is the hexadecimal SHA-256 of what the fields decode to (all but `signature`, none
that is empty), sorted by name and joined as name=value by `&`; the signature is RSA-SHA256 of that text of 64
digits. The certificate of the key comes in the form (`signPubKeyCert`): it counts only when it chains to the
root the channel trusts and bears UnionPay's name.

Money moved when `respCode` is 00, or A6 (done, with something that UnionPay looks into). `txnType` 01 is a
payment, 04 a refund, 31 the cancellation of a payment; the last two name the payment in `origQryId`.

Source: «银联全渠道系统商户接入接口规范» 5.1.0 and the development kit's description of notices.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509.oid import NameOID

from services.donation.schemes import passback
from services.donation.schemes.keys import (
    CACHED,
    NotAKey,
    PlatformKey,
    certificates,
    key_of_certificate,
    signature_bytes,
)
from services.donation.schemes.notices import (
    BEIJING,
    Meaning,
    NoMoney,
    donation,
    fields_of,
    forged,
    named,
    reversal,
    unusable,
)
from services.donation.schemes.settings import UnionpaySettings

VERSION: Final = "5.1.0"
RSA: Final = "01"
YUAN: Final = "156"
"""CNY in ISO 4217's numbers."""
MAX_CHAIN: Final = 4
_DONE: Final = frozenset({"00", "A6"})
_REVERSALS: Final = {"04": "refund", "31": "void"}
_TIME: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_FEN: Final = re.compile(r"\d{1,14}", re.ASCII)


def read(settings: UnionpaySettings, trusted: Iterable[str], body: bytes, now: datetime) -> Meaning:
    """Check a notice and say what it means. `trusted`: PEMs of the root and what lies between; `now` in UTC.

    Raises BadNotice: 401 when it is not proved, 400 when it is no form, 422 when it can't be booked.
    """
    fields = {name: value for name, value in fields_of(body).items() if value}
    _check_signature(settings, tuple(trusted), fields, now)
    if fields.get("merId") != settings.mer_id:
        raise unusable("merId is another merchant's.")
    kind = named(fields, "txnType")
    if kind != "01" and kind not in _REVERSALS:
        return NoMoney(f"txnType {kind[:4]}")
    if fields.get("respCode") not in _DONE:
        return NoMoney(f"respCode {fields.get('respCode', '')[:4]}")
    if fields.get("currencyCode", YUAN) != YUAN:
        raise unusable("currencyCode is not 156.")
    return _moved(fields, kind, settings, now)


def signed_text(fields: Mapping[str, str]) -> bytes:
    """What UnionPay signs."""
    text = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if name != "signature")
    return hashlib.sha256(text.encode()).hexdigest().encode()


def _check_signature(
    settings: UnionpaySettings, trusted: tuple[str, ...], fields: Mapping[str, str], now: datetime
) -> None:
    if fields.get("version") != VERSION or fields.get("signMethod") != RSA:
        raise forged("signature-missing", "Only version 5.1.0 with signMethod 01 is taken.")
    if "signature" not in fields or "signPubKeyCert" not in fields:
        raise forged("signature-missing", "signature or signPubKeyCert is missing.")
    try:
        key = _signing_key(fields["signPubKeyCert"], trusted, settings.signer, settings.sha1_certificates)
    except NotAKey as error:
        raise forged("unknown-certificate", f"signPubKeyCert does not count here: {error}.") from None
    if not key.signed(signature_bytes(fields["signature"]), signed_text(fields), now):
        raise forged("signature-wrong", "The signature does not fit the fields, or its certificate is over.")


@lru_cache(maxsize=CACHED)
def _signing_key(pem: str, trusted: tuple[str, ...], signer: str, sha1: bool) -> PlatformKey:  # noqa: FBT001
    """The key of a certificate that chains to a trusted root and bears the signer's name, for as long as all
    of the chain is valid. Raises NotAKey.
    """
    leaf = certificates(pem)[0]
    if _owner(leaf) != signer:
        raise NotAKey("it is not the signer's")
    chain = _chain(leaf, [each for text in trusted for each in certificates(text)], sha1=sha1)
    since = max(each.not_valid_before_utc for each in chain)
    until = min(each.not_valid_after_utc for each in chain)
    return PlatformKey(key_of_certificate(leaf).public, since, until)


def _owner(leaf: x509.Certificate) -> str:
    """Whose certificate it is: CFCA writes the common name as 041@number@owner@number."""
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    parts = name.split("@")
    return parts[2] if len(parts) > 2 else name


def _chain(leaf: x509.Certificate, trusted: list[x509.Certificate], *, sha1: bool) -> list[x509.Certificate]:
    """The certificates from one to a root among the trusted ones."""
    chain = [leaf]
    while len(chain) < MAX_CHAIN:
        issuer = next((each for each in trusted if _issued(chain[-1], each, sha1=sha1)), None)
        if issuer is None:
            raise NotAKey("it does not chain to a trusted root")
        chain.append(issuer)
        if issuer.issuer == issuer.subject:
            return chain
    raise NotAKey("its chain is too long")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, *, sha1: bool) -> bool:
    if certificate.issuer != issuer.subject or not _may_issue(issuer):
        return False
    try:
        algorithm = certificate.signature_hash_algorithm
        if sha1 and isinstance(algorithm, SHA1):  # which cryptography's own check never takes
            signed = certificate.tbs_certificate_bytes
            key_of_certificate(issuer).public.verify(certificate.signature, signed, PKCS1v15(), algorithm)
        else:
            certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _may_issue(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _moved(fields: Mapping[str, str], kind: str, settings: UnionpaySettings, now: datetime) -> Meaning:
    moved: dict[str, Any] = {"amount_fen": _fen(fields), "occurred_at": _time(named(fields, "txnTime"))}
    if kind == "01":
        said = passback.read(_reserved(fields), settings)
        return donation({"transaction_id": named(fields, "queryId"), **moved, **said}, now)
    ids = {"reversal_id": named(fields, "queryId"), "transaction_id": named(fields, "origQryId")}
    return reversal({**ids, "kind": _REVERSALS[kind], **moved}, now)


def _reserved(fields: Mapping[str, str]) -> str:
    """The order's own text: UnionPay advises base64 where it has other than ASCII."""
    text = fields.get("reqReserved", "")
    if passback.is_ours(text):
        return text
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""


def _fen(fields: Mapping[str, str]) -> int:
    text = named(fields, "txnAmt")
    if not _FEN.fullmatch(text):
        raise unusable("txnAmt is not a number of fen.")
    return int(text)


def _time(text: str) -> str:
    match = _TIME.fullmatch(text)
    if match is None:
        raise unusable("txnTime is not like 20270101201500.")
    year, month, day, hour, minute, second = match.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}{BEIJING}"
