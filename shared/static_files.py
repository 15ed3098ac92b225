"""The files pages load: read once at the start, served from memory."""

import hashlib
import mimetypes
import re
from collections.abc import Callable, Mapping
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


RELEASED: Final = re.compile("@([0-9a-f]{16})/(.+)")
"""A path below the digest of all files: what a module or a style names beside itself is of one release."""


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


def addresses_of(static: Mapping[str, StaticFile]) -> Callable[[str], str]:
    """Where pages find a file, by its path: an address that changes when any of the files does.

    The function raises KeyError for a file that there is not.
    """
    release = _release_of(static)

    def address(path: str) -> str:
        if path not in static:
            raise KeyError(path)
        return f"/static/@{release}/{path}"

    return address


def static_router(static: Mapping[str, StaticFile]) -> APIRouter:
    """The route of all files. Under this release's digest a file may be kept for a year; without one, or
    under another's, which a process of another release may have told a page, it is asked about every time.
    """
    router = APIRouter()
    release = _release_of(static)

    @router.get("/static/{path:path}")
    async def static_file(path: str, request: Request) -> Response:
        named, place = found.groups() if (found := RELEASED.fullmatch(path)) else ("", path)
        file = static.get(place)
        if file is None:
            raise Problem(404, "unknown-file", "There is no such file.")
        return _file_response(file, request.headers.get("if-none-match", ""), lasting=named == release)

    return router


def _release_of(static: Mapping[str, StaticFile]) -> str:
    lines = "".join(f"{path} {static[path].digest}\n" for path in sorted(static))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _file_response(file: StaticFile, if_none_match: str, *, lasting: bool) -> Response:
    etag = f'"{file.digest}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "public, max-age=31536000, immutable" if lasting else "no-cache",
        "X-Content-Type-Options": "nosniff",
    }
    if matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)
