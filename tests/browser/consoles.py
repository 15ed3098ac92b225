"""A real console before real services, for its pages' tests: people of each role, and a browser signed in."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from playwright.async_api import Browser, Page

from deploy.local.credentials import Credentials
from deploy.local.layout import Ports
from deploy.local.processes import Keeper
from deploy.local.services import Services, Wiring
from deploy.topics import apply_topics
from services.console import accounts
from services.console.passwords import hash_quickly
from services.donation.channels.api import INTAKE_TOPIC
from shared.access import Role
from shared.broker import INTAKE_PREFIX, KafkaSettings, Publisher, ensure_topic
from shared.database import create_engine, disposing
from tests.browser.evening import Evening, Reporting
from tests.browser.windows import Windows
from tests.databases import Databases

PASSWORD: Final = "a-password-of-the-tests"
PEOPLE: Final[dict[str, tuple[tuple[Role, ...], Mapping[str, Sequence[Role]]]]] = {
    "viewer": (("viewer",), {}),
    "desk": (("viewer", "desk"), {}),
    "desk-two": (("viewer", "desk"), {}),
    "moderator": (("viewer", "moderator"), {}),
    "finance": (("viewer", "finance"), {}),
    "finance-two": (("viewer", "finance"), {}),
    "approver": (("viewer", "approver"), {}),
    "administrator": (("administrator",), {}),
    "passing": (("administrator",), {}),
    "county": ((), {"pingjiang": ("viewer", "desk")}),
    "nobody": ((), {}),
}
"""By name: roles everywhere, roles at one organisation. Everybody's password is PASSWORD. Nobody's sessions
are ended but those of `passing`.
"""

CHANNELS: Final = ("wechat", "alipay", "ecny")
"""Whose topics are there before a worker starts: one that is made later it sees only after ten seconds."""

PARTITIONS: Final = 4

PROCESSES: Final = {
    "donation": ("donation", "donation-worker"),
    "campaign": ("campaign",),
    "notification": ("notification",),
    "reporting": ("reporting", "reporting-worker"),
}


class Person:
    """Somebody who is signed in, as a client: the console's API from outside a browser."""

    def __init__(self, client: httpx.AsyncClient, csrf: str) -> None:
        self.client = client
        self.csrf = csrf
        self._keys = 0

    async def get(self, path: str, **query: Any) -> httpx.Response:
        """GET /api/{path}, such as "campaign/v1/campaigns"."""
        return await self.client.get(f"/api/{path}", params=query)

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """An unsafe call with the session's token and a new Idempotency-Key. Header if_match is If-Match."""
        self._keys += 1
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        ours = {"X-Shanliu-CSRF": self.csrf, "Idempotency-Key": f"test-{id(self)}-{self._keys}"}
        return await self.client.request(method, f"/api/{path}", json=body, headers={**ours, **named})

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """POST, as `send`."""
        return await self.send("POST", path, body, **headers)


class Console:
    """The console and the services behind it. A service is started when a test first wants it."""

    def __init__(self, services: Services, browser: Browser) -> None:
        self.services = services
        self.url = services.wiring.url("console")
        self._browser = browser
        self._people: dict[str, Person] = {}
        self._browsers: dict[str, Windows] = {}
        self._lock = asyncio.Lock()

    async def needs(self, *names: str) -> None:
        """Have these services run: donation, campaign, notification, reporting."""
        wanted = [process for name in names for process in PROCESSES[name]]
        async with self._lock:
            self.services.start(wanted)
            await asyncio.to_thread(self.services.wait_ready, wanted)

    async def person(self, name: str) -> Person:
        """One of PEOPLE, signed in."""
        if name not in self._people:
            client = httpx.AsyncClient(base_url=self.url, timeout=30)
            answer = await client.post("/sign-in", data={"person": name, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            page = await client.get("/audit")
            csrf = page.text.partition('name="csrf" content="')[2].partition('"')[0]
            assert csrf
            self._people[name] = Person(client, csrf)
        return self._people[name]

    async def page(
        self, name: str, *, width: int = 1280, height: int = 800, dark: bool = False, lang: str = "zh"
    ) -> Page:
        """A window in the browser of one of PEOPLE, who is signed in. `leave` it after use."""
        person = await self.person(name)
        if name not in self._browsers:
            context = await self._browser.new_context(
                base_url=self.url, locale="zh-CN", reduced_motion="reduce", accept_downloads=True
            )
            context.set_default_timeout(15_000)
            self._browsers[name] = Windows(context, f"{self.url}/livez")
        windows = self._browsers[name]
        await windows.browser.clear_cookies(name="shanliu_theme")  # as nobody has chosen yet
        cookies = [
            {"name": cookie.name, "value": cookie.value or "", "url": self.url}
            for cookie in person.client.cookies.jar
        ]
        cookies.append({"name": "shanliu_language", "value": lang, "url": self.url})
        await windows.browser.add_cookies(cookies)  # type: ignore[arg-type]
        return await windows.open({"width": width, "height": height}, "dark" if dark else "light")

    async def leave(self, name: str, page: Page) -> None:
        """Leave a window of this person's browser to the next who asks for one."""
        await self._browsers[name].leave(page)

    @asynccontextmanager
    async def evening(self) -> AsyncIterator[Evening]:
        """Events as the other services would send them, for the reporting service behind this console."""
        await self.needs("reporting")
        wiring = self.services.wiring
        settings = KafkaSettings(kafka_bootstrap_servers=wiring.kafka, kafka_namespace=wiring.namespace)
        async with Publisher(settings) as publisher, httpx.AsyncClient() as http:
            reporting = Reporting({}, self.services.log("reporting"), wiring.ports["reporting"])
            yield Evening(publisher, reporting, http)

    def log(self, name: str) -> str:
        """What a process has written."""
        return self.services.log(name).read_text("utf-8")

    async def close(self) -> None:
        """Close everybody's client and browser, and stop what runs."""
        for windows in self._browsers.values():
            await windows.browser.close()
        for person in self._people.values():
            await person.client.aclose()
        await asyncio.to_thread(self.services.stop)


async def add_people(database_url: str) -> None:
    """An account for everybody. That a hash takes its time on purpose is not what is tried with them."""
    password_hash = await asyncio.to_thread(hash_quickly, PASSWORD)
    async with disposing(create_engine(database_url, "test")) as engine, engine.begin() as connection:
        for person, (roles, grants) in PEOPLE.items():
            await accounts.add(connection, person, roles, grants, password_hash=password_hash)


async def start(
    browser: Browser, kafka: str, databases: Databases, folder: Path, keeper: Keeper, namespace: str
) -> Console:
    """The console, ready; its services not yet started."""
    urls = {
        name: await asyncio.to_thread(databases.fresh, name)
        for name in ("donation", "campaign", "notification", "reporting", "console")
    }
    await apply_topics(kafka, namespace, PARTITIONS)
    settings = KafkaSettings(kafka_bootstrap_servers=kafka, kafka_namespace=namespace)
    for channel in CHANNELS:
        await ensure_topic(settings, INTAKE_PREFIX + channel, configs=INTAKE_TOPIC)
    await add_people(urls["console"])
    credentials = Credentials.load_or_make(folder / "secrets.json")
    key, public = folder / "console-key.json", folder / "console-public.json"
    credentials.write_console_keys(key, public)
    operators = folder / "operators.json"
    operators.write_text(json.dumps([]), "utf-8")
    ports = Ports.unused().named()
    wiring = Wiring(
        kafka=kafka,
        databases=urls,
        ports=ports,
        operators_file=operators,
        channel_key=credentials.channel_key,
        webhook_key=credentials.webhook_key,
        smtp_port=ports["smtp"],
        namespace=namespace,
        console_key_file=key,
        console_public_file=public,
        more={"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_ALLOW_PRIVATE": "true"},
    )
    services = Services(wiring, folder, keeper)
    services.start(["console"])
    await asyncio.to_thread(services.wait_ready, ["console"])
    return Console(services, browser)
