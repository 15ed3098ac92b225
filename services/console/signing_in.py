"""Signing in with a local account, and out again: what is decided and what is written down."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.console import accounts, audit, lockout, sessions
from services.console.lockout import Kind, Tries
from services.console.models import attempts
from services.console.passwords import Checker
from services.console.sessions import Session, Way

UNKNOWN: Final = "(unknown name)"
"""In the audit log instead of a name that nobody has: people type their password there."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody was let in. `wait_s` > 0: and nothing was looked at, for so many seconds more."""

    wait_s: int = 0


class Door:
    """Lets people in and out. Every outcome is a row of the audit log."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._checker = Checker()

    async def by_password(self, person: str, password: str, address: str) -> str | Refusal:
        """The key of a new session, or why there is none. Takes as long for a name that nobody has."""
        wait_s = await self._charge(person, address)
        async with self._engine.connect() as connection:
            # A name that no account can have is nobody's, and PostgreSQL's text can't hold every one.
            account = await accounts.find_or_none(connection, person if person.isprintable() else "")
        known = account.person if account else UNKNOWN
        if wait_s:
            await self._write("locked-out", known, address, f"waits {wait_s} s after wrong passwords")
            return Refusal(wait_s)
        usable = account is not None and not account.disabled
        right = await self._checker.matches(
            password, account.password_hash if account is not None and usable else None
        )
        if account is None or not right:
            await self._write("sign-in-failed", known, address, "by password")
            return Refusal()
        return await self.let_in(account.account_id, account.person, "password", address)

    async def let_in(self, account_id: UUID, person: str, way: Way, address: str) -> str:
        """Begin a session of somebody who has proved who they are."""
        async with self._engine.begin() as connection:
            await _forgive(connection, person, address)
            key = await sessions.open_session(connection, account_id, way)
            await audit.append(connection, audit.Entry("signed-in", person, address, f"by {way}"))
        return key

    async def out(self, session: Session, key: str, address: str, *, everywhere: bool) -> None:
        """End this session, or all of the account."""
        async with self._engine.begin() as connection:
            if everywhere:
                ended = await sessions.close_all(connection, session.account_id)
            else:
                await sessions.close(connection, key)
                ended = 1
            summary = f"everywhere, {ended} sessions" if everywhere else "here"
            await audit.append(connection, audit.Entry("signed-out", session.person.name, address, summary))

    async def _write(self, kind: audit.Kind, person: str, address: str, summary: str) -> None:
        async with self._engine.begin() as connection:
            await audit.append(connection, audit.Entry(kind, person, address, summary))

    async def _charge(self, person: str, address: str) -> int:
        """Count a try as wrong before it is looked at, so that a thousand at once are a thousand. Seconds to
        wait when the account or the address has to; then nothing is counted.
        """
        now = datetime.now(UTC)
        async with self._engine.begin() as connection:
            known = await _locked(connection, person, address, now)
            waits = [lockout.wait_s(tries, now) for tries in known.values()]
            if any(waits):
                return max(waits)
            for (kind, subject), tries in known.items():
                await _store(connection, subject, lockout.failed(kind, tries, now))
            await connection.execute(
                delete(attempts).where(attempts.c.last_at < now - 2 * lockout.FORGOTTEN_AFTER)
            )
        return 0


def _subjects(person: str, address: str) -> list[tuple[Kind, bytes]]:
    """In one order for everybody, so that two tries never wait for each other in a ring."""
    named: list[tuple[Kind, str]] = [("account", person), ("address", address)]
    hashed: list[tuple[Kind, bytes]] = [
        (kind, hashlib.sha256(f"{kind} {name}".encode("utf-8", "replace")).digest()) for kind, name in named
    ]
    return sorted(hashed, key=lambda each: each[1])


async def _locked(
    connection: AsyncConnection, person: str, address: str, now: datetime
) -> dict[tuple[Kind, bytes], Tries]:
    found = {}
    for kind, subject in _subjects(person, address):
        await connection.execute(
            insert(attempts).values(subject_hash=subject, failures=0, last_at=now).on_conflict_do_nothing()
        )
        row = (
            await connection.execute(
                select(attempts).where(attempts.c.subject_hash == subject).with_for_update()
            )
        ).one()
        found[kind, subject] = Tries(row.failures, row.last_at, row.blocked_until)
    return found


async def _store(connection: AsyncConnection, subject: bytes, tries: Tries) -> None:
    values = {
        "failures": tries.failures,
        "last_at": tries.last_at,
        "blocked_until": tries.blocked_until,
    }
    await connection.execute(
        insert(attempts)
        .values(subject_hash=subject, **values)
        .on_conflict_do_update(index_elements=["subject_hash"], set_=values)
    )


async def _forgive(connection: AsyncConnection, person: str, address: str) -> None:
    """Who got in has no wrong tries; their address one less."""
    now = datetime.now(UTC)
    for (kind, subject), tries in (await _locked(connection, person, address, now)).items():
        left = 0 if kind == "account" else max(0, tries.failures - 1)
        await _store(connection, subject, Tries(left, now))
