"""While the broker is away nothing is promised: 503 in good time, and never a 202 in doubt."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from httpx import ASGITransport, AsyncClient, Response
from starlette.applications import Starlette

from services.donation.app import PUBLISH_TIMEOUT_S
from services.donation.channels import Directory, SecretBox
from services.donation.intake_api import IntakeApi
from shared.broker import Publisher
from tests.services.donation.builders import a_donation
from tests.services.donation.places import Channel, Service

pytestmark = pytest.mark.asyncio(loop_scope="package")

PATIENCE_S = 3.5 + 1.0
"""What a caller may have to wait, with room for a slow machine."""


@asynccontextmanager
async def intake_at(
    service: Service, broker: str, max_in_flight: int = 5_000, timeout_s: float = PUBLISH_TIMEOUT_S
) -> AsyncIterator[Service]:
    """Intake over HTTP with the service's channels and another broker."""
    settings = service.place.settings.model_copy(update={"kafka_bootstrap_servers": broker})
    box = SecretBox(settings.channel_key.get_secret_value())
    directory = Directory(service.place.engine, box)
    publisher = Publisher(settings, timeout_s=timeout_s)  # not entered: the broker is not there
    app = Starlette(routes=IntakeApi(directory, publisher, max_in_flight).routes())
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
