"""Who asks: the session behind the cookie, and the proof that the request comes from our own page."""

import hmac
from typing import Final

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import Response

from services.console import sessions
from services.console.sessions import ABSOLUTE, Session
from shared.problems import Problem

CSRF_HEADER: Final = "X-Shanliu-CSRF"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Reads requests; sets and takes the cookie."""

    def __init__(self, engine: AsyncEngine, *, secure: bool, proxies: int) -> None:
        self._engine = engine
        self.secure = secure
        self._proxies = proxies
        # __Host-: of this very host, over TLS, for the whole site; a browser takes it from nobody else.
        self.cookie: Final = "__Host-shanliu" if secure else "shanliu_console"

    def key(self, request: Request) -> str | None:
        """The session's key as the browser sends it."""
        key = request.cookies.get(self.cookie, "")
        return key if 40 <= len(key) <= 64 else None

    async def session_or_none(self, request: Request) -> Session | None:
        """Who is signed in, if anybody is."""
        key = self.key(request)
        return await sessions.find(self._engine, key) if key else None

    async def session(self, request: Request) -> Session:
        """Who asks. Raises Problem: 401 when nobody is signed in; 403 for an unsafe request that does not
        carry the session's token or comes from another site.
        """
        found = await self.session_or_none(request)
        if found is None:
            raise Problem(401, "not-signed-in", "Nobody is signed in, or the session has ended. Sign in.")
        if request.method not in SAFE:
            require_own_site(request)
            require_token(found, request.headers.get(CSRF_HEADER, ""))
        return found

    def require_administrator(self, session: Session) -> None:
        """Raise Problem 403 unless the person is administrator of all: accounts and the log concern all."""
        if not session.person.reach("administrator").everywhere:
            raise Problem(403, "role-missing", "This needs the role administrator, everywhere.")

    def address(self, request: Request) -> str:
        """Where the browser is, as far as our own proxies say."""
        if self._proxies:
            named = [each.strip() for each in request.headers.get("x-forwarded-for", "").split(",")]
            if len(named) >= self._proxies:
                return named[-self._proxies]
        return request.client.host if request.client else "unknown"

    def remember(self, answer: Response, key: str) -> None:
        """Give the browser a session's key."""
        answer.set_cookie(
            self.cookie,
            key,
            max_age=int(ABSOLUTE.total_seconds()),
            path="/",
            httponly=True,
            samesite="strict",
            secure=self.secure,
        )

    def forget(self, answer: Response) -> None:
        """Take it away."""
        answer.delete_cookie(self.cookie, path="/", httponly=True, samesite="strict", secure=self.secure)


def require_token(session: Session, token: str) -> None:
    """Raise Problem 403 unless it is the session's."""
    if not hmac.compare_digest(session.csrf.encode(), token.encode("utf-8", "replace")):
        raise Problem(
            403, "csrf-token-wrong", f"Send the page's token as {CSRF_HEADER}; load the page again."
        )


def require_own_site(request: Request) -> None:
    """Raise Problem 403 for a request that another site's page has made. Browsers say so in Sec-Fetch-Site,
    on plain HTTP beside localhost only in Origin.
    """
    said = request.headers.get("sec-fetch-site")
    if said is None:
        origin = request.headers.get("origin")
        own = origin is None or origin.partition("://")[2] == request.headers.get("host")
    else:
        own = said in {"same-origin", "none"}
    if not own:
        raise Problem(
            403, "foreign-site", "This was sent by a page of another site. Use the console's own page."
        )
