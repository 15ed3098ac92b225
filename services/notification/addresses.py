"""Mail addresses: which can be written to, and how one is shown to operators."""

import re
from typing import Final

LOCAL_MAX: Final = 64
ADDRESS_MAX: Final = 254
"""Octets, RFC 5321 4.5.3.1 with the angle brackets taken off."""

_LOCAL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")

_PHONE: Final = re.compile(r"\+86[0-9]{11}")
_OPENID: Final = re.compile(r"[A-Za-z0-9_-]{20,}")


class BadAddress(ValueError):
    """An address no mail can be sent to. Its text says why and does not hold the address."""


def deliverable(address: str) -> str:
    """Give back the address as SMTP takes it, its domain in ASCII (IDNA).

    Dot-atoms only (RFC 5321 4.1.2): no quoted local part, no address literal, no non-ASCII local part
    (RFC 6531 needs every server on the way to agree). Raises BadAddress.
    """
    local, at, domain = address.strip().rpartition("@")
    if not at:
        raise BadAddress("has no @")
    if not _LOCAL.fullmatch(local) or len(local) > LOCAL_MAX:
        raise BadAddress("the part before the @ can't be used")
    try:
        ascii_domain = domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise BadAddress("the part after the @ is not a domain name") from None
    labels = ascii_domain.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise BadAddress("the part after the @ is not a domain name")
    if len(local) + 1 + len(ascii_domain) > ADDRESS_MAX:
        raise BadAddress("the address is too long")
    return f"{local}@{ascii_domain}"


def masked(address: str) -> str:
    """What an operator sees of an address: enough to recognise it with the donor on the phone.

    "zhang@example.com" → "z***@e***.com"; "+8613812345678" → "+86138****5678"; an openid: its first two
    letters.
    """
    if _PHONE.fullmatch(address):
        return f"{address[:6]}****{address[-4:]}"
    if _OPENID.fullmatch(address):
        return f"{address[:2]}***"
    local, _, domain = address.rpartition("@")
    name, _, top = domain.rpartition(".")
    return f"{local[:1]}***@{name[:1]}***.{top}" if local and name else "***"
