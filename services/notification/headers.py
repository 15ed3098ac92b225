"""Headers of a mail, written so that no text from outside can become one (RFC 5322, RFC 2047).

The standard library's header classes are not used: they parse again what they are given, and a campaign
title that looks like an encoded word ("=?x?=") makes them raise (Python 3.11.7, found by hypothesis).
"""

import base64
from collections.abc import Iterator
from email.headerregistry import Address
from typing import Final

PIECE_BYTES: Final = 39
"""UTF-8 octets a word holds: with "Subject: " before it a line stays within 76 (RFC 2047, section 2)."""


def encoded(text: str) -> str:
    """Any text as encoded words, one a line; a character is never split between two (RFC 2047, section 5).

    The result is ASCII without control characters except the folds, whatever the text holds.
    """
    words = (f"=?utf-8?b?{base64.b64encode(piece).decode()}?=" for piece in _pieces(text))
    return "\r\n ".join(words)


def _pieces(text: str) -> Iterator[bytes]:
    piece = b""
    for character in text:
        octets = character.encode("utf-8", "replace")
        if len(piece) + len(octets) > PIECE_BYTES:
            yield piece
            piece = b""
        piece += octets
    yield piece


def mailbox(address: Address) -> str:
    """A sender with its display name: "=?utf-8?b?…?= <thanks@example.org>"."""
    bare = f"<{address.addr_spec}>"
    return f"{encoded(address.display_name)}\r\n {bare}" if address.display_name else bare


def block(headers: dict[str, str]) -> bytes:
    """Headers as they stand at the head of a mail.

    Raises ValueError for a value that is not ASCII or has a line break that is no fold: a defect of the
    caller, for every text from outside goes through `encoded`.
    """
    lines = []
    for name, value in headers.items():
        if any(not part.isascii() or not part.isprintable() for part in value.split("\r\n ")):
            raise ValueError(f"the value of {name} can't stand in a header")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode("ascii")
