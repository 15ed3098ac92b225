"""What comes by HTTP from the desk in the hall.

| who (role) | may |
| --- | --- |
| desk | enter, undo their own entry in time, see the entries and the drawer, close it |
| finance | undo whatever was entered, whenever; close a drawer |
| viewer | read |
| administrator | all of it |

Every POST needs an `Idempotency-Key`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import AwareDatetime
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from services.donation.channels.directory import Directory
from services.donation.desk import commands, queries
from services.donation.desk.schemas import (
    HALL,
    CloseBody,
    Closing,
    Drawer,
    Entry,
    EntryBody,
    EntryPage,
    UndoBody,
)
from services.donation.desk.sending import Sender
from services.donation.desk.undoing import Asker
from shared import http_commands
from shared.access import require
from shared.http_commands import Work
from shared.problems import Problem
from shared.run_once import Answer, Runner
from shared.strict_json import StrictJsonRoute

READING: Final = [Depends(require("viewer", "desk", "finance"))]
HallPath = Annotated[str, Path(pattern=HALL, examples=["gala-2027"])]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most")]

router = APIRouter(prefix="/v1/desk", route_class=StrictJsonRoute, tags=["desk"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.desk`. `window`: how long an entry can be
    undone by who entered it.
    """

    engine: AsyncEngine
    runner: Runner
    directory: Directory
    sender: Sender
    window: timedelta


async def _parts(request: Request) -> Parts:
    parts = request.app.state.desk
    assert isinstance(parts, Parts)
    return parts


Wired = Annotated[Parts, Depends(_parts)]


class Sent(http_commands.Sent[Parts]):
    """A command at the desk."""

    async def run(self, work: Work, status: int = 200, *, once: Mapping[str, Any] | None = None) -> Response:
        """Run it once, send what it wrote down, and answer. What can't be sent now is sent soon: the answer
        is right already.
        """
        response = await super().run(work, status, once=once)
        with suppress(SQLAlchemyError, OSError, TimeoutError):
            await self.parts.sender.send()
        return response


sent = http_commands.Commands(_parts, Sent).sent


# ---------------------------------------------------------------- entries


@router.post("/entries", status_code=201, response_model=Entry, summary="Enter money in hand (现场录入)")
async def enter(body: EntryBody, sent: Annotated[Sent, Depends(sent("desk_enter", "desk"))]) -> Response:
    """201 with until when it can be undone. The same placard or cheque with the same content: 200 with the
    entry that is there; with other content: 409 with that entry.
    """
    channel = await sent.parts.directory.find(commands.CHANNEL)
    if channel is not None and not channel.may_give_to(body.campaign_id):
        raise Problem(422, "campaign-not-allowed", "campaign_id: the desk may not give to this campaign.")

    async def work(connection: AsyncConnection) -> Answer:
        row, new = await commands.enter(connection, sent.person, body, sent.parts.window)
        return Answer.of(201 if new else 200, Entry.model_validate(row))

    return await sent.run(work)


@router.post("/entries/{entry_id}/undo", response_model=Entry, summary="Take an entry back (撤销)")
async def undo(
    entry_id: UUID, body: UndoBody, sent: Annotated[Sent, Depends(sent("desk_undo", "desk", "finance"))]
) -> Response:
    """Who entered it until `undo_until` and while the drawer is open; finance at any time. It is voided."""
    roles = sent.sender.roles
    asker = Asker(sent.person, "administrator" in roles, "finance" in roles)

    async def work(connection: AsyncConnection) -> Answer:
        row = await commands.undo(connection, asker, entry_id, body.reason)
        return Answer.of(200, Entry.model_validate(row))

    return await sent.run(work)


@router.get("/entries", summary="List entries, newest first", dependencies=READING)
async def list_entries(
    parts: Wired,
    *,
    hall: Annotated[str | None, Query(pattern=HALL, examples=["gala-2027"])] = None,
    person: Annotated[str | None, Query(min_length=1, max_length=64)] = None,
    before: Annotated[AwareDatetime | None, Query(description="The `next` of the part before")] = None,
    limit: Limit = 100,
) -> EntryPage:
    """Undone ones as well. Part by part: send `next` as `before` until it is null."""
    async with parts.engine.connect() as connection:
        rows = await queries.list_entries(connection, hall, person, before, limit)
    items = [Entry.model_validate(row) for row in rows]
    following: datetime | None = items[-1].entered_at if len(items) == limit else None
    return EntryPage(items=items, next=following)


# ---------------------------------------------------------------- drawers


@router.get("/drawers/{hall}", summary="What a hall's drawer must hold", dependencies=READING)
async def read_drawer(hall: HallPath, parts: Wired) -> Drawer:
    """By method, of what was entered since it was last closed."""
    async with parts.engine.connect() as connection:
        return await commands.drawer(connection, hall)


@router.post(
    "/drawers/{hall}/close", status_code=201, response_model=Closing, summary="Close a drawer (盘点)"
)
async def close(
    hall: HallPath, body: CloseBody, sent: Annotated[Sent, Depends(sent("desk_close", "desk", "finance"))]
) -> Response:
    """With what was counted; the difference is written down, whatever it is."""

    async def work(connection: AsyncConnection) -> Answer:
        closing = await commands.close_drawer(connection, sent.person, hall, body.counted_fen, body.note)
        return Answer.of(201, closing)

    return await sent.run(work)


@router.get("/drawers/{hall}/closings", summary="A hall's closings, newest first", dependencies=READING)
async def list_closings(hall: HallPath, parts: Wired, limit: Limit = 50) -> list[Closing]:
    """Each with what was entered, counted and different."""
    async with parts.engine.connect() as connection:
        rows = await queries.closings(connection, hall, limit)
        counts = await queries.counts_of(connection, [row.closing_id for row in rows])
    return [Closing.of(row, [each for each in counts if each.closing_id == row.closing_id]) for row in rows]
