"""The console put together: the only place where its parts meet."""

from typing import Final

from fastapi import FastAPI

from services.console import api
from services.console.accounts_api import accounts_router
from services.console.administration import Administration
from services.console.api import console_router
from services.console.forwarding import Forwarder, forwarding_router
from services.console.guard import Guard
from services.console.oidc import Provider
from services.console.pages import PAGES, pages_router, renderer
from services.console.provider_api import BEGIN, Reception, provider_router
from services.console.settings import Settings
from services.console.sign_in_api import sign_in_router
from services.console.signing_in import Door
from shared import database
from shared.console_tokens import private_key
from shared.service import Published
from shared.service import create_app as create_service
from shared.static_files import SHARED, read_static

TAGS: Final = {
    "session": "Who is signed in, and how the services are.",
    "accounts": "Who may come in, and what each may do.",
    "audit": "Who did what through the console.",
    "export": "A page's table as a file.",
}


def create_app(settings: Settings) -> FastAPI:
    """The application: pages, sign-in, the calls to services, the audit log."""
    engine = database.create_engine(settings.database_url, "console", pool_size=8)
    key = private_key(settings.console_private_key_file)
    guard = Guard(engine, secure=settings.secure_cookies, proxies=settings.proxies)
    forwarder = Forwarder(engine, guard, key, settings.services)
    static = read_static(SHARED, PAGES / "static")
    render = renderer(static)

    door = Door(engine)
    provider = Provider(settings.oidc) if settings.oidc else None
    reception = Reception(engine, follows_mapping=bool(settings.oidc_roles))

    async def database_answers() -> None:
        await database.check(engine)

    return create_service(
        "console",
        parts=[
            database.disposing(engine),
            forwarder.running(),
            *([provider.running()] if provider else []),
        ],
        # A service that is away does not make the console so: its pages say which, and go on.
        checks={"database": database_answers},
        routers=[
            pages_router(guard, render, static, settings.screens_url or settings.reporting_url),
            sign_in_router(door, guard, render, BEGIN if provider else None),
            *([provider_router(provider, reception, door, guard, render)] if provider else []),
            console_router(engine, guard, forwarder),
            accounts_router(Administration(engine), guard),
            forwarding_router(forwarder, guard),
        ],
        description=str(api.__doc__),
        published=Published(TAGS),
    )
