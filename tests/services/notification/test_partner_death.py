"""The process is killed between a call and its record: the message comes again with the same id."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from deploy.local.layout import unused_ports
from services.notification.settings import Settings
from tests.services.notification.conftest import World
from tests.services.notification.partner import Call, Partner, partner_running, register
from tests.services.notification.test_death import process
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def partner() -> AsyncIterator[Partner]:
    async with partner_running() as found:
        yield found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "notification.log"


async def registered(settings: Settings, partner: Partner) -> None:
    """Register the partner with the running process."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.http_port}") as api:

        async def up() -> bool:
            try:
                return (await api.get("/readyz")).is_success
            except httpx.TransportError:
                return False

        await until(up)
        await register(api, partner)


async def test_killed_between_the_call_and_its_record_it_tells_again_with_the_same_id(
    apart: World, partner: Partner, log: Path
) -> None:
    """The partner takes the request and holds its answer back: what it has taken is not written down."""
    released = asyncio.Event()
    answered = partner.answer

    async def held(call: Call, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        await answered(call, writer)

    partner.answer = held
    (port,) = unused_ports(1)
    settings = apart.settings.model_copy(update={"http_port": port, "webhook_time_out_s": 20.0})
    events = [apart.intake.received(uuid4(), has_contact=False) for _ in range(30)]
    with log.open("wb") as stdout:
        async with process(settings, stdout) as first:
            await registered(settings, partner)
            await apart.tell(*events)
            await partner.called(8)
            first.kill()
            await first.wait()
        taken = set(partner.ids())
        states = dict(await apart.rows("SELECT event_id, state FROM webhook_deliveries"))
        assert {states[each] for each in taken} == {"sending"}, "they were in hand when it died"
        released.set()
        await apart.change("UPDATE webhook_deliveries SET lease_until = now() WHERE state = 'sending'")
        async with process(settings, stdout):

            async def all_delivered() -> bool:
                open_ones = "SELECT count(*) FROM webhook_deliveries WHERE state <> 'delivered'"
                return await apart.rows(open_ones) == [(0,)]

            await until(all_delivered)
    counts = Counter(partner.ids())
    assert counts.keys() == {event.id for event in events}, "none is lost"
    assert {each for each, times in counts.items() if times == 2} == taken, "those in hand came again"
    assert len(partner.verified()) == len(partner.calls)


async def test_two_processes_share_the_work_and_send_nothing_twice(
    apart: World, partner: Partner, log: Path
) -> None:
    first_port, second_port = unused_ports(2)
    first = apart.settings.model_copy(update={"http_port": first_port})
    second = apart.settings.model_copy(update={"http_port": second_port})
    with log.open("wb") as stdout:
        async with process(first, stdout), process(second, stdout):
            await registered(first, partner)
            events = [apart.intake.received(uuid4(), has_contact=False) for _ in range(200)]
            await apart.tell(*events)
            await partner.called(200)
            last = apart.intake.received(uuid4(), has_contact=False)
            await apart.tell(last)
            await partner.called(201)
    assert sorted(partner.ids()) == sorted(event.id for event in [*events, last])
