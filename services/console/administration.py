"""What administrators do with accounts, each act with its row of the audit log in the same transaction.

A password is made here, given back once, and never stored but as its hash.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy.ext.asyncio import AsyncEngine

from services.console import accounts, audit, sessions
from services.console.accounts import Account
from services.console.passwords import LENGTH, Checker, hash_password, new_password
from services.console.sessions import Session
from shared.access import MAX_GRANTS, Grant, Role, person_of
from shared.refusals import Refused

COMMAND_LINE: Final = "command line"


class OwnAccount(Refused):
    """An administrator who would lock themselves out."""

    code = "own-account"
    title = "Nobody takes away their own rights"


class NoPassword(Refused):
    """A password for somebody who comes in by the identity provider."""

    code = "provider-account"
    title = "The account has no password"


class WrongPassword(Refused):
    """The old password is not the one that was given."""

    code = "wrong-password"
    title = "The password is wrong"
    status = 403


class PasswordLength(Refused):
    """A password of one's own choice that is too short, or too long to be looked at."""

    code = "password-length"
    title = "The password has not the right length"
    status = 422


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it, and from where."""

    person: str
    address: str
    roles: Sequence[str] = ()


LOCAL: Final = Actor(COMMAND_LINE, "local")


class Rights(BaseModel):
    """What an account may do: `roles` everywhere, `grants` at one organisation and all below it."""

    model_config = ConfigDict(extra="forbid")

    roles: list[Role] = Field(max_length=10)
    grants: list[Grant] = Field(default=[], max_length=MAX_GRANTS)

    @property
    def by_place(self) -> dict[str, list[Role]]:
        """Grants of one organisation added up, as the table has them."""
        granted = person_of("", frozenset(), self.grants).grants
        return {place: sorted(roles) for place, roles in granted.items()}

    def __str__(self) -> str:
        places = [f"{role}@{place}" for place, roles in self.by_place.items() for role in roles]
        return ", ".join([*sorted(set(self.roles)), *places]) or "no role"


class NewAccount(Rights):
    """A person who is to come in: by a password made for them, or as the identity provider names them."""

    person: str = Field(min_length=1, max_length=64, description="stands for them on every record, for ever")
    issuer: str | None = Field(None, max_length=500, pattern="^https?://", description="the provider's")
    subject: str | None = Field(None, min_length=1, max_length=255, description="`sub` at the provider")

    @field_validator("person")
    @classmethod
    def _readable(cls, person: str) -> str:
        if not person.isprintable() or person != person.strip():
            raise ValueError("must be one printable line without spaces around it")
        return person

    @model_validator(mode="after")
    def _provider_is_whole(self) -> Self:
        if (self.issuer is None) != (self.subject is None):
            raise ValueError("subject: issuer and subject go together")
        return self


class Administration:
    """The commands. `hashed` is for the passwords that are made here."""

    def __init__(self, engine: AsyncEngine, hashed: Callable[[str], str] = hash_password) -> None:
        self._engine = engine
        self._hashed = hashed
        self._checker = Checker()

    async def add(self, actor: Actor, new: NewAccount) -> str | None:
        """Make an account; its password, or None when it comes in by a provider."""
        password = new_password() if new.subject is None else None
        password_hash = await asyncio.to_thread(self._hashed, password) if password else None
        async with self._engine.begin() as connection:
            await accounts.add(
                connection,
                new.person,
                frozenset(new.roles),
                new.by_place,
                password_hash=password_hash,
                issuer=new.issuer,
                subject=new.subject,
            )
            await audit.append(connection, _entry(actor, f"added {new.person}: {new}"))
        return password

    async def renew(self, actor: Actor, person: str) -> str:
        """A new password; who had the old one is signed out."""
        password = new_password()
        password_hash = await asyncio.to_thread(self._hashed, password)
        async with self._engine.begin() as connection:
            _require_local(await accounts.find(connection, person))
            await accounts.change(connection, person, password_hash=password_hash)
            await audit.append(connection, _entry(actor, f"new password for {person}"))
        return password

    async def choose(self, session: Session, address: str, old: str, new: str) -> None:
        """A person's own password, of their choice. Signs them out everywhere."""
        person = session.person.name
        if not LENGTH[0] <= len(new) <= LENGTH[1]:
            raise PasswordLength(f"A password has {LENGTH[0]} to {LENGTH[1]} characters.", fields=["new"])
        async with self._engine.connect() as connection:
            account = _require_local(await accounts.find(connection, person))
        if not await self._checker.matches(old, account.password_hash):
            raise WrongPassword("This is not your present password.", fields=["old"])
        password_hash = await asyncio.to_thread(hash_password, new)
        async with self._engine.begin() as connection:
            await accounts.change(connection, person, password_hash=password_hash)
            await audit.append(connection, _entry(Actor(person, address), "chose a new password"))

    async def grant(self, actor: Actor, person: str, rights: Rights, expected: int | None) -> Account:
        """What an account may do from now on, instead of what it could."""
        if person == actor.person and "administrator" not in rights.roles:
            raise OwnAccount("Have another administrator take your role.", fields=["roles"])
        async with self._engine.begin() as connection:
            changed = await accounts.change(
                connection,
                person,
                expected=expected,
                roles=sorted(set(rights.roles)),
                grants=rights.by_place,
            )
            await audit.append(connection, _entry(actor, f"{person} may now: {rights}"))
        return changed

    async def disable(self, actor: Actor, person: str, *, disabled: bool, expected: int | None) -> Account:
        """Keep somebody out, with all their sessions, or let them in again."""
        if person == actor.person:
            raise OwnAccount("Have another administrator do it.", fields=["disabled"])
        async with self._engine.begin() as connection:
            changed = await accounts.change(connection, person, expected=expected, disabled=disabled)
            await audit.append(connection, _entry(actor, f"{'disabled' if disabled else 'enabled'} {person}"))
        return changed

    async def sign_out(self, actor: Actor, person: str) -> int:
        """End every session of somebody; how many there were."""
        async with self._engine.begin() as connection:
            account = await accounts.find(connection, person)
            ended = await sessions.close_all(connection, account.account_id)
            await audit.append(connection, _entry(actor, f"signed out {person}: {ended} sessions"))
        return ended

    async def listed(self) -> list[Account]:
        """All accounts, by name."""
        async with self._engine.connect() as connection:
            return await accounts.listed(connection)


def _require_local(account: Account) -> Account:
    if account.password_hash is None:
        raise NoPassword("This person comes in by the identity provider; the password is kept there.")
    return account


def _entry(actor: Actor, summary: str) -> audit.Entry:
    return audit.Entry("account", actor.person, actor.address, summary, actor.roles)
