"""Records that could not be used: what they are of, sending them again, setting them aside.

| who (role) | may |
| --- | --- |
| viewer, desk, finance | see reason and position |
| finance | see the content, which may hold personal data; each look is written down |
| desk | send again |
| desk, finance | set aside |
| administrator | all of it |
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeAlias

import structlog
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime
from sqlalchemy.ext.asyncio import AsyncEngine

from services.donation.casework.paging import AfterPosition
from services.donation.dead_letters import commands, queries
from services.donation.dead_letters.schemas import (
    Content,
    DeadLetterView,
    LettersBody,
    OutcomeEach,
    Position,
    SetAsideBody,
)
from shared import http_commands
from shared.access import Person, require
from shared.broker import Publisher
from shared.http_commands import NO_STORE
from shared.problems import Problem, answers
from shared.run_once import Runner
from shared.strict_json import StrictJsonRoute

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/v1/dead-letters", route_class=StrictJsonRoute, tags=["dead letters"])


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with; app.py puts it into `app.state.dead_letters`."""

    engine: AsyncEngine
    runner: Runner
    publisher: Publisher


async def _parts(request: Request) -> Parts:
    parts = request.app.state.dead_letters
    assert isinstance(parts, Parts)
    return parts


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("no calendar has this time in UTC") from None


Wired = Annotated[Parts, Depends(_parts)]
Sent: TypeAlias = http_commands.Sent[Parts]
sent = http_commands.Commands(_parts, http_commands.Sent[Parts]).sent
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
TopicName = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Partition = Annotated[int, Path(ge=0, le=2**31 - 1)]
Offset = Annotated[int, Path(ge=0, le=2**63 - 1)]
READING: Final = [Depends(require("viewer", "desk", "finance"))]
_UNKNOWN: Final = Problem(404, "unknown-dead-letter", "There is no dead letter of that position.")


@router.get("", summary="Records that could not be used, newest first", dependencies=READING)
async def letters(
    parts: Wired,
    *,
    shown: Annotated[queries.Shown, Query(description="open: neither sent again nor set aside")] = "open",
    topic: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,249}$", examples=["intake.partner"])
    ] = None,
    reason: Annotated[str | None, Query(pattern=r"^[a-z-]{1,64}$", examples=["invalid-field"])] = None,
    before: Annotated[Moment | None, Query(description="which failed before this")] = None,
    after: Annotated[
        str | None,
        Query(
            max_length=320,
            description="continue a list: the `cursor` of its last",
            examples=["2027-01-01T12:15:00.000000Z~intake.partner/2~1041"],
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[DeadLetterView]:
    """Without their content, which may hold personal data."""
    place = AfterPosition.parse(after) if after is not None else None
    known = {"topic": topic, "reason": reason, "before": before}
    async with parts.engine.connect() as connection:
        rows = await queries.listed(connection, shown, known, place, limit)
    return [DeadLetterView.of(row) for row in rows]


@router.get(
    "/{topic}/{partition}/{offset}", summary="A dead letter with its content", responses=answers(_UNKNOWN)
)
async def read(
    parts: Wired,
    *,
    topic: TopicName,
    partition: Partition,
    offset: Offset,
    person: Annotated[Person, Depends(require("finance"))],
    response: Response,
) -> Content:
    """It may hold personal data, so each look is written down: who, when."""
    position = Position(topic=topic, partition=partition, offset=offset)
    async with parts.engine.begin() as connection:
        content = await commands.content(connection, person.name, position)
    log.info("dead_letter_looked_at", person=person.name, topic=topic, partition=partition, offset=offset)
    response.headers.update(NO_STORE)
    return content


@router.post(
    "/{topic}/{partition}/{offset}/replay",
    summary="Send one again",
    responses=answers(_UNKNOWN, Problem(409, "replayed", "Sent again before, by chen.")),
)
async def replay(
    parts: Wired,
    topic: TopicName,
    partition: Partition,
    offset: Offset,
    person: Annotated[Person, Depends(require("desk"))],
) -> dict[str, Any]:
    """The record goes to the end of its topic and gets a position of its own."""
    position = Position(topic=topic, partition=partition, offset=offset)
    async with parts.engine.begin() as connection:
        (answer,) = await commands.replay(connection, parts.publisher, person.name, [position])
    if answer.placed is None:
        status = {"unknown-dead-letter": 404, "replayed": 409}.get(answer.code or "", 503)
        raise Problem(status, answer.code or "not-confirmed", answer.detail or "")
    return answer.placed.model_dump()


@router.post("/replay", response_model=OutcomeEach, summary="Send many again")
async def replay_each(
    body: LettersBody, sent: Annotated[Sent, Depends(sent("replay_dead_letters", "desk"))]
) -> Response:
    """Each with its own answer: up to 500."""

    async def work(connection: Any) -> OutcomeEach:
        items = await commands.replay(connection, sent.parts.publisher, sent.person, body.letters)
        return OutcomeEach(items=items)

    return await sent.run(work)


@router.post("/set-aside", response_model=OutcomeEach, summary="Set letters aside")
async def set_aside(
    body: SetAsideBody,
    sent: Annotated[Sent, Depends(sent("set_dead_letters_aside", "desk", "finance"))],
) -> Response:
    """For what is of no use, with the reason; each with its own answer, up to 500. They stay where they are,
    and can still be sent again.
    """

    async def work(connection: Any) -> OutcomeEach:
        return OutcomeEach(items=await commands.set_aside(connection, sent.person, body.letters, body.reason))

    return await sent.run(work)
