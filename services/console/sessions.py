"""Sessions of browsers: a cookie with a key of 256 random bits, of which the database knows the hash alone.

They outlive a restart and are good for every process of the console. A session ends twelve hours after the
sign-in, or two hours after the browser was last heard of: pages that are in sight ask every few seconds, so
an open page at the desk stays signed in for the evening, and a closed laptop does not. What an account may do
is read with each request, so that what an administrator takes away is gone at once.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.console.models import accounts, sessions
from shared.access import Person

Way = Literal["password", "provider"]

ABSOLUTE: Final = timedelta(hours=12)
"""An evening with its rehearsal."""
IDLE: Final = timedelta(hours=2)
NOTED_EVERY: Final = timedelta(minutes=1)
"""How exactly it is known when a browser was last heard of: one write a minute, not one a request."""
MAX_PER_ACCOUNT: Final = 20
"""Browsers of one person; the one that was heard of longest ago ends when there are more."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in. `csrf` is what an unsafe request has to carry."""

    account_id: UUID
    person: Person
    way: Way
    opened_at: datetime
    ends_at: datetime
    csrf: str


def hash_of(key: str) -> bytes:
    """What the database knows of a key."""
    return hashlib.sha256(key.encode()).digest()


def csrf_of(key: str) -> str:
    """The token of a session's pages: follows from the key, which no script can read, and does not give it
    away.
    """
    return hmac.new(key.encode(), b"csrf", hashlib.sha256).hexdigest()


async def open_session(connection: AsyncConnection, account_id: UUID, way: Way) -> str:
    """Begin a session and give its key. The oldest of the account end when there are too many."""
    key = secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    await connection.execute(
        insert(sessions).values(
            key_hash=hash_of(key),
            account_id=account_id,
            way=way,
            opened_at=now,
            seen_at=now,
            ends_at=now + ABSOLUTE,
        )
    )
    newest = (
        select(sessions.c.key_hash)
        .where(sessions.c.account_id == account_id)
        .order_by(sessions.c.seen_at.desc())
        .limit(MAX_PER_ACCOUNT)
    )
    await connection.execute(
        delete(sessions).where(sessions.c.account_id == account_id, sessions.c.key_hash.not_in(newest))
    )
    await connection.execute(
        delete(sessions).where((sessions.c.ends_at < now) | (sessions.c.seen_at < now - IDLE))
    )
    return key


async def close(connection: AsyncConnection, key: str) -> None:
    """End one session."""
    await connection.execute(delete(sessions).where(sessions.c.key_hash == hash_of(key)))


async def close_all(connection: AsyncConnection, account_id: UUID) -> int:
    """End all sessions of an account; how many there were."""
    return (await connection.execute(delete(sessions).where(sessions.c.account_id == account_id))).rowcount


async def find(engine: AsyncEngine, key: str) -> Session | None:
    """Who holds this key, unless the session has ended or the account is disabled."""
    now = datetime.now(UTC)
    asked = (
        select(
            accounts,
            sessions.c.way,
            sessions.c.opened_at,
            sessions.c.seen_at,
            sessions.c.ends_at,
        )
        .join(accounts, accounts.c.account_id == sessions.c.account_id)
        .where(
            sessions.c.key_hash == hash_of(key),
            sessions.c.ends_at > now,
            sessions.c.seen_at > now - IDLE,
            accounts.c.disabled.is_(False),
        )
    )
    async with engine.connect() as connection:
        row = (await connection.execute(asked)).one_or_none()
    if row is None:
        return None
    if now - row.seen_at > NOTED_EVERY:
        async with engine.begin() as connection:
            await connection.execute(
                update(sessions).where(sessions.c.key_hash == hash_of(key)).values(seen_at=now)
            )
    person = Person(
        row.person,
        frozenset(row.roles),
        {place: frozenset(roles) for place, roles in row.grants.items()},
    )
    return Session(row.account_id, person, row.way, row.opened_at, row.ends_at, csrf_of(key))
