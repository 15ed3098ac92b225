"""What people ask of the table of dead letters."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.donation.casework.paging import AfterPosition

Shown = Literal["open", "set_aside", "all"]

_SHOWN: Final[dict[Shown, str]] = {
    "open": "replayed_at IS NULL AND set_aside_at IS NULL",
    "set_aside": "set_aside_at IS NOT NULL",
    "all": "true",
}
_AT: Final = "unnest(CAST(:sources AS text[]), CAST(:sequences AS bigint[])) AS asked (source, sequence)"
_LOCK: Final = text(
    f"SELECT d.* FROM {_AT} JOIN dead_letters d USING (source, sequence)"  # noqa: S608 - the text above
    " ORDER BY d.source, d.sequence FOR UPDATE OF d"
)
_REPLAYED: Final = text(
    "UPDATE dead_letters d SET replayed_at = now(), replayed_by = :person"  # noqa: S608 - the text above
    f" FROM {_AT} WHERE d.source = asked.source AND d.sequence = asked.sequence"
)
_SET_ASIDE: Final = text(
    "UPDATE dead_letters d SET set_aside_at = now(), set_aside_by = :person, set_aside_reason = :reason"  # noqa: S608 - the text above
    f" FROM {_AT} WHERE d.source = asked.source AND d.sequence = asked.sequence"
)
_LOOK: Final = text(
    "INSERT INTO dead_letter_looks (source, sequence, person, at) VALUES (:source, :sequence, :person, now())"
)
_LOOKS: Final = text(
    "SELECT person, at FROM dead_letter_looks WHERE source = :source AND sequence = :sequence"
    " ORDER BY number DESC LIMIT 100"
)


async def listed(
    connection: AsyncConnection, shown: Shown, known: dict[str, Any], after: AfterPosition | None, rows: int
) -> Sequence[Row[Any]]:
    """The newest first, without the letters themselves. `known`: topic, reason, before (each None: any)."""
    asked: dict[str, Any] = {name: value for name, value in known.items() if value is not None}
    conditions = [_SHOWN[shown]]
    if "topic" in asked:
        conditions.append("source LIKE :topic || '/%'")
        asked["topic"] = asked["topic"].replace("_", r"\_")
    if "reason" in asked:
        conditions.append("reason = :reason")
    if "before" in asked:
        conditions.append("failed_at < :before")
    if after is not None:
        conditions.append("(failed_at, source, sequence) < (:after_at, :after_source, :after_sequence)")
        asked |= {"after_at": after.at, "after_source": after.source, "after_sequence": after.sequence}
    statement = (
        "SELECT source, sequence, reason, detail, failed_at, replayed_at, replayed_by, set_aside_at,"  # noqa: S608 - names from this file
        f" set_aside_by, set_aside_reason FROM dead_letters WHERE {' AND '.join(conditions)}"
        " ORDER BY failed_at DESC, source DESC, sequence DESC LIMIT :rows"
    )
    return (await connection.execute(text(statement), {**asked, "rows": rows})).all()


async def lock(
    connection: AsyncConnection, positions: Iterable[tuple[str, int]]
) -> dict[tuple[str, int], Row[Any]]:
    """These letters, locked until the end of the transaction; what is not there is left out."""
    found = await connection.execute(_LOCK, _arrays(positions))
    return {(row.source, row.sequence): row for row in found}


async def mark_replayed(
    connection: AsyncConnection, positions: Iterable[tuple[str, int]], person: str
) -> None:
    """Note who has sent these again."""
    await connection.execute(_REPLAYED, {**_arrays(positions), "person": person})


async def set_aside(
    connection: AsyncConnection, positions: Iterable[tuple[str, int]], person: str, reason: str
) -> None:
    """Note who has set these aside, and why."""
    await connection.execute(_SET_ASIDE, {**_arrays(positions), "person": person, "reason": reason})


async def note_look(connection: AsyncConnection, source: str, sequence: int, person: str) -> None:
    """Note that somebody sees the content of a letter."""
    await connection.execute(_LOOK, {"source": source, "sequence": sequence, "person": person})


async def looks(connection: AsyncConnection, source: str, sequence: int) -> Sequence[Row[Any]]:
    """Who has seen the content of a letter, the last first."""
    return (await connection.execute(_LOOKS, {"source": source, "sequence": sequence})).all()


def _arrays(positions: Iterable[tuple[str, int]]) -> dict[str, list[Any]]:
    each = list(positions)
    return {"sources": [source for source, _ in each], "sequences": [sequence for _, sequence in each]}
