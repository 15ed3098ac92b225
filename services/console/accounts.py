"""Accounts: who may come in, by a password of ours or by an identity provider, and what they may do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.console.models import accounts, sessions
from shared.access import Person, Role
from shared.refusals import NotFound, Refused
from shared.versions import require_version

Grants = Mapping[str, Sequence[Role]]

MAX_ACCOUNTS: Final = 1_000


class UnknownAccount(NotFound):
    """Nobody has this name."""

    code = "unknown-account"
    title = "There is no such account"


class NameTaken(Refused):
    """A name stands for one person on every record, so nobody else can have it."""

    code = "name-taken"
    title = "The name is taken"


class TooManyAccounts(Refused):
    """More accounts than a page of them can show."""

    code = "too-many-accounts"
    title = "There are too many accounts"


@dataclass(frozen=True, slots=True)
class Account:
    """One account as it is stored."""

    account_id: UUID
    person: str
    password_hash: str | None
    issuer: str | None
    subject: str | None
    roles: frozenset[Role]
    grants: Mapping[str, frozenset[Role]]
    disabled: bool
    version: int
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, row: Row[Any]) -> "Account":
        """From a row of the table."""
        values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name of it
        return cls(
            **values
            | {
                "roles": frozenset(values["roles"]),
                "grants": {place: frozenset(roles) for place, roles in values["grants"].items()},
            }
        )

    def as_person(self) -> Person:
        """As the services know it."""
        return Person(self.person, self.roles, self.grants)


async def find(connection: AsyncConnection, person: str) -> Account:
    """Raises UnknownAccount."""
    found = await find_or_none(connection, person)
    if found is None:
        raise UnknownAccount("Nobody has this name.", fields=["person"])
    return found


async def find_or_none(connection: AsyncConnection, person: str) -> Account | None:
    """The account of this name."""
    row = (await connection.execute(select(accounts).where(accounts.c.person == person))).one_or_none()
    return Account.of(row) if row else None


async def find_subject(connection: AsyncConnection, issuer: str, subject: str) -> Account | None:
    """The account of somebody whom an identity provider names so."""
    asked = select(accounts).where(accounts.c.issuer == issuer, accounts.c.subject == subject)
    row = (await connection.execute(asked)).one_or_none()
    return Account.of(row) if row else None


async def listed(connection: AsyncConnection) -> list[Account]:
    """All, by name."""
    rows = await connection.execute(select(accounts).order_by(accounts.c.person).limit(MAX_ACCOUNTS))
    return [Account.of(row) for row in rows]


async def add(
    connection: AsyncConnection,
    person: str,
    roles: Sequence[Role] | frozenset[Role],
    grants: Mapping[str, Any],
    *,
    password_hash: str | None = None,
    issuer: str | None = None,
    subject: str | None = None,
) -> None:
    """Make an account. Raises NameTaken, TooManyAccounts."""
    if len(await listed(connection)) >= MAX_ACCOUNTS:
        raise TooManyAccounts(f"There are {MAX_ACCOUNTS} accounts, which is as many as there may be.")
    now = datetime.now(UTC)
    row = {
        "account_id": uuid4(),
        "person": person,
        "password_hash": password_hash,
        "issuer": issuer,
        "subject": subject,
        "roles": sorted(roles),
        "grants": {place: sorted(each) for place, each in grants.items()},
        "disabled": False,
        "version": 1,
        "created_at": now,
        "changed_at": now,
    }
    try:
        async with connection.begin_nested():
            await connection.execute(insert(accounts).values(row))
    except IntegrityError as error:
        raise NameTaken(
            "Somebody has this name already; a name stands for one person.", fields=["person"]
        ) from error


async def change(
    connection: AsyncConnection, person: str, *, expected: int | None = None, **values: Any
) -> Account:
    """Set columns of an account. Raises UnknownAccount, VersionChanged. Who is disabled or has a new password
    is signed out everywhere; roles count from the next request anyhow.
    """
    row = (
        await connection.execute(select(accounts).where(accounts.c.person == person).with_for_update())
    ).one_or_none()
    if row is None:
        raise UnknownAccount("Nobody has this name.", fields=["person"])
    require_version(row.version, expected)
    changed = (
        await connection.execute(
            update(accounts)
            .where(accounts.c.account_id == row.account_id)
            .values(version=row.version + 1, changed_at=datetime.now(UTC), **values)
            .returning(accounts)
        )
    ).one()
    if values.get("disabled") or "password_hash" in values:
        await connection.execute(delete(sessions).where(sessions.c.account_id == row.account_id))
    return Account.of(changed)
