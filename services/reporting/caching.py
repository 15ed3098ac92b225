"""A public page is the same for everybody: what lies between us and millions of phones may keep it."""

import hashlib
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from shared.versions import matches

FRESH: Final = "public, max-age=5"
"""A new theme, and a new release, is on the next phone five seconds later."""
WITH_NUMBERS: Final = "public, max-age=1"
"""Of a page that has numbers written into it: as old at most as the totals' own answer."""


def cacheable(request: Request, page: HTMLResponse, fresh: str = FRESH) -> Response:
    """The page with its ETag; 304 to whoever has it. What is not there is not kept."""
    if page.status_code != HTTPStatus.OK:
        return page
    etag = f'"{hashlib.sha256(page.body).hexdigest()[:32]}"'
    page.headers.update({"Cache-Control": fresh, "ETag": etag})
    if not matches(request.headers.get("if-none-match", ""), etag):
        return page
    kept = {
        name: value for name, value in page.headers.items() if name not in {"content-length", "content-type"}
    }
    return Response(status_code=304, headers=kept)
