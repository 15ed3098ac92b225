"""What is asked of the statements' tables.

A process works at a statement under a claim that it renews with each progress; a claim that was not renewed
for CLAIM_S is another's to take. A process that wakes up late finds its claim gone and stops; what it has
published meanwhile is what the other publishes, under the same ids.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from services.donation.statements.models import statement_files, statements

CLAIM_S: Final = 60

FileKind = Literal["original", "bad_lines"]
State = Literal["uploaded", "checked", "refused", "importing", "imported", "discarded"]


# ---------------------------------------------------------------- by people


async def of_content(connection: AsyncConnection, channel: str, sha256: bytes) -> Row[Any] | None:
    """The statement that has this very content and is not void."""
    wanted = select(statements).where(
        statements.c.channel == channel,
        statements.c.sha256 == sha256,
        statements.c.state.not_in(["refused", "discarded"]),
    )
    return (await connection.execute(wanted)).one_or_none()


async def add(connection: AsyncConnection, row: dict[str, Any]) -> int | None:
    """Keep a new statement; its id, None when the same file came at the same moment."""
    new = insert(statements).values(**row, state="uploaded").on_conflict_do_nothing()
    added = (await connection.execute(new.returning(statements.c.statement_id))).scalar_one_or_none()
    return None if added is None else int(added)


_ADD_FILE: Final = text(
    "INSERT INTO statement_files (statement_id, what, sealed, delete_after)"
    " VALUES (:statement_id, :what, :sealed, now() + make_interval(days => :days))"
    " ON CONFLICT (statement_id, what) DO UPDATE SET sealed = excluded.sealed"
)


async def keep_file(
    connection: AsyncConnection, statement_id: int, what: FileKind, sealed: bytes, days: int
) -> None:
    """Keep a file of a statement for so many days."""
    row = {"statement_id": statement_id, "what": what, "sealed": sealed, "days": days}
    await connection.execute(_ADD_FILE, row)


async def file_of(connection: AsyncConnection, statement_id: int, what: FileKind) -> bytes | None:
    """A file of a statement, sealed; None when there is none (any more)."""
    wanted = select(statement_files.c.sealed).where(
        statement_files.c.statement_id == statement_id, statement_files.c.what == what
    )
    return (await connection.execute(wanted)).scalar_one_or_none()


_DROP_FILES: Final = text("DELETE FROM statement_files WHERE statement_id = :statement_id")


async def drop_files(connection: AsyncConnection, statement_id: int) -> None:
    """Delete the files of a statement."""
    await connection.execute(_DROP_FILES, {"statement_id": statement_id})


async def read(connection: AsyncConnection, statement_id: int, *, lock: bool = False) -> Row[Any] | None:
    """A statement; `lock`: until the end of the transaction."""
    wanted = select(statements).where(statements.c.statement_id == statement_id)
    return (await connection.execute(wanted.with_for_update() if lock else wanted)).one_or_none()


async def listed(
    connection: AsyncConnection, channel: str | None, state: State | None, before: int | None, rows: int
) -> Sequence[Row[Any]]:
    """Statements, the newest first, below the id `before`."""
    wanted = select(statements).order_by(statements.c.statement_id.desc()).limit(rows)
    if channel is not None:
        wanted = wanted.where(statements.c.channel == channel)
    if state is not None:
        wanted = wanted.where(statements.c.state == state)
    if before is not None:
        wanted = wanted.where(statements.c.statement_id < before)
    return (await connection.execute(wanted)).all()


_DECIDE: Final = text(
    "UPDATE statements SET state = :state, reason = NULL, decided_by = :person, decided_at = now(),"
    " claim = NULL, claimed_until = NULL, attempts = 0 WHERE statement_id = :statement_id"
)


async def decide(connection: AsyncConnection, statement_id: int, state: State, person: str) -> None:
    """Confirm or discard a statement, which its caller has locked."""
    await connection.execute(_DECIDE, {"statement_id": statement_id, "state": state, "person": person})


# ---------------------------------------------------------------- by the process that works at it

_CLAIM: Final = text(
    f"""
    UPDATE statements SET claim = :claim, claimed_until = now() + interval '{CLAIM_S} s',
        attempts = attempts + 1
    WHERE statement_id = (
        SELECT statement_id FROM statements
        WHERE state IN ('uploaded', 'importing') AND (claimed_until IS NULL OR claimed_until < now())
        ORDER BY uploaded_at, statement_id LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING *
    """  # noqa: S608 - a number of ours
)


async def claim(connection: AsyncConnection, claim_id: UUID) -> Row[Any] | None:
    """Take the oldest statement that waits for work; None when there is none."""
    return (await connection.execute(_CLAIM, {"claim": claim_id})).one_or_none()


_KEEP: Final = text(
    f"UPDATE statements SET claimed_until = now() + interval '{CLAIM_S} s'"  # noqa: S608 - a number of ours
    " WHERE statement_id = :statement_id AND claim = :claim"
)


async def keep_claim(connection: AsyncConnection, statement_id: int, claim_id: UUID) -> bool:
    """Renew a claim; False when it is another's now."""
    kept = await connection.execute(_KEEP, {"statement_id": statement_id, "claim": claim_id})
    return bool(kept.rowcount)


_LATER: Final = text(
    "UPDATE statements SET claimed_until = now() + make_interval(secs => :after_s), attempts = 0"
    " WHERE statement_id = :statement_id AND claim = :claim"
)


async def put_off(connection: AsyncConnection, statement_id: int, claim_id: UUID, after_s: float) -> None:
    """Have anyone try it again after a while."""
    await connection.execute(_LATER, {"statement_id": statement_id, "claim": claim_id, "after_s": after_s})


_CHECKED: Final = text(
    "UPDATE statements SET state = 'checked', preview = :preview, claim = NULL, claimed_until = NULL,"
    " attempts = 0 WHERE statement_id = :statement_id AND claim = :claim AND state = 'uploaded'"
).bindparams(bindparam("preview", type_=JSONB))
_REFUSED: Final = text(
    "UPDATE statements SET state = 'refused', reason = :reason, claim = NULL, claimed_until = NULL"
    " WHERE statement_id = :statement_id AND claim = :claim AND state = 'uploaded'"
)
_PROGRESS: Final = text(
    f"UPDATE statements SET done_line = :done_line, outcome = :outcome, attempts = 0,"  # noqa: S608 - a number of ours
    f" claimed_until = now() + interval '{CLAIM_S} s'"
    " WHERE statement_id = :statement_id AND claim = :claim AND state = 'importing'"
).bindparams(bindparam("outcome", type_=JSONB))
_IMPORTED: Final = text(
    "UPDATE statements SET state = 'imported', finished_at = now(), claim = NULL, claimed_until = NULL,"
    " attempts = 0 WHERE statement_id = :statement_id AND claim = :claim AND state = 'importing'"
)


async def checked(
    connection: AsyncConnection, statement_id: int, claim_id: UUID, preview: dict[str, Any]
) -> bool:
    """Say what checking came to; False when the statement is another's now, or was discarded."""
    row = {"statement_id": statement_id, "claim": claim_id, "preview": preview}
    return bool((await connection.execute(_CHECKED, row)).rowcount)


async def refused(connection: AsyncConnection, statement_id: int, claim_id: UUID, reason: str) -> None:
    """Say that the file can't be read."""
    row = {"statement_id": statement_id, "claim": claim_id, "reason": reason}
    await connection.execute(_REFUSED, row)


async def progress(
    connection: AsyncConnection, statement_id: int, claim_id: UUID, done_line: int, outcome: dict[str, Any]
) -> bool:
    """Say how far an import is: all up to this line is with the broker; False when it is another's now."""
    row = {"statement_id": statement_id, "claim": claim_id, "done_line": done_line, "outcome": outcome}
    return bool((await connection.execute(_PROGRESS, row)).rowcount)


async def imported(connection: AsyncConnection, statement_id: int, claim_id: UUID) -> None:
    """Say that an import is done."""
    await connection.execute(_IMPORTED, {"statement_id": statement_id, "claim": claim_id})


_FORGET: Final = text(
    """
    WITH old AS (
        SELECT f.statement_id FROM statement_files f JOIN statements s USING (statement_id)
        WHERE f.delete_after < now() AND s.state <> 'importing' LIMIT 100
    ), gone AS (
        DELETE FROM statement_files USING old WHERE statement_files.statement_id = old.statement_id
    )
    UPDATE statements SET state = 'discarded', decided_by = 'time', decided_at = now(),
        claim = NULL, claimed_until = NULL
    FROM old WHERE statements.statement_id = old.statement_id AND state IN ('uploaded', 'checked')
    """
)


async def forget(connection: AsyncConnection) -> None:
    """Delete files whose days are over; what nobody has confirmed until then is discarded."""
    await connection.execute(_FORGET)


_STANDING: Final = text(
    """
    SELECT state, count(*) AS files,
           CAST(coalesce(extract(epoch FROM now() - min(uploaded_at)), 0) AS double precision) AS oldest_s
    FROM statements GROUP BY state
    """
)


async def standing(connection: AsyncConnection) -> dict[str, Row[Any]]:
    """By state how many statements there are, and how old the oldest is."""
    return {row.state: row for row in await connection.execute(_STANDING)}


_REVERSALS: Final = text("SELECT reversal_id FROM reversals WHERE reversal_id = ANY(:ids)")


async def known_reversals(connection: AsyncConnection, ids: Iterable[UUID]) -> set[UUID]:
    """Which of these reversals are in the books."""
    return set((await connection.execute(_REVERSALS, {"ids": list(ids)})).scalars())
