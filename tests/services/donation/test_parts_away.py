"""A broker that is away: nothing is promised, 503 in good time, never a 202 in doubt.
A database that is away: intake goes on.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette

from services.donation.accepting import Acceptance
from services.donation.app import PUBLISH_TIMEOUT_S, create_app
from services.donation.channels.directory import Directory
from services.donation.channels.sandbox import Sandbox
from services.donation.intake_api import IntakeApi
from services.donation.settings import Settings
from shared import problems
from shared.broker import Publisher
from shared.database import create_engine, disposing
from shared.gathering import Gatherer
from shared.secret_box import SecretBox
from tests.services.donation.builders import a_donation, bearer, commanding, new_id
from tests.services.donation.places import Channel, Service
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="package")

PATIENCE_S = 3.5 + 8.0
"""What a caller may have to wait, with room for a slow machine."""


def gathered(publisher: Publisher, settings: Settings) -> Gatherer:
    """As app.py wires it."""
    return Gatherer(publisher, settings.partitions, settings.http_linger_ms)


@asynccontextmanager
async def intake_at(
    service: Service, broker: str, max_in_flight: int = 5_000, timeout_s: float = PUBLISH_TIMEOUT_S
) -> AsyncIterator[Service]:
    """Intake over HTTP with the service's channels and another broker."""
    settings = service.place.settings.model_copy(update={"kafka_bootstrap_servers": broker})
    box = SecretBox(settings.channel_key.get_secret_value())
    directory = Directory(service.place.engine, box)
    publisher = Publisher(settings, timeout_s=timeout_s)  # not entered: the broker is not there
    acceptance = Acceptance(gathered(publisher, settings), Sandbox(service.place.engine), max_in_flight)
    app = Starlette(routes=IntakeApi(directory, acceptance).routes())
    async with AsyncClient(transport=ASGITransport(app), base_url="http://donation", timeout=20) as http:
        yield Service(service.place, http)
    await publisher.__aexit__(None, None, None)


@pytest.fixture
def closed_port() -> str:
    """Nobody listens: what connects is refused at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def silent_port() -> Iterator[str]:
    """Somebody listens and never answers, as a frozen broker does."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def assert_not_confirmed(answer: Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"] == "urn:shanliu:problem:not-confirmed"
    assert "send the same transaction_id again" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_broker_that_refuses_is_answered_503(
    service: Service, one_channel: Channel, closed_port: str
) -> None:
    async with intake_at(service, closed_port) as intake:
        started_s = time.monotonic()
        assert_not_confirmed(await one_channel.at(intake).give(a_donation()))
        assert time.monotonic() - started_s < PATIENCE_S


async def test_a_broker_that_is_silent_is_answered_503_to_every_caller_in_time(
    service: Service, one_channel: Channel, silent_port: str
) -> None:
    """Twenty callers at once wait for one attempt, not for twenty, one after the other."""
    async with intake_at(service, silent_port) as intake:
        started_s = time.monotonic()
        channel = one_channel.at(intake)
        answers = await asyncio.gather(*(channel.give(a_donation()) for _ in range(20)))
        assert time.monotonic() - started_s < PATIENCE_S
        for answer in answers:
            assert_not_confirmed(answer)


async def test_who_comes_when_too_many_wait_is_told_at_once(
    service: Service, one_channel: Channel, silent_port: str
) -> None:
    async with intake_at(service, silent_port, max_in_flight=2, timeout_s=0.5) as intake:
        channel = one_channel.at(intake)
        answers = await asyncio.gather(*(channel.give(a_donation()) for _ in range(5)))
        kinds = [answer.json()["type"].rpartition(":")[2] for answer in answers]
        assert sorted(kinds) == ["busy", "busy", "busy", "not-confirmed", "not-confirmed"]
        assert {answer.headers["retry-after"] for answer in answers} <= {"1", "2"}


async def test_what_was_not_confirmed_is_not_remembered_as_accepted(
    service: Service, one_channel: Channel, closed_port: str
) -> None:
    """The caller may send another content: nothing was booked that it could be in conflict with."""
    body = a_donation()
    async with intake_at(service, closed_port) as intake:
        channel = one_channel.at(intake)
        assert_not_confirmed(await channel.give(body, message_id="msg_1"))
        assert_not_confirmed(await channel.give({**body, "amount_fen": 1}, message_id="msg_1"))


@asynccontextmanager
async def api_at(service: Service, **changes: str) -> AsyncIterator[AsyncClient]:
    """The whole API with another broker or database; its background work does not run."""
    app = create_app(service.place.settings.model_copy(update=changes))
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://donation", timeout=20) as http:
        yield http
    await app.state.parts.engine.dispose()


def assert_unavailable(answer: Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"] == "urn:shanliu:problem:unavailable"
    assert int(answer.headers["retry-after"]) >= 1


async def test_operators_are_told_when_the_broker_is_away(service: Service, closed_port: str) -> None:
    channel = await service.channel()
    await service.place.put(channel.topic, b"{")
    (letter,) = await until(lambda: service.place.letters(channel.topic))
    path = f"/v1/dead-letters/{letter.topic}/{letter.partition}/{letter.offset}/replay"
    new = {"channel": new_id("ch"), "title": "微信支付"}
    async with api_at(service, kafka_bootstrap_servers=closed_port) as http:
        assert_unavailable(await http.post("/v1/channels", json=new, headers=commanding()))
        unsent = await http.post(path, headers=bearer("desk"))
        assert (unsent.status_code, unsent.json()["type"]) == (503, "urn:shanliu:problem:not-confirmed")
    assert (await service.http.post("/v1/channels", json=new, headers=commanding())).status_code == 201
    assert (await service.http.post(path, headers=bearer("desk"))).status_code == 200, "not marked as sent"


async def test_intake_goes_on_while_the_database_is_away(service: Service, closed_port: str) -> None:
    channel, unknown = await service.channel(), Channel(service, "nobody", "whsec_" + "A" * 44)
    settings = service.place.settings
    away = create_engine(f"postgresql+asyncpg://nobody:x@{closed_port}/nowhere", "tests")
    directory = Directory(service.place.engine, SecretBox(settings.channel_key.get_secret_value()))
    await directory.refresh()
    directory._engine = away
    directory._read_at_s = float("-inf")
    acceptance = Acceptance(gathered(service.place.publisher, settings), Sandbox(away), 10)
    app = FastAPI(routes=[*IntakeApi(directory, acceptance).routes()])
    problems.install(app)
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with disposing(away), AsyncClient(transport=transport, base_url="http://donation") as http:
        intake = Service(service.place, http)
        assert (await channel.at(intake).give(a_donation())).status_code == 202
        assert_unavailable(await unknown.at(intake).give(a_donation()))


async def test_readers_are_told_when_the_database_is_away(service: Service, closed_port: str) -> None:
    url = f"postgresql+asyncpg://nobody:x@{closed_port}/nowhere"
    async with api_at(service, database_url=url) as http:
        for path in (f"/v1/donations/{uuid4()}", "/v1/dead-letters", "/v1/channels"):
            assert_unavailable(await http.get(path, headers=bearer("viewer")))
