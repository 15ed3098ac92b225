"""What a service's migrations since the last release take away from who still runs that release.

An upgrade is expand - migrate - contract: while old and new processes run side by side, the old ones read and
write the new schema. So between two releases a schema only grows (docs/upgrades.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg

Key = tuple[str, str]
"""(table, name of the column, constraint, index or trigger)."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the catalogue has it. `filled`: the database gives a value to who names none."""

    type: str
    required: bool
    filled: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """A database's tables. `rules`: CHECK, FOREIGN KEY, EXCLUDE; `unique`: what ON CONFLICT can name."""

    tables: frozenset[str]
    columns: Mapping[Key, Column] = field(default_factory=dict)
    rules: Mapping[Key, str] = field(default_factory=dict)
    unique: Mapping[Key, str] = field(default_factory=dict)
    triggers: Mapping[Key, str] = field(default_factory=dict)


_OURS: Final = "c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'"
_TABLES: Final = f"SELECT c.relname FROM pg_class c WHERE c.relkind IN ('r', 'p') AND {_OURS}"
_COLUMNS: Final = f"""
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
       a.atthasdef OR a.attidentity <> ''
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND {_OURS}
"""
_RULES: Final = f"""
SELECT c.relname, r.conname, pg_get_constraintdef(r.oid)
FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid WHERE r.contype IN ('c', 'f', 'x') AND {_OURS}
"""
_UNIQUE: Final = f"""
SELECT c.relname, n.relname, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class n ON n.oid = i.indexrelid
WHERE i.indisunique AND {_OURS}
"""
_TRIGGERS: Final = f"""
SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND {_OURS}
"""


async def read_schema(connection: "asyncpg.Connection[asyncpg.Record]") -> Schema:
    """The schema of a service's database."""

    async def texts(statement: str) -> dict[Key, str]:
        return {(row[0], row[1]): row[2] for row in await connection.fetch(statement)}

    return Schema(
        frozenset(row[0] for row in await connection.fetch(_TABLES)),
        {(row[0], row[1]): Column(row[2], row[3], row[4]) for row in await connection.fetch(_COLUMNS)},
        await texts(_RULES),
        await texts(_UNIQUE),
        await texts(_TRIGGERS),
    )


def contractions(old: Schema, new: Schema) -> list[str]:
    """What the release that knows `old` can trip over in `new`, in words; empty: it only grew."""
    kept = old.tables & new.tables
    found = [f"table {name} is gone" for name in old.tables - new.tables]
    found += [change for key, column in old.columns.items() for change in _narrower(key, column, new)]
    found += [
        f"column {_name(key)} is new, required, and not filled by itself"
        for key, column in new.columns.items()
        if key not in old.columns and key[0] in kept and column.required and not column.filled
    ]
    for what, before, after in (
        ("rule", old.rules, new.rules),
        ("unique index", old.unique, new.unique),
        ("trigger", old.triggers, new.triggers),
    ):
        found += [
            f"{what} {_name(key)} is {'other' if key in before else 'new'}"
            for key, text in after.items()
            if key[0] in kept and before.get(key) != text
        ]
    found += [
        f"unique index {_name(key)} is gone" for key in old.unique if key[0] in kept and key not in new.unique
    ]
    return sorted(found)


def _narrower(key: Key, was: Column, new: Schema) -> list[str]:
    if key[0] not in new.tables:
        return []
    now = new.columns.get(key)
    if now is None:
        return [f"column {_name(key)} is gone"]
    found = []
    if now.type != was.type:
        found.append(f"column {_name(key)} is {now.type} instead of {was.type}")
    if now.required and not was.required:
        found.append(f"column {_name(key)} is required now")
    if now.required and was.filled and not now.filled:
        found.append(f"column {_name(key)} is not filled by itself any more")
    return found


def _name(key: Key) -> str:
    return ".".join(key)
