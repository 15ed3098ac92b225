"""The audit log (审计): who did what through the console, one row each, appended and never changed.

A row names the fields that a command had, never what stood in them: no donor, no message, no secret is in it.
The services keep the commands themselves; the idempotency key leads from one to the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import RowMapping, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.console import audit_chain
from services.console.models import audit, audit_head
from shared import hash_chain

Kind = Literal["call", "signed-in", "sign-in-failed", "locked-out", "signed-out", "account", "export"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
MAX_TEXT: Final = 500
CHECK_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What is written of one act. The last five belong to calls alone."""

    kind: Kind
    person: str
    address: str
    summary: str
    roles: Sequence[str] = ()
    method: str | None = None
    service: str | None = None
    path: str | None = None
    status: int | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows are asked for; None: any. Times are UTC, `start` inside, `end` outside."""

    person: str | None = None
    kind: Kind | None = None
    service: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    refused: bool | None = None


async def append(connection: AsyncConnection, entry: Entry) -> None:
    """Write a row as the newest of the chain. Whoever appends holds the head until the transaction ends."""
    head = (
        await connection.execute(select(audit_head.c.sequence, audit_head.c.hash).with_for_update())
    ).one()
    row: dict[str, Any] = {
        "sequence": head.sequence + 1,
        "at": datetime.now(UTC),
        "kind": entry.kind,
        "person": _short(entry.person),
        "roles": sorted(entry.roles),
        "address": _short(entry.address),
        "method": entry.method,
        "service": entry.service,
        "path": None if entry.path is None else _short(entry.path),
        "status": entry.status,
        "idempotency_key": entry.idempotency_key,
        "summary": _short(entry.summary),
    }
    digest = audit_chain.next_hash(bytes(head.hash), row)
    await connection.execute(insert(audit).values(**row, hash=digest))
    await connection.execute(update(audit_head).values(sequence=row["sequence"], hash=digest))


async def read(
    connection: AsyncConnection, wanted: Filter, before: int | None, limit: int
) -> list[RowMapping]:
    """The newest rows first, those below the sequence `before`."""
    asked = select(audit).order_by(audit.c.sequence.desc()).limit(limit)
    for column, value in (
        (audit.c.person, wanted.person),
        (audit.c.kind, wanted.kind),
        (audit.c.service, wanted.service),
    ):
        if value is not None:
            asked = asked.where(column == value)
    if before is not None:
        asked = asked.where(audit.c.sequence < before)
    if wanted.start is not None:
        asked = asked.where(audit.c.at >= wanted.start)
    if wanted.end is not None:
        asked = asked.where(audit.c.at < wanted.end)
    if wanted.refused is not None:
        asked = asked.where((audit.c.status >= 400) == wanted.refused)
    return list((await connection.execute(asked)).mappings())


@dataclass(frozen=True, slots=True)
class Checked:
    """What looking through the whole chain has found: rows read, the head, the first broken row."""

    rows: int
    head: int
    head_hash: bytes
    broken_at: int | None


async def check(engine: AsyncEngine) -> Checked:
    """Compute the chain anew from its first row, a bounded number of rows in memory at a time."""
    async with engine.connect() as connection:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        head = (await connection.execute(select(audit_head))).one()
        previous, at = hash_chain.NO_HASH, 0
        while True:
            rows = (
                (
                    await connection.execute(
                        select(audit)
                        .where(audit.c.sequence > at)
                        .order_by(audit.c.sequence)
                        .limit(CHECK_ROWS)
                    )
                )
                .mappings()
                .all()
            )
            for row in rows:
                whole = row["sequence"] == at + 1 and audit_chain.next_hash(previous, dict(row)) == bytes(
                    row["hash"]
                )
                if not whole:
                    return Checked(at, head.sequence, bytes(head.hash), at + 1)
                previous, at = bytes(row["hash"]), at + 1
            if len(rows) < CHECK_ROWS:
                break
        ends_well = (at, previous) == (head.sequence, bytes(head.hash))
        return Checked(at, head.sequence, bytes(head.hash), None if ends_well else at + 1)


def _short(said: str) -> str:
    """At most MAX_TEXT characters, and none that PostgreSQL's text can't hold."""
    return said.replace("\x00", "").encode("utf-8", "replace").decode()[:MAX_TEXT]
