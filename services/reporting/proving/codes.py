"""A digest as people type it from a photograph: with spaces, in capitals, an O for a nought. Pure."""

import re
from typing import Final

SHORTEST: Final = 8
"""32 bits: of a million numbers that one campaign has shown, two begin alike once in four thousand."""
CODE: Final = 16
"""What a screen's small type may be shortened to."""
TYPED: Final = r"^[0-9A-Fa-fOoIiLl \-]{8,100}$"
_NOISE: Final = re.compile(r"[\s-]+")
_MISREAD: Final = str.maketrans("oil", "011")
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


def digest_typed(text: str) -> str | None:
    """The digest, or its beginning, that was typed; None: it is none."""
    plain = _NOISE.sub("", text).lower().translate(_MISREAD)
    return plain if _DIGEST.fullmatch(plain) else None


def code_of(digest: str) -> str:
    """The short code of a digest: 16 digits in fours."""
    return " ".join(digest[place : place + 4] for place in range(0, CODE, 4))
