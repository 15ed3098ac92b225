"""A watched folder: what a bank's or a platform's program puts into <folder>/<channel>/ is taken as uploaded.

A file is taken when it has stopped growing: size and time of change are the same at two looks, LOOK_S apart.
Whoever writes it under a name that is passed over (.x, x.part, x.tmp) and renames it at the end is safe
however slow the line is. When it is checked it moves to done/ or refused/ with a report beside it, and with
its bad lines if there are any. Nothing here needs to be remembered: taken twice, a file is one statement.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.intake import Words
from services.donation.statements import commands, queries
from services.donation.statements.commands import Upload
from services.donation.statements.files import Files
from services.donation.statements.importing import Clerk
from services.donation.statements.reading import MAX_BYTES
from services.donation.statements.schemas import Statement
from services.donation.statements.unreadable import Unreadable
from shared.refusals import Refused

log = structlog.get_logger(__name__)

LOOK_S: Final = 2.0
MAX_AT_ONCE: Final = 100
"""Files taken at one look; the others at the next."""
PERSON: Final = "folder"
UNFINISHED: Final = (".part", ".tmp", ".filepart", ".crdownload")

_NAME: Final = TypeAdapter(Words)


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was at a look."""

    path: Path
    size: int
    changed_ns: int


class Folder:
    """Watches the folder of all channels."""

    def __init__(self, root: Path, engine: AsyncEngine, files: Files, clerk: Clerk) -> None:
        self._root = root
        self._engine = engine
        self._files = files
        self._clerk = clerk
        self._before: set[Seen] = set()
        self._taken: dict[Seen, int] = {}

    async def run(self) -> None:
        """Look until cancelled. The folder or the database away: wait and go on."""
        while True:
            try:
                await self.look()
            except (SQLAlchemyError, OSError, TimeoutError) as error:
                log.warning("statements_folder_waits", error=repr(error)[:200])
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Take what has stopped growing since the last look, and put away what is checked."""
        found = await asyncio.to_thread(lambda: set(_files(self._root)))
        still = found & self._before
        self._before = found
        self._taken = {seen: taken for seen, taken in self._taken.items() if seen in found}
        for seen in sorted(still, key=lambda each: each.changed_ns)[:MAX_AT_ONCE]:
            await self._go_on(seen)

    async def _go_on(self, seen: Seen) -> None:
        try:
            if seen not in self._taken:
                self._taken[seen] = await self._take(seen)
                self._clerk.wake()
            await self._put_away(seen, self._taken[seen])
        except Refused as refused:
            report = {"state": "refused", "reason": refused.detail}
            await asyncio.to_thread(_moved, seen.path, "refused", report, None)
        except FileNotFoundError:
            log.info("statement_file_gone", channel=seen.path.parent.name)

    async def _take(self, seen: Seen) -> int:
        if seen.size > MAX_BYTES:
            raise Unreadable(f"The file has more than {MAX_BYTES} bytes.")
        content = await asyncio.to_thread(seen.path.read_bytes)
        digest = await asyncio.to_thread(hashlib.sha256, content)
        name = _shown(seen.path.name)
        sent = Upload(seen.path.parent.name, name, content, digest.digest(), origin="folder")
        async with self._engine.begin() as connection:
            statement_id, _ = await commands.upload(connection, self._files, PERSON, sent)
        return statement_id

    async def _put_away(self, seen: Seen, statement_id: int) -> None:
        async with self._engine.connect() as connection:
            row = await queries.read(connection, statement_id)
        if row is None or row.state == "uploaded":
            return
        bad_lines = await self._files.read(statement_id, "bad_lines")
        report = Statement.of(row).model_dump(mode="json")
        to = "refused" if row.state == "refused" else "done"
        await asyncio.to_thread(_moved, seen.path, to, report, bad_lines)
        log.info("statement_put_away", statement_id=statement_id, to=to)


def _files(root: Path) -> Iterator[Seen]:
    """The files of all channels; no links, and nothing deeper."""
    for folder in os.scandir(root):
        if not folder.is_dir(follow_symlinks=False):
            continue
        for entry in os.scandir(folder):
            unfinished = entry.name.startswith(".") or entry.name.endswith(UNFINISHED)
            if not unfinished and entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    told = entry.stat(follow_symlinks=False)
                    yield Seen(Path(entry.path), told.st_size, told.st_mtime_ns)


def _moved(path: Path, to: str, report: dict[str, Any], bad_lines: bytes | None) -> None:
    """Move a file, its report written first: a file in done/ always has one."""
    folder = path.parent / to
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    target.with_name(f"{target.name}.report.json").write_text(text, "utf-8")
    if bad_lines is not None:
        target.with_name(f"{target.name}.bad-lines.csv").write_bytes(bad_lines)
    path.rename(target)


def _shown(name: str) -> str:
    """A file's name as it may be shown."""
    try:
        return _NAME.validate_python(name)
    except ValidationError:
        return "?"
