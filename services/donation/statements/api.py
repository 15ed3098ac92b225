"""Files of channels that send statements: Tencent Charity, banks.

| who (role) | may |
| --- | --- |
| finance | upload, read, confirm, discard, download the bad lines |
| administrator | the same |

Every POST needs an `Idempotency-Key`. The same file of a channel is one statement, however often it comes.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeAlias

from fastapi import APIRouter, Depends, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.channels.schemas import CHANNEL
from services.donation.intake import Words
from services.donation.statements import commands, queries
from services.donation.statements.commands import Upload
from services.donation.statements.files import Files
from services.donation.statements.forms import FORM, is_form, read_form
from services.donation.statements.forms import Sent as Came
from services.donation.statements.reading import MAX_BYTES
from services.donation.statements.schemas import Statement, StatementPage
from shared import http_commands, idempotency
from shared.access import Person, require
from shared.bodies import bounded_body
from shared.http_commands import KeyHeader, tagged
from shared.problems import Problem, unprocessable
from shared.refusals import NotFound
from shared.run_once import Answer, Command, Runner

UPLOAD_S: Final = 300
"""50 MiB in five minutes are 1.4 Mbit/s."""
MAX_UPLOADS: Final = 2
"""At once in one process: each lies in memory."""

StatementId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Finance = Annotated[Person, Depends(require("finance"))]
READERS: Final = [Depends(require("finance"))]
LINES: Final = "交易日期,贷方发生额,对方户名,摘要\n20270105,200.00,张三,慈善晚会\n"
BINARY: Final = {"schema": {"type": "string", "format": "binary", "examples": [LINES]}}
FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": BINARY,
            FORM: {
                "schema": {
                    "type": "object",
                    "required": ["file", "channel"],
                    "additionalProperties": False,
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "channel": {"type": "string", "pattern": CHANNEL},
                        "file_name": {"type": "string", "minLength": 1, "maxLength": 200},
                    },
                    "examples": [{"file": LINES, "channel": "tencent", "file_name": "20270105.csv"}],
                }
            },
        },
    },
}

router = APIRouter(prefix="/v1/statements", tags=["statements"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.statements`."""

    engine: AsyncEngine
    runner: Runner
    files: Files
    uploads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_UPLOADS))


async def _parts(request: Request) -> Parts:
    parts = request.app.state.statements
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


@router.post(
    "",
    status_code=201,
    response_model=Statement,
    responses={200: {"model": Statement, "description": "The same file came before"}},
    summary="Upload a statement (上传账单)",
    openapi_extra=FILE,
)
async def upload(
    request: Request,
    parts: Wired,
    person: Finance,
    *,
    channel: Annotated[str | None, Query(pattern=CHANNEL, description="whose it is")] = None,
    file_name: Annotated[
        Words | None, Query(description="as people know it", examples=["20270105.csv"])
    ] = None,
    idempotency_key: KeyHeader = None,
) -> Response:
    """The body is the file: CSV, XLSX or camt.053, at most 50 MiB; `channel` and `file_name` stand in the
    query. Or it is a browser's form (multipart/form-data) with the parts `file`, `channel` and, unless it is
    the file's own, `file_name`. It is checked in the background: read it again until `state` is no longer
    `uploaded`.
    """
    key = idempotency.require_key(idempotency_key)
    if parts.uploads.locked():
        raise Problem(503, "busy", "Other files are coming in; send it again.", headers={"Retry-After": "5"})
    async with parts.uploads:
        came = await _came(request, channel, file_name)
        digest = await asyncio.to_thread(hashlib.sha256, came.content)
        sent = Upload(came.channel, came.file_name, came.content, digest.digest())

        async def work(connection: AsyncConnection) -> Answer:
            statement_id, new = await commands.upload(connection, parts.files, person.name, sent)
            return Answer.of(201 if new else 200, await _read(connection, statement_id))

        path = f"{request.url.path}?{came.channel}?{came.file_name}"
        said = idempotency.request_hash("POST", path, None, digest.hexdigest().encode())
        answer = await parts.runner.run(Command("upload_statement", person.name, key, said), work)
        return tagged(answer.body, answer.status)


async def _came(request: Request, channel: str | None, file_name: str | None) -> Came:
    if is_form(request):
        return await read_form(request, UPLOAD_S)
    content = await bounded_body(request, MAX_BYTES, within_s=UPLOAD_S)
    missing = [name for name, value in (("channel", channel), ("file_name", file_name)) if value is None]
    if channel is None or file_name is None:
        raise unprocessable([{"loc": (name,), "type": "missing"} for name in missing])
    return Came(channel, file_name, content)


@router.get("", summary="List statements, the newest first", dependencies=READERS)
async def list_statements(
    parts: Wired,
    *,
    channel: Annotated[str | None, Query(pattern=CHANNEL)] = None,
    state: queries.State | None = None,
    before: Annotated[
        int | None, Query(ge=1, le=2**63 - 1, description="The `next` of the part before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=100, description="How many at most")] = 20,
) -> StatementPage:
    """With their previews and how far they are."""
    async with parts.engine.connect() as connection:
        rows = await queries.listed(connection, channel, state, before, limit)
    items = [Statement.of(row) for row in rows]
    return StatementPage(items=items, next=items[-1].statement_id if len(items) == limit else None)


@router.get("/{statement_id}", summary="A statement: its preview, how far it is", dependencies=READERS)
async def read_statement(statement_id: StatementId, parts: Wired) -> Statement:
    """Counts, sums by campaign, the first bad lines by number and reason: nothing that stands in them."""
    async with parts.engine.connect() as connection:
        return await _read(connection, statement_id)


@router.get(
    "/{statement_id}/bad-lines",
    summary="Its bad lines, to be mended and uploaded again",
    dependencies=READERS,
    response_class=Response,
    responses={200: {"content": {"text/csv": BINARY}}},
)
async def read_bad_lines(statement_id: StatementId, parts: Wired) -> Response:
    """CSV in UTF-8 with a byte order mark, in the columns of the file, each line with its number there and
    the reasons. 404 when there are none, or the file has been deleted.
    """
    content = await parts.files.read(statement_id, "bad_lines")
    if content is None:
        raise NotFound("There are no bad lines of this statement (any more).")
    headers = {
        "Content-Disposition": f'attachment; filename="statement-{statement_id}-bad-lines.csv"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, no-store",
    }
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


Decision = Callable[[AsyncConnection, str, int], Awaitable[None]]


Sent: TypeAlias = http_commands.Sent[Parts]
sent = http_commands.Commands(_parts, http_commands.Sent[Parts]).sent


async def _decide(sent: Sent, statement_id: int, decision: Decision) -> Response:
    """Run it once; the statement as it is then."""

    async def work(connection: AsyncConnection) -> Statement:
        await decision(connection, sent.person, statement_id)
        return await _read(connection, statement_id)

    return await sent.run(work)


@router.post("/{statement_id}/confirm", response_model=Statement, summary="Import it (确认入账)")
async def confirm(
    statement_id: StatementId, sent: Annotated[Sent, Depends(sent("confirm_statement", "finance"))]
) -> Response:
    """Its good lines go to the books, once; it goes on by itself until all are there."""
    return await _decide(sent, statement_id, commands.confirm)


@router.post("/{statement_id}/discard", response_model=Statement, summary="Discard it (作废)")
async def discard(
    statement_id: StatementId, sent: Annotated[Sent, Depends(sent("discard_statement", "finance"))]
) -> Response:
    """For one that is not confirmed yet. Its file is deleted at once."""
    return await _decide(sent, statement_id, commands.discard)


async def _read(connection: AsyncConnection, statement_id: int) -> Statement:
    row = await queries.read(connection, statement_id)
    if row is None:
        raise NotFound("There is no statement of this id.")
    return Statement.of(row)
