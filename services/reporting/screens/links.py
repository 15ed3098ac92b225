"""A screen's link: 256 random bits, shown once. Only their hash is kept, so nobody can read a link back."""

import hashlib
import re
import secrets
from typing import Final

PLACE: Final = "/s/{token}"
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """A new link's token, 43 characters."""
    return secrets.token_urlsafe(32)


def hash_of(token: str) -> bytes | None:
    """What is kept of a token (SHA-256; there is nothing to guess in 256 bits); None: it is no token."""
    return hashlib.sha256(token.encode()).digest() if _TOKEN.fullmatch(token) else None


def path_of(token: str) -> str:
    """Where the link leads on this service."""
    return PLACE.format(token=token)
