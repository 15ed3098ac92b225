"""Invoices as files (发票): what may be kept, told by what a file is and not by what it is called. Pure."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from shared.forms import form
from shared.refusals import Refused

MAX_BYTES: Final = 5 * 1024 * 1024
MAX_INVOICES: Final = 20
INVOICE_NUMBER: Final = form(
    "^[0-9A-Za-z][0-9A-Za-z-]{0,39}$",
    "an invoice's number, up to 40 digits, letters and hyphens, such as 24412000000012345678",
)
"""发票号码: 20 digits of a digital invoice; code and number of a paper one, with a hyphen between."""

SIGNATURES: Final[Mapping[str, bytes]] = MappingProxyType(
    {"application/pdf": b"%PDF-", "image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
)
"""What a file of each type begins with (ISO 32000, RFC 2083, ITU-T T.81)."""


class FileUnusable(Refused):
    """A file that is none of the three, or not what it is said to be."""

    code = "invoice-type"
    title = "The file is not a PDF, PNG or JPEG"
    status = 415


class FileEmpty(Refused):
    """Nothing was sent."""

    code = "invoice-empty"
    title = "The file is empty"
    status = 422


class TooManyInvoices(Refused):
    """More files than a disbursement keeps."""

    code = "invoices-full"
    title = "A disbursement keeps no more invoices"


class InvoiceTwice(Refused):
    """The same file a second time."""

    code = "invoice-twice"
    title = "The disbursement has this file"


def type_of(content: bytes, said: str) -> str:
    """The media type of a file's content. Raises FileEmpty, and FileUnusable unless `said` (the request's
    Content-Type) says the same.
    """
    if not content:
        raise FileEmpty("Send the file itself as the body.")
    found = next((name for name, start in SIGNATURES.items() if content.startswith(start)), None)
    if found is None or said.partition(";")[0].strip().lower() != found:
        raise FileUnusable(
            f"Its content is {found or 'none of these'} and its Content-Type {said[:60] or 'missing'}. "
            f"Send one of {', '.join(SIGNATURES)}, and say which.",
            fields=["Content-Type"],
        )
    return found


def digest_of(content: bytes) -> bytes:
    """SHA-256, 32 bytes."""
    return hashlib.sha256(content).digest()


def require_room(kept: int) -> None:
    """Raise TooManyInvoices when the disbursement has all the files it may have."""
    if kept >= MAX_INVOICES:
        raise TooManyInvoices(f"It has {kept} already; put several pages into one file.", kept=kept)
