"""Accounts: administrators make them and say what each may do; everybody chooses their own password."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.console.accounts import Account
from services.console.administration import Actor, Administration, NewAccount, Rights
from services.console.forwarding import roles_said
from services.console.guard import Guard
from services.console.sessions import Session
from shared.versions import etag, expected_version

NO_STORE: Final = {"Cache-Control": "no-store"}


class AccountRow(BaseModel):
    """One account. The password is nowhere to be read."""

    person: str
    roles: list[str]
    grants: dict[str, list[str]]
    way: str = Field(description="password or provider")
    issuer: str | None
    subject: str | None
    disabled: bool
    version: int
    created_at: datetime
    changed_at: datetime

    @classmethod
    def of(cls, account: Account) -> "AccountRow":
        """From the stored one."""
        return cls(
            person=account.person,
            roles=sorted(account.roles),
            grants={place: sorted(roles) for place, roles in account.grants.items()},
            way="password" if account.password_hash else "provider",
            issuer=account.issuer,
            subject=account.subject,
            disabled=account.disabled,
            version=account.version,
            created_at=account.created_at,
            changed_at=account.changed_at,
        )


class AccountPage(BaseModel):
    """All of them: there are few."""

    items: list[AccountRow]
    next: None = None


class Made(BaseModel):
    """Shown this once."""

    person: str
    password: str | None = Field(description="null: comes in by the provider")


class Disabling(BaseModel):
    """Whether somebody is kept out."""

    model_config = ConfigDict(extra="forbid")

    disabled: bool


class Choice(BaseModel):
    """A person's own new password."""

    model_config = ConfigDict(extra="forbid")

    old: str = Field(max_length=128)
    new: str = Field(max_length=128)


class Ended(BaseModel):
    """How many sessions were ended."""

    sessions: int


IfMatch = Annotated[str | None, Header()]


def accounts_router(administration: Administration, guard: Guard) -> APIRouter:
    """Below /api/console."""
    router = APIRouter(prefix="/api/console", tags=["accounts"])

    async def administrator(request: Request, session: Annotated[Session, Depends(guard.session)]) -> Actor:
        guard.require_administrator(session)
        return Actor(session.person.name, guard.address(request), roles_said(session))

    Acting = Annotated[Actor, Depends(administrator)]  # noqa: N806 - a type

    def shown(account: Account, response: Response) -> AccountRow:
        response.headers.update({**NO_STORE, "ETag": etag(account.version)})
        return AccountRow.of(account)

    @router.get("/accounts", summary="All accounts", dependencies=[Depends(administrator)])
    async def listed(response: Response) -> AccountPage:
        """By name."""
        response.headers.update(NO_STORE)
        return AccountPage(items=[AccountRow.of(each) for each in await administration.listed()])

    @router.post("/accounts", summary="Make an account", status_code=201)
    async def add(new: NewAccount, actor: Acting, response: Response) -> Made:
        """The answer has the password, this once. The name makes it once: a repeat is refused."""
        response.headers.update(NO_STORE)
        return Made(person=new.person, password=await administration.add(actor, new))

    @router.put("/accounts/{person}/rights", summary="What somebody may do")
    async def grant(
        person: str, rights: Rights, actor: Acting, response: Response, if_match: IfMatch = None
    ) -> AccountRow:
        """Counts from their next request."""
        return shown(await administration.grant(actor, person, rights, expected_version(if_match)), response)

    @router.put("/accounts/{person}/disabled", summary="Keep somebody out, or let them in again")
    async def disable(
        person: str, said: Disabling, actor: Acting, response: Response, if_match: IfMatch = None
    ) -> AccountRow:
        """Who is kept out is signed out everywhere at once."""
        changed = await administration.disable(
            actor, person, disabled=said.disabled, expected=expected_version(if_match)
        )
        return shown(changed, response)

    @router.post("/accounts/{person}/password", summary="A new password for somebody")
    async def renew(person: str, actor: Acting, response: Response) -> Made:
        """The answer has it, this once; the old one ends, with every session."""
        response.headers.update(NO_STORE)
        return Made(person=person, password=await administration.renew(actor, person))

    @router.post("/accounts/{person}/sign-out", summary="End all sessions of somebody")
    async def sign_out(person: str, actor: Acting) -> Ended:
        """They may sign in again."""
        return Ended(sessions=await administration.sign_out(actor, person))

    @router.post("/me/password", summary="Choose one's own password", status_code=204)
    async def choose(
        said: Choice, request: Request, session: Annotated[Session, Depends(guard.session)]
    ) -> Response:
        """Signs out everywhere."""
        await administration.choose(session, guard.address(request), said.old, said.new)
        answer = Response(status_code=204)
        guard.forget(answer)
        return answer

    return router
