"""Who owns a service's tables, and what the service itself may do with them.

Two roles for each service, and a third where its numbers are proved. `<name>_owner` owns the database and all
that migrations make; it can't log in, and the administrator takes its place to migrate. `<name>` is the
service's: it reads and writes rows, and may neither make, change, empty nor drop a table, nor change a row
where a trigger refuses it. So who takes over a service can't switch off what makes its audit log, its ledger
or its receipts hold. `<name>_verify` reads what it is told to, and writes nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import asyncpg
from sqlalchemy.engine import URL

from deploy.local.databases import connect, give_login, join, parse_url
from shared.migrations import migrate

ANALYSED: Final = frozenset({"bill_lines"})
"""Tables that a service has analysed after it has filled them at once (MAINTAIN, since PostgreSQL 17)."""
MAINTAIN_SINCE: Final = 17
READERS: Final = 5
"""Connections at once of a role that only reads: a proof has one at a time."""

# Roles are the whole server's: one stack after the other.
_ONE_AFTER_THE_OTHER: Final = "SELECT pg_advisory_xact_lock(hashtext('shanliu.roles'))"

# What a trigger refuses whatever the row is, is not granted. Of tgtype: 1 for each row, 2 before, 8 DELETE,
# 16 UPDATE. never_edited is of receipts: they may be voided, and never deleted.
_TABLES: Final = """
SELECT c.relname AS name,
       coalesce(bool_or(t.tgtype & 1 = 0 AND t.tgtype & 2 = 2 AND t.tgtype & 16 = 16), false) AS no_update,
       coalesce(bool_or(t.tgtype & 8 = 8
           AND (t.tgtype & 1 = 0 AND t.tgtype & 2 = 2 OR p.proname = 'never_edited')), false) AS no_delete
FROM pg_class c
LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgqual IS NULL
LEFT JOIN pg_proc p ON p.oid = t.tgfoid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
GROUP BY c.relname ORDER BY c.relname
"""


class Rights(NamedTuple):
    """What a service may do with the rows of a table, besides reading them."""

    insert: bool
    update: bool
    delete: bool

    def __str__(self) -> str:
        return ", ".join(["SELECT", *(name.upper() for name in self._fields if getattr(self, name))])


def rights(table: str, *, no_update: bool, no_delete: bool) -> Rights:
    """What is granted of a table whose triggers refuse so much. The version of the schema is only read."""
    if table == "alembic_version":
        return Rights(insert=False, update=False, delete=False)
    return Rights(insert=True, update=not no_update, delete=not no_update and not no_delete)


async def migrate_apart(admin_url: str, service_url: str, package: str) -> None:
    """Bring a service's database to the newest version as its owner, and give the service's role its rights:
    none more, none less. A database that the service's role has owned until now goes over to the owner.
    Raises StackProblem.
    """
    role = str(parse_url(service_url).username)
    url, owner = as_owner(admin_url, service_url)
    admin = parse_url(url)
    await _give_to_owner(admin, role)
    await migrate(url, package, role=owner)
    await _grant(admin, role)


async def let_read(
    admin_url: str, service_url: str, password: str, reads: Mapping[str, tuple[str, ...]]
) -> None:
    """Make the role that reads the tables `reads` of a service's migrated database (columns by table, none:
    all of them) and nothing else there, or give it that password and those rights. Raises StackProblem.
    """
    role = str(parse_url(service_url).username)
    reader, owner = reader_of(role), owner_of(role)
    admin = parse_url(as_owner(admin_url, service_url)[0])
    connection = await connect(admin)
    try:
        async with connection.transaction():
            await connection.execute(_ONE_AFTER_THE_OTHER)
            await give_login(connection, reader, password, f"CONNECTION LIMIT {READERS}")
            await connection.execute(f'GRANT CONNECT ON DATABASE "{admin.database}" TO "{reader}"')
            await connection.execute(f'SET LOCAL ROLE "{owner}"')
            await connection.execute(f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{reader}"')
            await connection.execute(f'GRANT USAGE ON SCHEMA public TO "{reader}"')
            for table, columns in reads.items():
                which = ", ".join(f'"{column}"' for column in columns)
                await connection.execute(f'GRANT SELECT{which and f" ({which})"} ON "{table}" TO "{reader}"')
    finally:
        await connection.close()


def reader_of(role: str) -> str:
    """The role that proves the numbers which a service's role writes."""
    return f"{role}_verify"


def owner_of(role: str) -> str:
    """The role that owns what a service's role works with."""
    return f"{role}_owner"


def as_owner(admin_url: str, service_url: str) -> tuple[str, str]:
    """A service's database as the administrator reaches it, and the role to take there."""
    service = parse_url(service_url)
    url = parse_url(admin_url).set(database=service.database)
    return url.render_as_string(hide_password=False), owner_of(str(service.username))


async def _give_to_owner(admin: URL, role: str) -> None:
    owner = owner_of(role)
    connection = await connect(admin)
    try:
        async with connection.transaction():
            await connection.execute(_ONE_AFTER_THE_OTHER)
            if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", owner):
                await connection.execute(
                    f'CREATE ROLE "{owner}" NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION'
                )
            for each in (role, owner):
                await join(connection, each)
            await connection.execute(f'REASSIGN OWNED BY "{role}" TO "{owner}"')
            await connection.execute(f'GRANT CONNECT ON DATABASE "{admin.database}" TO "{role}"')
            # A table is of use from the moment of its making; what is too much is taken away below.
            defaults = f'ALTER DEFAULT PRIVILEGES FOR ROLE "{owner}" IN SCHEMA public GRANT'
            await connection.execute(f'{defaults} SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{role}"')
            await connection.execute(f'{defaults} USAGE, SELECT ON SEQUENCES TO "{role}"')
    finally:
        await connection.close()


async def _grant(admin: URL, role: str) -> None:
    connection = await connect(admin)
    try:
        async with connection.transaction():
            await connection.execute(f'SET LOCAL ROLE "{owner_of(role)}"')
            for statement in _grants(role, await connection.fetch(_TABLES)):
                await connection.execute(statement)
            if connection.get_server_version().major >= MAINTAIN_SINCE:
                for table in ANALYSED & {row["name"] for row in await connection.fetch(_TABLES)}:
                    await connection.execute(f'GRANT MAINTAIN ON "{table}" TO "{role}"')
    finally:
        await connection.close()


def _grants(role: str, tables: Iterable[asyncpg.Record]) -> Iterable[str]:
    yield f'REVOKE ALL ON ALL TABLES IN SCHEMA public FROM "{role}"'
    yield f'GRANT USAGE ON SCHEMA public TO "{role}"'
    for row in tables:
        given = rights(row["name"], no_update=row["no_update"], no_delete=row["no_delete"])
        yield f'GRANT {given} ON "{row["name"]}" TO "{role}"'
    yield f'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO "{role}"'
