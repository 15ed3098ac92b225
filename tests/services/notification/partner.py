"""A partner: a real HTTP server on this machine that answers as it is told and keeps what it was sent."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from httpx import AsyncClient
from standardwebhooks.webhooks import Webhook

from tests.services.notification.conftest import bearer
from tests.waiting import until

ADMINISTRATOR = "zhao"
RECEIVED = "org.shanliu.donation.received.v1"


@dataclass
class Call:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]


Answer = Callable[["Call", asyncio.StreamWriter], Awaitable[None]]


def saying(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with a status, and whatever else."""

    async def answer(_: Call, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} x\r\ncontent-length: {len(body)}\r\n"
        head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode() + b"\r\n" + body)
        await writer.drain()

    return answer


async def hanging(_: Call, __: asyncio.StreamWriter) -> None:
    """Take the request and never say anything."""
    await asyncio.Event().wait()


async def endless(_: Call, writer: asyncio.StreamWriter) -> None:
    """Say 200, and then never stop."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    with contextlib.suppress(ConnectionError):
        while not writer.is_closing():
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()


@dataclass
class Partner:
    """`answer` may be changed at any time; `calls` are all that came, in their order."""

    answer: Answer = field(default_factory=lambda: saying(204))
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    secret: str = ""
    endpoint_id: str = ""

    def url(self, path: str = "/hooks", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def verified(self) -> list[Any]:
        """What came, each checked with the reference library."""
        webhook = Webhook(self.secret)
        return [webhook.verify(call.body, call.headers) for call in self.calls]

    def ids(self) -> list[str]:
        return [call.event_id for call in self.calls]

    async def called(self, times: int, *, deadline_s: float = 30.0) -> None:
        """Wait until so many requests have come."""

        async def enough() -> bool:
            return len(self.calls) >= times

        await until(enough, deadline_s=deadline_s)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept open as HTTP/1.1 does."""
        self.connections += 1
        try:
            while (call := await _read(reader)) is not None:
                self.calls.append(call)
                await self.answer(call, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Call | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Call(method, path, headers, body)


@asynccontextmanager
async def partner_running(tls: ssl.SSLContext | None = None) -> AsyncIterator[Partner]:
    """A partner's server, on a free port."""
    partner = Partner()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        await partner.serve(reader, writer)
        serving.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    partner.port = server.sockets[0].getsockname()[1]
    try:
        yield partner
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)


_keys = iter(range(1, 1_000_000))


def command(person: str = ADMINISTRATOR, **headers: str) -> dict[str, str]:
    """The headers of a new command."""
    return {**bearer(person), "idempotency-key": f"k{next(_keys)}", **headers}


def wish(partner: Partner, **fields: Any) -> dict[str, Any]:
    """An endpoint that wants to be told of donations."""
    return {
        "url": partner.url(),
        "description": "示例伙伴",
        "owner_email": "owner@partner.example",
        "event_types": [RECEIVED],
        **fields,
    }


async def register(api: AsyncClient, partner: Partner, **fields: Any) -> str:
    """Register a partner's endpoint; gives back its id."""
    answer = await api.post("/v1/webhook-endpoints", json=wish(partner, **fields), headers=command())
    assert answer.status_code == 201, answer.text
    partner.secret, partner.endpoint_id = answer.json()["secret"], answer.json()["endpoint_id"]
    return partner.endpoint_id


async def ask(api: AsyncClient, path: str, **query: Any) -> Any:
    """What a viewer sees."""
    answer = await api.get(path, params=query, headers=bearer("wu"))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def order(api: AsyncClient, path: str, body: Mapping[str, Any] | None = None, status: int = 200) -> Any:
    """What an administrator has done."""
    answer = await api.post(path, json=body, headers=command())
    assert answer.status_code == status, answer.text
    return answer.json()
