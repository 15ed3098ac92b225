"""The sign-in page and what its forms send. They work without a script."""

import re
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.console.forms import form_fields
from services.console.guard import Guard, require_own_site, require_token
from services.console.pages import SIGN_IN, Render
from services.console.signing_in import Door, Refusal

_LOCAL: Final = re.compile(r"/(?![/\\])[\w\-.~!$&'()*+,;=:@%/?]*", re.ASCII)
NO_STORE: Final = {"Cache-Control": "no-store"}


def sign_in_router(door: Door, guard: Guard, render: Render, provider: str | None) -> APIRouter:
    """In, out, and out everywhere. `provider` is the way to the identity provider, where there is one."""
    router = APIRouter(include_in_schema=False)

    @router.get(SIGN_IN)
    async def page(request: Request, next: str = "/") -> Response:  # noqa: A002 - the address's own word
        if await guard.session_or_none(request):
            return RedirectResponse(local(next), 303, headers=NO_STORE)
        said = {"refused": None, "wait_s": 0, "next": local(next), "person": "", "provider": provider}
        return render(request, "sign-in.html", said)

    @router.post(SIGN_IN)
    async def sign_in(request: Request) -> Response:
        require_own_site(request)
        fields = await form_fields(request)
        person, password = fields.get("person", "").strip(), fields.get("password", "")
        made = await door.by_password(person, password, guard.address(request))
        if isinstance(made, Refusal):
            said = {
                "refused": "wait" if made.wait_s else "wrong",
                "wait_s": made.wait_s,
                "next": local(fields.get("next", "/")),
                "person": person[:64],
                "provider": provider,
            }
            answer = render(request, "sign-in.html", said, status=429 if made.wait_s else 401)
            if made.wait_s:
                answer.headers["Retry-After"] = str(made.wait_s)
            return answer
        # The old session of this browser, if any, is another key: it ends here.
        if (session := await guard.session_or_none(request)) and (key := guard.key(request)):
            await door.out(session, key, guard.address(request), everywhere=False)
        arrived = RedirectResponse(local(fields.get("next", "/")), 303, headers=NO_STORE)
        guard.remember(arrived, made)
        return arrived

    @router.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        require_own_site(request)
        fields = await form_fields(request)
        session, key = await guard.session_or_none(request), guard.key(request)
        if session is not None and key is not None:
            require_token(session, fields.get("csrf", ""))
            await door.out(session, key, guard.address(request), everywhere=fields.get("everywhere") == "yes")
        answer = RedirectResponse(SIGN_IN, 303, headers=NO_STORE)
        guard.forget(answer)
        return answer

    return router


def local(address: str) -> str:
    """An address of this console to go on to, whatever somebody has put into a link."""
    return address if _LOCAL.fullmatch(address) and len(address) <= 1_000 else "/"
