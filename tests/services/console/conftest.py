"""A console on a real database, before a real HTTP server that stands where a service would."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import JSONResponse, Response

from deploy.local.layout import unused_ports
from services.console import passwords
from services.console.app import create_app
from services.console.settings import Settings
from shared.access import AccessSettings, Operators
from shared.console_tokens import new_key, public_set
from shared.database import create_engine
from tests.browser.consoles import PASSWORD, add_people
from tests.databases import Databases
from tests.waiting import until

HOST: Final = "http://console.test"
SAME_SITE: Final = {"Sec-Fetch-Site": "same-origin"}


class Echo:
    """A service that says what it was asked, and by whom: with the real check of the console's tokens."""

    def __init__(self, keys_file: Path, name: str = "campaign") -> None:
        self.operators = Operators.of(name, AccessSettings(console_key_file=keys_file))
        self.port = unused_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self.answer: Callable[[Request], Response] | None = None
        self.seen: list[dict[str, Any]] = []
        self.app = FastAPI()
        self.app.add_api_route("/{path:path}", self._take, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])

    async def _take(self, request: Request) -> Response:
        if request.url.path == "/readyz":
            return JSONResponse({"status": "ready", "missing": []})
        person = self.operators.find(request.headers.get("authorization", "").removeprefix("Bearer "))
        if person is None:
            return JSONResponse({"type": "urn:shanliu:problem:not-signed-in", "status": 401}, 401)
        said = {
            "person": person.name,
            "roles": sorted(person.roles),
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.url.query,
            "headers": dict(request.headers),
            "body": (await request.body()).decode("utf-8", "replace"),
        }
        self.seen.append(said)
        return self.answer(request) if self.answer else JSONResponse(said)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until left."""
        server = uvicorn.Server(uvicorn.Config(self.app, port=self.port, log_config=None, lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve())
        await until(lambda: started(server))
        yield
        server.should_exit = True
        await task


async def started(server: uvicorn.Server) -> bool:
    return server.started


class Browser:
    """A browser without pages: cookies, the session's token, and what every browser says of its requests."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.csrf = ""

    async def sign_in(
        self, person: str, password: str = PASSWORD, next_: str = "/audit", **headers: str
    ) -> httpx.Response:
        fields = {"person": person, "password": password, "next": next_}
        answer = await self.client.post("/sign-in", data=fields, headers={**SAME_SITE, **headers})
        if answer.status_code == 303:
            page = await self.client.get("/audit")
            self.csrf = page.text.partition('name="csrf" content="')[2].partition('"')[0]
        return answer

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(path, params=query)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        ours = {**SAME_SITE, "X-Shanliu-CSRF": self.csrf, **headers}
        return await self.client.request(method, path, json=body, headers=ours)


class ConsoleUnderTest:
    """The application with its database and the service behind it."""

    def __init__(self, app: FastAPI, engine: AsyncEngine, echo: Echo, settings: Settings) -> None:
        self.app = app
        self.engine = engine
        self.echo = echo
        self.settings = settings
        self._addresses = 0

    @asynccontextmanager
    async def browser(self, address: str | None = None, scheme: str = "http") -> AsyncIterator[Browser]:
        """A browser at an address that nobody else has."""
        self._addresses += 1
        at = address or f"10.0.{self._addresses // 250}.{self._addresses % 250 + 1}"
        transport = httpx.ASGITransport(self.app, client=(at, 40_000))
        async with httpx.AsyncClient(transport=transport, base_url=f"{scheme}://console.test") as client:
            yield Browser(client)

    async def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(statement), values)]

    async def changed(self, statement: str, **values: Any) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def newest(self) -> dict[str, Any]:
        """The newest row of the audit log."""
        async with self.engine.connect() as connection:
            found = await connection.execute(text("SELECT * FROM audit ORDER BY sequence DESC LIMIT 1"))
            return dict(found.mappings().one())


@asynccontextmanager
async def consoles(databases: Databases, folder: Path, **changes: Any) -> AsyncIterator[ConsoleUnderTest]:
    """One, with settings of its own."""
    key = new_key()
    private, public = folder / "private.json", folder / "public.json"
    private.write_text(json.dumps(key.as_dict(private=True)), "utf-8")
    public.write_text(public_set(key), "utf-8")
    url = await asyncio.to_thread(databases.fresh, "console")
    await add_people(url)
    echo = Echo(public)
    settings = Settings(
        database_url=url,
        console_private_key_file=private,
        campaign_url=echo.url,
        donation_url=f"http://127.0.0.1:{unused_ports(1)[0]}",
        **changes,
    )
    app = create_app(settings)
    engine = create_engine(url, "test")
    async with echo.running(), app.router.lifespan_context(app):
        yield ConsoleUnderTest(app, engine, echo, settings)
    await engine.dispose()


@pytest.fixture(scope="package", autouse=True)
def hashed_at_once() -> Iterator[None]:
    """A password's hash takes a tenth of a second of a core on purpose, which is shown elsewhere
    (tests/unit/console/test_passwords.py): here people come in a hundred times.
    """
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", hasher)
        patch.setattr(passwords, "_dummy", hasher.hash("nobody has this password"))
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def console(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ConsoleUnderTest]:
    """One for all tests of this folder; people and addresses keep them apart."""
    async with consoles(databases, tmp_path_factory.mktemp("console")) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def browser(console: ConsoleUnderTest) -> AsyncIterator[Browser]:
    """A browser in which nobody is signed in."""
    async with console.browser() as made:
        yield made
