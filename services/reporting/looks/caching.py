"""A screen's page is the same for everybody: what lies between us and millions of phones may keep it."""

import hashlib
from typing import Final

from fastapi import Response
from fastapi.responses import HTMLResponse

from shared.versions import matches

FRESH: Final = "public, max-age=5"
"""A new theme, and a new release, is on the next phone five seconds later."""


def cacheable(page: HTMLResponse, if_none_match: str) -> Response:
    """The page with its ETag; 304 to whoever has it."""
    etag = f'"{hashlib.sha256(page.body).hexdigest()[:32]}"'
    page.headers.update({"Cache-Control": FRESH, "ETag": etag})
    if not matches(if_none_match, etag):
        return page
    kept = {
        name: value for name, value in page.headers.items() if name not in {"content-length", "content-type"}
    }
    return Response(status_code=304, headers=kept)
