"""Accounts of the console from the command line: on the local stack, or where CONSOLE_DATABASE_URL points."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

from pydantic import ValidationError

from deploy.given import given
from deploy.local.credentials import PEOPLE, PEOPLE_OF
from deploy.local.databases import parse_url, run
from deploy.local.environment import short_lived
from deploy.local.problems import StackProblem
from deploy.local.running import Running
from services.console.accounts import Account, NameTaken
from services.console.administration import LOCAL, Administration, NewAccount, Rights
from services.console.passwords import hash_password, hash_quickly
from shared.access import Grant, Role
from shared.database import create_engine, disposing
from shared.refusals import Refused
from shared.wrong_fields import field_errors

T = TypeVar("T")

DATABASE: Final = "CONSOLE_DATABASE_URL"


def _database_url() -> str:
    named = given(DATABASE)
    if named:
        return parse_url(named).render_as_string(hide_password=False)
    return Running.find().databases["console"]


def _done(work: Callable[[Administration], Awaitable[T]]) -> T:
    async def in_a_loop() -> T:
        async with disposing(create_engine(_database_url(), "shanliu-account", pool_size=1)) as engine:
            return await work(Administration(engine, hash_quickly if short_lived() else hash_password))

    try:
        return run(in_a_loop())
    except Refused as refused:
        raise StackProblem(refused.detail) from None


def rights_of(roles: list[str], at: list[str]) -> dict[str, Any]:
    """`roles` everywhere, `at` as organisation:role, in the words of the API."""
    grants = []
    for each in at:
        organisation, _, role = each.partition(":")
        grants.append({"organisation": organisation, "roles": [role]})
    return {"roles": roles, "grants": grants}


def add(person: str, roles: list[str], at: list[str]) -> str:
    """Make a local account; its password."""
    new = _checked(NewAccount, {"person": person, **rights_of(roles, at)})
    return cast(str, _done(lambda administration: administration.add(LOCAL, new)))


def grant(person: str, roles: list[str], at: list[str]) -> Account:
    """Replace what somebody may do."""
    rights = _checked(Rights, rights_of(roles, at))
    return _done(lambda administration: administration.grant(LOCAL, person, rights, None))


def renew(person: str) -> str:
    """A new password."""
    return _done(lambda administration: administration.renew(LOCAL, person))


def disable(person: str, *, disabled: bool) -> Account:
    """Keep somebody out, or let them in again."""
    return _done(
        lambda administration: administration.disable(LOCAL, person, disabled=disabled, expected=None)
    )


def listed() -> list[Account]:
    """All accounts."""
    return _done(lambda administration: administration.listed())


def first_accounts() -> dict[str, str]:
    """Accounts for the people of the local stack who have none yet; their passwords, which nobody can read
    again. The names are those of the operators' tokens: one person, whichever way they come. Of several who
    do this at once each has those that it made.
    """

    async def missing(administration: Administration) -> dict[str, str]:
        known = {account.person for account in await administration.listed()}
        wanted = {}
        for person, roles in PEOPLE.items():
            if person not in known:
                wanted[person] = NewAccount(person=person, roles=_roles(roles))
        for person, (organisation, granted) in PEOPLE_OF.items():
            if person not in known:
                at = [Grant(organisation=organisation, roles=frozenset(_roles(granted)))]
                wanted[person] = NewAccount(person=person, roles=[], grants=at)
        made = {}
        for person, new in wanted.items():
            with suppress(NameTaken):
                made[person] = await administration.add(LOCAL, new) or ""
        return made

    return _done(missing)


def show_first(say: Callable[[str], None]) -> None:
    """Make the accounts that are missing, and tell their passwords this once to who has started the stack."""
    made = first_accounts()
    if made:
        say("accounts of the console, shown this once; a new password: shanliu account password NAME")
    for person, password in made.items():
        say(f"  {person:<16} {password}")


def _roles(named: tuple[str, ...]) -> list[Role]:
    return cast("list[Role]", list(named))


M = TypeVar("M", NewAccount, Rights)


def _checked(model: type[M], said: dict[str, Any]) -> M:
    try:
        return model.model_validate(said)
    except ValidationError as error:
        first = field_errors(error.errors())[0]
        raise StackProblem(f"{first['field']}: {first['message']}") from None
