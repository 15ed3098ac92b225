"""The service shell as a process: it says what is missing, and stops within ten seconds whatever is open."""

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from deploy.local.layout import unused_ports
from shared.service import CHECK_S, STOP_S
from tests.nursery import SHELL
from tests.processes import Process
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

STOP_WITHIN_S: Final = 10
Ended = tuple[int, float, list[dict[str, Any]]]
"""Exit code, seconds it took, and the log."""


class Shell:
    """A running process of tests/services/shared/shell.py, and what it writes."""

    def __init__(self, process: Process, written: asyncio.StreamReader, client: httpx.AsyncClient) -> None:
        self.process = process
        self.client = client
        self._written = written

    async def answers(self) -> bool:
        assert self.process.returncode is None, "the process has ended"
        try:
            return (await self.client.get("/livez")).status_code == 200
        except httpx.TransportError:
            return False

    async def ends(self) -> Ended:
        """Wait for the end."""
        began = time.monotonic()
        async with asyncio.timeout(STOP_WITHIN_S + 30):
            lines = (await self._written.read()).decode().splitlines()
            code = await self.process.wait()
        return code, time.monotonic() - began, [json.loads(line) for line in lines]

    async def logged(self, field: str) -> dict[str, Any]:
        """The next entry of the log that has this field."""
        async with asyncio.timeout(30):
            while True:
                entry: dict[str, Any] = json.loads(await self._written.readline())
                if field in entry:
                    return entry

    async def stop(self) -> Ended:
        self.process.send_signal(signal.SIGTERM)
        return await self.ends()


@asynccontextmanager
async def shell(trouble: str = "", port: int | None = None) -> AsyncIterator[Shell]:
    port = port or unused_ports(1)[0]
    told = {"HTTP_PORT": str(port), "DATABASE_URL": "postgresql://nowhere/none", "TROUBLE": trouble}
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as output:
        process = Process(SHELL, {**os.environ, **told}, output)
    written = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(written), os.fdopen(reading, "rb")
    )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield Shell(process, written, client)
    finally:
        process.kill()
        await process.wait()
        pipe.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def stubborn() -> AsyncIterator[asyncio.Task[Ended]]:
    """A process with a part that can't be left, told to stop: its ten seconds pass beside the other tests."""

    async def told_to_stop() -> Ended:
        async with shell("stubborn-part") as running:
            await until(running.answers)
            return await running.stop()

    task = asyncio.create_task(told_to_stop())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def events(log: list[dict[str, Any]]) -> list[str]:
    return [entry["event"] for entry in log]


async def test_open_streams_end_by_themselves_and_the_process_stops_in_order() -> None:
    async with shell() as running, AsyncExitStack() as streams:
        await until(running.answers)
        lines = []
        for _ in range(20):
            response = await streams.enter_async_context(running.client.stream("GET", "/stream"))
            lines.append(response.aiter_lines())
            assert await anext(lines[-1]) == "event: snapshot"
        running.process.send_signal(signal.SIGTERM)
        rest = await asyncio.gather(*(_rest(each) for each in lines))
        code, seconds, log = await running.ends()
    assert all("event: end" in each for each in rest)
    assert seconds < STOP_S, "they were cut off"
    assert code in {0, -signal.SIGTERM}
    assert [event for event in events(log) if event in {"started", "stopping", "part_left"}] == [
        "started",
        "stopping",
        "part_left",
    ]


async def _rest(lines: AsyncIterator[str]) -> list[str]:
    return [line async for line in lines]


async def test_a_stream_that_does_not_end_is_cut_off_in_time() -> None:
    async with shell() as running, AsyncExitStack() as streams:
        await until(running.answers)
        response = await streams.enter_async_context(running.client.stream("GET", "/endless"))
        assert await anext(response.aiter_lines()) == "event: snapshot"
        _, seconds, log = await running.stop()
    assert seconds < STOP_WITHIN_S
    assert "part_left" in events(log)


@pytest.mark.parametrize(
    ("trouble", "event"),
    [("failing-work", "background_work_failed"), ("ending-work", "background_work_ended")],
)
async def test_background_work_that_ends_takes_the_process_with_it(trouble: str, event: str) -> None:
    async with shell(trouble) as running:
        await until(running.answers)
        await running.client.post("/trigger")
        code, seconds, log = await running.ends()
    assert seconds < STOP_WITHIN_S
    assert code == 1, "a keeper that restarts what has failed must see that it has"
    (entry,) = [entry for entry in log if entry["event"] == event]
    assert entry["work"] == "work"
    assert "part_left" in events(log)


@pytest.mark.parametrize(("trouble", "missing"), [("failing-check", "broker"), ("hanging-check", "database")])
async def test_what_is_not_ready_is_named_in_time(trouble: str, missing: str) -> None:
    async with shell(trouble) as running:
        await until(running.answers)
        began = time.monotonic()
        answer = await running.client.get("/readyz")
        seconds = time.monotonic() - began
        metrics = (await running.client.get("/metrics")).text
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "missing": [missing]})
    assert seconds < CHECK_S + 10
    assert f'shanliu_ready{{part="{missing}"}} 0.0' in metrics


# ------------------------------------------------------------ one process for what leaves it as it was


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def healthy() -> AsyncIterator[Shell]:
    async with shell() as running:
        await until(running.answers)
        yield running


async def test_ready_is_said_when_every_part_answers(healthy: Shell) -> None:
    answer = await healthy.client.get("/readyz")
    metrics = (await healthy.client.get("/metrics")).text
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "missing": []})
    assert 'shanliu_ready{part="broker"} 1.0' in metrics


async def test_a_port_that_is_taken_ends_the_process_with_an_error(healthy: Shell) -> None:
    async with shell(port=healthy.client.base_url.port) as second:
        code, _, log = await second.ends()
    assert code != 0
    assert any("in use" in entry["event"] for entry in log)


async def test_a_mistake_is_answered_as_a_problem_and_logged_as_json(healthy: Shell) -> None:
    answer = await healthy.client.get("/mistake")
    assert answer.json()["type"] == "urn:shanliu:problem:internal-error"
    assert answer.headers["connection"] == "close", "or the next request is sent on it while it is closed"
    entry = await healthy.logged("exception")
    assert (entry["service"], entry["exception"][0]["exc_type"]) == ("shell", "RuntimeError")


async def test_nothing_is_loaded_from_elsewhere(healthy: Shell) -> None:
    page = await healthy.client.get("/docs")
    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert "//" not in "".join(re.findall(r'(?:src|href)="([^"]*)"', page.text)), "nothing of another origin"
    assert (await healthy.client.get("/docs/reader.css")).headers["content-type"].startswith("text/css")
    assert (await healthy.client.get("/asyncapi.json")).json()["asyncapi"] == "3.0.0"
    document = (await healthy.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert {"/livez", "/readyz", "/metrics"} <= document["paths"].keys()


# ------------------------------------------------------------ last, because it has taken its time
async def test_a_part_that_can_not_be_left_does_not_hold_the_process(stubborn: asyncio.Task[Ended]) -> None:
    code, seconds, log = await stubborn
    assert seconds < STOP_WITHIN_S + 10
    assert code != 0
    assert "stopped_by_force" in events(log)
