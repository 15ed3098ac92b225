"""A role and a database for each service, and nothing else that it may read. What the role may do in its
database when that is migrated: roles.py.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import asyncpg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from deploy.local.layout import DATABASES
from deploy.local.problems import StackProblem

CONNECT_S: Final = 5

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, whether or not this thread already has a running event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def parse_url(text: str) -> URL:
    """A PostgreSQL URL, with or without a driver in its scheme. Raises StackProblem."""
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise StackProblem(
            "DATABASE_URL can't be read; it looks like postgresql://user:password@host:5432/postgres."
        ) from error
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise StackProblem(f"DATABASE_URL names {url.get_backend_name()}; the services need PostgreSQL.")
    return url.set(drivername="postgresql+asyncpg")


def create_service_databases(
    admin_url: str, prefix: str = "shanliu", passwords: dict[str, str] | None = None
) -> dict[str, str]:
    """Make role and database `<prefix>_<service>` for each service unless they are there.

    Returns the database URL by service name. A database that is made belongs to its role until roles.py
    migrates it. Only the role itself (and the administrator) can connect to its
    database. Passwords are set anew each time, so that the URLs hold. Raises StackProblem.
    """
    known = passwords or {}
    chosen = {service: known.get(service) or secrets.token_urlsafe(24) for service in DATABASES}
    return run(_create(parse_url(admin_url), prefix, chosen))


async def close_to_others(admin_url: str) -> None:
    """Take from every role the right to connect to what is there from the start. On a server of somebody else
    it is not ours to take, and nothing changes.
    """
    connection = await connect(parse_url(admin_url))
    try:
        for name in ("postgres", "template1"):
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
    finally:
        await connection.close()


def _plain(url: URL) -> str:
    """The URL as asyncpg itself reads it."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


async def connect(url: URL) -> "asyncpg.Connection[asyncpg.Record]":
    """Open one connection. Raises StackProblem when the server doesn't let us in."""
    try:
        return await asyncpg.connect(_plain(url), timeout=CONNECT_S)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackProblem(
            f"PostgreSQL at {url.host}:{url.port or 5432} doesn't let us in: "
            f"{str(error) or type(error).__name__}."
        ) from error


async def _create(admin: URL, prefix: str, passwords: dict[str, str]) -> dict[str, str]:
    connection = await connect(admin)
    try:
        # Two stacks on one server must not make the same role at once.
        await connection.execute("SELECT pg_advisory_lock(hashtext('shanliu.databases'))")
        return {
            service: await _one(connection, admin, f"{prefix}_{service}", password)
            for service, password in passwords.items()
        }
    except asyncpg.InsufficientPrivilegeError as error:
        raise StackProblem(
            f"The user {admin.username} of DATABASE_URL (of ADMIN_DATABASE_URL for `shanliu prepare`) may not"
            f" make roles and databases: {error}."
        ) from error
    finally:
        await connection.close()


async def _one(connection: "asyncpg.Connection[asyncpg.Record]", admin: URL, name: str, password: str) -> str:
    # Names are ours; the password's alphabet is base64's, so that quoting can't go wrong.
    await give_login(connection, name, password)
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        await join(connection, name)
        await connection.execute(
            f'CREATE DATABASE "{name}" OWNER "{name}" ENCODING \'UTF8\' TEMPLATE template0'
        )
    await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
    return admin.set(username=name, password=password, database=name).render_as_string(hide_password=False)


async def give_login(
    connection: "asyncpg.Connection[asyncpg.Record]", name: str, password: str, more: str = ""
) -> None:
    """Make a role that can log in and nothing else, or give it a new password. What a role is may only be
    said again by a superuser, also where it is the same; nobody else can have changed it.
    """
    if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"ALTER ROLE \"{name}\" WITH LOGIN {more} PASSWORD '{password}'")
        return
    await connection.execute(
        f'CREATE ROLE "{name}" WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION {more}'
        f" PASSWORD '{password}'"
    )


async def join(connection: "asyncpg.Connection[asyncpg.Record]", role: str) -> None:
    """Have the administrator be a member of a role, if it is no superuser: only a member may give it
    something or take its place, and who has made a role is none in that sense since PostgreSQL 16.
    """
    if not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        await connection.execute(f'GRANT "{role}" TO CURRENT_USER')


async def drop_database(admin_url: str, name: str) -> None:
    """Remove a database and its roles, open connections included (tests)."""
    connection = await connect(parse_url(admin_url))
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        for role in (name, f"{name}_owner", f"{name}_verify"):
            await connection.execute(f'DROP ROLE IF EXISTS "{role}"')
    finally:
        await connection.close()
