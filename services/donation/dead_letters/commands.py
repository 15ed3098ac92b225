"""What people do with dead letters: each function is one command, in the transaction of its caller."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.dead_letters import queries
from services.donation.dead_letters.schemas import Content, Look, Outcome, Position
from shared.broker import Publisher, PublishFailed
from shared.dead_letters import DeadLetter
from shared.refusals import NotFound


class UnknownDeadLetter(NotFound):
    """A position of nothing that is dead."""

    code = "unknown-dead-letter"
    title = "There is no dead letter of that position"


async def content(connection: AsyncConnection, person: str, position: Position) -> Content:
    """A letter whole, with who has looked; that this person does is written down with it. Raises
    UnknownDeadLetter.
    """
    row = (await queries.lock(connection, [position.at])).get(position.at)
    if row is None:
        raise UnknownDeadLetter("Look at the list: GET /v1/dead-letters.")
    await queries.note_look(connection, *position.at, person)
    looks = await queries.looks(connection, *position.at)
    return Content.of(row, [Look.model_validate(each) for each in looks])


async def replay(
    connection: AsyncConnection, publisher: Publisher, person: str, positions: Sequence[Position]
) -> list[Outcome]:
    """Send letters again, one record each at the end of its topic; set aside ones as well. A process that
    dies behind the broker's word has sent what counts once, whoever sends it again.
    """
    rows = await queries.lock(connection, {each.at for each in positions})
    due = {at: row for at, row in rows.items() if row.replayed_at is None}
    sent = await asyncio.gather(*(_send(publisher, row) for row in due.values()))
    placed = {at: place for at, place in zip(due, sent, strict=True) if place is not None}
    if placed:
        await queries.mark_replayed(connection, placed, person)
    return [_replayed(each, rows.get(each.at), placed.get(each.at)) for each in positions]


async def _send(publisher: Publisher, row: Row[Any]) -> Position | None:
    letter = DeadLetter.model_validate_json(row.letter)
    headers = [*letter.headers, ("replay-of", letter.origin.encode())]
    try:
        at = await publisher.send(letter.topic, letter.value or b"", key=letter.key, headers=headers)
    except PublishFailed:
        return None
    return Position(topic=letter.topic, partition=at.partition, offset=at.offset)


def _replayed(asked: Position, row: Row[Any] | None, placed: Position | None) -> Outcome:
    if row is None:
        return _not_done(asked, "unknown-dead-letter", "There is no dead letter of that position.")
    if row.replayed_at is not None:
        return _not_done(asked, "replayed", f"Sent again before, by {row.replayed_by}.")
    if placed is None:
        return _not_done(asked, "not-confirmed", "The broker did not confirm: send it again.")
    return Outcome(**asked.model_dump(), outcome="done", placed=placed)


async def set_aside(
    connection: AsyncConnection, person: str, positions: Sequence[Position], reason: str
) -> list[Outcome]:
    """Close letters that are of no use; they stay where they are, and can still be sent again."""
    rows = await queries.lock(connection, {each.at for each in positions})
    open_ones = [at for at, row in rows.items() if row.replayed_at is None and row.set_aside_at is None]
    if open_ones:
        await queries.set_aside(connection, open_ones, person, reason)
    return [_set_aside(each, rows.get(each.at)) for each in positions]


def _set_aside(asked: Position, row: Row[Any] | None) -> Outcome:
    if row is None:
        return _not_done(asked, "unknown-dead-letter", "There is no dead letter of that position.")
    if row.replayed_at is not None:
        return _not_done(asked, "replayed", f"Sent again before, by {row.replayed_by}.")
    if row.set_aside_at is not None:
        return _not_done(asked, "set-aside", f"Set aside before, by {row.set_aside_by}.")
    return Outcome(**asked.model_dump(), outcome="done")


def _not_done(asked: Position, code: str, detail: str) -> Outcome:
    return Outcome(**asked.model_dump(), outcome="not_done", code=code, detail=detail)
