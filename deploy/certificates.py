"""Certificates of our own: an authority, and a certificate with its key for each server and each of the few
clients that come in by one (RFC 5280). For what talks to itself; what the public reaches has a public one.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.credentials import write_private
from deploy.local.problems import StackProblem

AUTHORITY: Final = "ca.pem"
AUTHORITY_KEY: Final = "ca-key.pem"
AUTHORITY_DAYS: Final = 3_650
DAYS: Final = 397
"""A year, and a month to renew in."""
RENEWED_BEFORE: Final = timedelta(days=30)
AUTHORITY_RENEWED_BEFORE: Final = timedelta(days=DAYS) + RENEWED_BEFORE
"""An authority outlives what it signs."""
BACKDATED: Final = timedelta(minutes=10)
"""Clocks of other machines may be behind."""
OWNER_ONLY: Final = 0o600
SERVER: Final = ExtendedKeyUsageOID.SERVER_AUTH
_WRITTEN: Final = re.compile(r"([a-z0-9][a-z0-9-]*)(\+client)?(?:=([\w.:-]+(?:,[\w.:-]+)*))?", re.ASCII)
CLIENT: Final = ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Wanted:
    """One certificate: whose (its CN), under which names and addresses it is reached, and whether it also
    proves who calls. Without names it is a client's alone.
    """

    name: str
    hosts: tuple[str, ...] = ()
    client: bool = False

    @property
    def uses(self) -> list[x509.ObjectIdentifier]:
        """What its holder may prove."""
        return ([SERVER] if self.hosts else []) + ([CLIENT] if self.client or not self.hosts else [])

    @property
    def alternatives(self) -> list[x509.GeneralName]:
        """The names as a certificate has them."""
        return [_general(host) for host in self.hosts]

    @property
    def file(self) -> str:
        """Where it lies: key and certificate in one file, as Kafka, PostgreSQL and OpenSSL read it."""
        return f"{self.name}.pem"


def wanted(text: str) -> Wanted:
    """NAME, NAME=HOST,… or NAME+client=HOST,…. Raises StackProblem for anything else."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise StackProblem(f"{text!r} is no certificate: NAME, NAME=HOST,… or NAME+client=HOST,…")
    name, client, hosts = found.groups()
    return Wanted(name, tuple(hosts.split(",")) if hosts else (), client=client is not None)


@dataclass(frozen=True, slots=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def write_certificates(
    folder: Path, certificates: Sequence[Wanted], *, mode: int = OWNER_ONLY, renew: bool = False
) -> Mapping[str, datetime]:
    """Make in `folder` what is missing, runs out within 30 days, has other names or another authority's
    signature; with `renew` each of `certificates`. What is good stays as it is, byte for byte.

    Gives the end of each certificate by its file's name, `ca.pem` among them. `ca.pem` holds the newest
    authority and those before it that still are valid; its key never leaves `folder`, mode 0600. `mode` is
    that of the others' keys. Raises StackProblem.
    """
    now = datetime.now(UTC)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = _authority(folder, now)
        ends = {AUTHORITY: authority.certificate.not_valid_after_utc}
        for each in certificates:
            path = folder / each.file
            if renew or not _good(path, each, authority, now):
                _write(path, _signed(each, authority, now), mode)
            path.chmod(mode)
            ends[each.file] = _first(path).not_valid_after_utc
    except (OSError, ValueError) as error:
        raise StackProblem(f"{folder}: {error}.") from error
    return ends


def _authority(folder: Path, now: datetime) -> _Authority:
    """The one that signs now, made when there is none or it would not outlive what it signs."""
    public, private = folder / AUTHORITY, folder / AUTHORITY_KEY
    if public.exists() and private.exists():
        certificate = _first(public)
        if certificate.not_valid_after_utc - now > AUTHORITY_RENEWED_BEFORE:
            key = load_pem_private_key(private.read_bytes(), None)
            if (
                not isinstance(key, ec.EllipticCurvePrivateKey)
                or key.public_key() != certificate.public_key()
            ):
                raise StackProblem(f"{private} is not the key of {public}.")
            return _Authority(certificate, key)
    earlier = [each for each in _all(public) if each.not_valid_after_utc > now]
    made = _new_authority(now)
    write_private(private, _key_pem(made.key))
    _write(public, "".join(_pem(each) for each in [made.certificate, *earlier]), 0o644)
    return made


def _new_authority(now: datetime) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Shanliu {now:%Y-%m-%d}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Authority(certificate, key)


def _signed(wanted: Wanted, authority: _Authority, now: datetime) -> str:
    """A new key and its certificate, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.name)]))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(wanted.uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), critical=False)
    )
    if wanted.hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(wanted.alternatives), critical=False)
    return _key_pem(key) + _pem(builder.sign(authority.key, hashes.SHA256()))


def _good(path: Path, wanted: Wanted, authority: _Authority, now: datetime) -> bool:
    """Whether what lies there can stay."""
    if not path.exists():
        return False
    found = _first(path)
    try:
        found.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    says = {type(each.value): each.value for each in found.extensions}
    lasts = found.not_valid_after_utc - now > RENEWED_BEFORE
    names = list(says.get(x509.SubjectAlternativeName, ()))
    uses = list(says.get(x509.ExtendedKeyUsage, ()))
    return lasts and names == wanted.alternatives and uses == wanted.uses


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _all(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes()) if path.exists() else []


def _first(path: Path) -> x509.Certificate:
    return _all(path)[0]


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _write(path: Path, text: str, mode: int) -> None:
    """Never half a file, and never one that others can read for a moment."""
    write_private(path, text)
    path.chmod(mode)
