"""The files pages load: read once at the start, served from memory."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response

from shared.problems import Problem
from shared.versions import matches


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is served: read once at the start."""

    content: bytes
    media_type: str
    digest: str


SHARED: Final = Path(__file__).parent / "pages" / "static"
"""Modules that the pages of several services load: money, times, exact JSON."""


def read_static(*folders: Path) -> dict[str, StaticFile]:
    """Every file below these folders by its path there; of two with one path the later folder's. What is not
    in them can't be asked for.
    """
    return {
        path.relative_to(place).as_posix(): _static_file(path)
        for place in folders
        for path in sorted(place.rglob("*"))
        if path.is_file()
    }


def _static_file(path: Path) -> StaticFile:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return StaticFile(content, media_type, hashlib.sha256(content).hexdigest()[:16])


def static_router(static: Mapping[str, StaticFile]) -> APIRouter:
    """The route of all files."""
    router = APIRouter()

    @router.get("/static/{path:path}")
    async def static_file(path: str, request: Request, v: str = "") -> Response:
        file = static.get(path)
        if file is None:
            raise Problem(404, "unknown-file", "There is no such file.")
        return _file_response(file, v, request.headers.get("if-none-match", ""))

    return router


def _file_response(file: StaticFile, version: str, if_none_match: str) -> Response:
    """With the digest in the address for a year, else by ETag: modules that import each other have to be of
    one release, so an address without digest is asked about every time.
    """
    etag = f'"{file.digest}"'
    lasting = version == file.digest
    headers = {
        "ETag": etag,
        "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)
