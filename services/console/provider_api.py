"""The way to the identity provider and back."""

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from services.console import accounts, audit
from services.console.accounts import Account
from services.console.guard import Guard
from services.console.oidc import Identity, Pending, Provider, Refused
from services.console.pages import SIGN_IN, Render
from services.console.sign_in_api import NO_STORE, local
from services.console.signing_in import UNKNOWN, Door
from shared.access import person_of

BEGIN: Final = f"{SIGN_IN}/provider"
RETURN: Final = f"{SIGN_IN}/provider/return"
PENDING_S: Final = 600


class Reception:
    """Finds, or makes, the account of somebody whom the provider has sent."""

    def __init__(self, engine: AsyncEngine, *, follows_mapping: bool) -> None:
        self._engine = engine
        # With a mapping the provider decides what people may do, at each sign-in; without one administrators.
        self._follows = follows_mapping

    async def account(self, identity: Identity) -> Account:
        """Raises Refused: a disabled account, no role, a name that is somebody else's."""
        grants = person_of("", frozenset(), identity.grants).grants
        async with self._engine.begin() as connection:
            found = await accounts.find_subject(connection, identity.issuer, identity.subject)
            if found is None:
                if not identity.roles and not grants:
                    raise Refused("no role")
                try:
                    await accounts.add(
                        connection,
                        identity.name,
                        identity.roles,
                        grants,
                        issuer=identity.issuer,
                        subject=identity.subject,
                    )
                except accounts.NameTaken as error:
                    raise Refused("the name is somebody else's here") from error
                return await accounts.find(connection, identity.name)
            if found.disabled:
                raise Refused("disabled")
            if self._follows and (found.roles, dict(found.grants)) != (identity.roles, dict(grants)):
                stored = {place: sorted(roles) for place, roles in grants.items()}
                found = await accounts.change(
                    connection, found.person, roles=sorted(identity.roles), grants=stored
                )
            if not found.roles and not found.grants:
                raise Refused("no role")
            return found

    async def note(self, address: str, code: str) -> None:
        """Write down that nobody was let in."""
        async with self._engine.begin() as connection:
            await audit.append(
                connection, audit.Entry("sign-in-failed", UNKNOWN, address, f"by provider: {code}")
            )


def provider_router(
    provider: Provider, reception: Reception, door: Door, guard: Guard, render: Render
) -> APIRouter:
    """Away, and back."""
    router = APIRouter(include_in_schema=False)
    cookie = guard.cookie + "-provider"

    def refused(request: Request, code: str) -> Response:
        said = "providerRefused" if code in {"no role", "disabled"} else "providerFailed"
        context = {"refused": said, "wait_s": 0, "next": "/", "person": "", "provider": BEGIN}
        answer = render(request, "sign-in.html", context, status=403)
        answer.delete_cookie(cookie, path="/", secure=guard.secure)
        return answer

    @router.get(BEGIN)
    async def begin(request: Request, next: str = "/") -> Response:  # noqa: A002 - the address's own word
        try:
            to, pending = await provider.begin(local(next))
        except Refused as why:
            await reception.note(guard.address(request), why.code)
            return refused(request, why.code)
        answer = RedirectResponse(to, 303, headers=NO_STORE)
        # Lax: the way back is a link from the provider's site, and this cookie alone has to come with it.
        answer.set_cookie(
            cookie,
            pending.to_cookie(),
            max_age=PENDING_S,
            path="/",
            httponly=True,
            samesite="lax",
            secure=guard.secure,
        )
        return answer

    @router.get(RETURN)
    async def come_back(request: Request) -> Response:
        try:
            pending = Pending.from_cookie(request.cookies.get(cookie, ""))
            identity = await provider.finish(dict(request.query_params), pending)
            account = await reception.account(identity)
        except Refused as why:
            await reception.note(guard.address(request), why.code)
            return refused(request, why.code)
        key = await door.let_in(account.account_id, account.person, "provider", guard.address(request))
        # A page, not a redirect: the session's cookie is SameSite=Strict, and the browser sends it only with
        # what begins on our own site.
        arrived = render(request, "arrived.html", {"next": local(pending.next)})
        arrived.delete_cookie(cookie, path="/", secure=guard.secure)
        guard.remember(arrived, key)
        return arrived

    return router
