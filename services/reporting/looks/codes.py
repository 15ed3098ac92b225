"""QR codes on a screen (ISO/IEC 18004), drawn by the server as SVG."""

import io
from functools import lru_cache
from typing import Final

import segno

QUIET_ZONE: Final = 4
"""Modules of white around the code, as the standard asks."""
KEPT: Final = 256


@lru_cache(maxsize=KEPT)
def code_svg(address: str) -> bytes:
    """The code of an address, black on white whatever the theme is: a telephone has to read it from afar."""
    drawn = io.BytesIO()
    code = segno.make_qr(address, error="m")
    code.save(drawn, kind="svg", border=QUIET_ZONE, light="#fff", xmldecl=False, omitsize=True, nl=False)
    return drawn.getvalue()
