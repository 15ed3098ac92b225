"""The hub and its streams, without a network: writers are given by the tests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from services.reporting import hub as hub_module
from services.reporting.frames import change_frame, snapshot_frame
from services.reporting.hub import Hub, Stream, TooManyStreams
from services.reporting.stream import StreamEndpoint
from tests.services.reporting.builders import GALA, state
from tests.waiting import until


class Screen:
    """A connection that keeps what it is written, and can be made to take nothing."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, frames: bytes) -> None:
        await self.open.wait()
        self.frames.append(frames)


@pytest.fixture
async def hub() -> Hub:
    hub = Hub(max_streams=3)
    hub.offer([state(0)])
    return hub


@asynccontextmanager
async def watching(hub: Hub, version: int | None = None) -> AsyncIterator[tuple[Stream, Screen]]:
    screen = Screen()
    async with hub.stream(GALA, version) as stream:
        running = asyncio.create_task(stream.run(screen.write))
        await until(lambda: stream.written > 0 or version is not None)
        yield stream, screen
        stream.close()
        screen.open.set()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_new_stream_begins_with_everything(hub: Hub) -> None:
    async with watching(hub) as (_, screen):
        assert screen.frames == [snapshot_frame(state(0))]


async def test_every_stream_is_given_the_same_encoded_frame(hub: Hub) -> None:
    async with watching(hub) as (_, one), watching(hub) as (_, other):
        hub.offer([state(100)])
        await until(lambda: len(one.frames) == 2 and len(other.frames) == 2)
        assert one.frames[1] == change_frame(state(0), state(100))
        assert one.frames[1] is other.frames[1]


async def test_changes_are_coalesced_and_the_last_one_always_arrives(hub: Hub) -> None:
    async with watching(hub) as (_, screen):
        for amount in range(1, 200):
            hub.offer([state(amount)])
            await asyncio.sleep(0)
        await until(lambda: screen.frames[-1].startswith(b"event: change\nid: 200\n"))
        assert len(screen.frames) <= 4, "snapshot, the first change, at most two more in a moment"


async def test_of_states_that_come_together_only_the_newest_is_sent(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the last frame took: else who is late shows every old number, and is later with each."""
    monkeypatch.setattr("services.reporting.feed.FRAME_S", 0.0)
    async with watching(hub) as (_, screen):
        hub.offer([state(1), state(3), state(2)])
        hub.offer([state(4)])
        await until(lambda: len(screen.frames) == 2)
        assert screen.frames[1] == change_frame(state(0), state(3)) + change_frame(state(3), state(4))


async def test_a_slow_screen_gets_the_latest_state_and_no_queue(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.reporting.feed.FRAME_S", 0.0)
    async with watching(hub) as (_, screen), watching(hub) as (_, quick):
        screen.open.clear()
        for amount in range(1, 200):
            hub.offer([state(amount)])
            await until(lambda amount=amount: len(quick.frames) == amount + 1)  # type: ignore[misc]
        screen.open.set()
        await until(lambda: len(screen.frames) == 3)
        assert screen.frames[1] == change_frame(state(0), state(1)), "the write that was under way"
        assert screen.frames[2] == snapshot_frame(state(199))


async def test_a_screen_that_takes_nothing_is_given_up(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "WRITE_S", 0.05)
    monkeypatch.setattr(hub_module, "WATCH_S", 0.01)
    screen = Screen()
    screen.open.clear()
    watch = asyncio.create_task(hub.watch())
    async with hub.stream(GALA, None) as stream:
        with pytest.raises(TimeoutError):
            await stream.run(screen.write)
    watch.cancel()
    assert hub.open_streams == 0


async def test_heartbeats_go_to_quiet_streams(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(hub_module, "WATCH_S", 0.01)
    watch = asyncio.create_task(hub.watch())
    async with watching(hub) as (_, screen):
        await until(lambda: sum(frame.startswith(b"event: heartbeat\n") for frame in screen.frames) >= 2)
    watch.cancel()


async def test_the_number_of_streams_is_bounded(hub: Hub) -> None:
    async with watching(hub), watching(hub), watching(hub):
        with pytest.raises(TooManyStreams):
            async with hub.stream(GALA, None):
                pass
    assert hub.open_streams == 0


async def test_stopping_ends_every_stream(hub: Hub) -> None:
    stopping = asyncio.Event()
    end = asyncio.create_task(hub.stop_at(stopping))
    async with hub.stream(GALA, None) as stream:
        running = asyncio.create_task(stream.run(Screen().write))
        stopping.set()
        async with asyncio.timeout(1):
            await running
    end.cancel()


async def test_a_stale_state_reaches_no_screen(hub: Hub) -> None:
    async with watching(hub) as (_, screen):
        hub.offer([state(100), state(50)])
        await until(lambda: len(screen.frames) == 2)
        assert hub.state(GALA) == state(100)
        hub.offer([state(101)])
        await until(lambda: len(screen.frames) == 3)
        assert screen.frames[2] == change_frame(state(100), state(101))


class Asked:
    """One request to the endpoint, as a server would make it."""

    def __init__(self, campaign_id: str, *, last_event_id: bytes | None = None, query: bytes = b"") -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "path_params": {"campaign_id": campaign_id},
            "headers": [] if last_event_id is None else [(b"last-event-id", last_event_id)],
            "query_string": query,
        }
        self.sent: list[dict[str, Any]] = []
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(dict(message))

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def test_the_endpoint_streams_until_the_screen_leaves(hub: Hub) -> None:
    asked = Asked(GALA)
    serving = asyncio.create_task(StreamEndpoint(hub)(asked.scope, asked.receive, asked.send))
    await until(lambda: b"event: snapshot" in asked.body)
    headers = dict(asked.sent[0]["headers"])
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"x-accel-buffering"] == b"no"
    asked.left.set()
    async with asyncio.timeout(1):
        await serving
    assert hub.open_streams == 0


@pytest.mark.parametrize("way", ["header", "query"])
async def test_the_endpoint_resumes_by_header_or_query(hub: Hub, way: str) -> None:
    hub.offer([state(100)])
    version = str(state(0).version).encode()
    by_header, by_query = Asked(GALA, last_event_id=version), Asked(GALA, query=b"last_event_id=" + version)
    resumed = by_header if way == "header" else by_query
    serving = asyncio.create_task(StreamEndpoint(hub)(resumed.scope, resumed.receive, resumed.send))
    await until(lambda: b"event: change" in resumed.body)
    assert b"event: snapshot" not in resumed.body
    resumed.left.set()
    await serving


@pytest.mark.parametrize("identity", [b"", b"-1", b"abc", b"1e3", b"9" * 40, "１２".encode()])
async def test_a_last_event_id_that_is_no_version_means_from_the_beginning(hub: Hub, identity: bytes) -> None:
    asked = Asked(GALA, last_event_id=identity)
    serving = asyncio.create_task(StreamEndpoint(hub)(asked.scope, asked.receive, asked.send))
    await until(lambda: b"event: snapshot" in asked.body)
    asked.left.set()
    await serving


async def test_an_unknown_campaign_is_404_and_a_full_house_503(hub: Hub) -> None:
    unknown = Asked("none-such")
    await StreamEndpoint(hub)(unknown.scope, unknown.receive, unknown.send)
    assert unknown.sent[0]["status"] == 404
    hub.max_streams = 0
    full = Asked(GALA)
    await StreamEndpoint(hub)(full.scope, full.receive, full.send)
    assert full.sent[0]["status"] == 503
    assert (b"retry-after", b"5") in full.sent[0]["headers"]


async def test_a_stream_is_told_of_a_theme_once_and_of_no_earlier_one(hub: Hub) -> None:
    async with watching(hub) as (_, screen):
        assert hub.watched_campaigns() == {GALA}
        hub.dress({GALA: (2, b"two"), "another": (9, b"nine")})
        hub.dress({GALA: (2, b"two again")})
        hub.dress({GALA: (1, b"one")})
        await until(lambda: len(screen.frames) == 2)
        hub.dress({GALA: (3, b"three")})
        await until(lambda: len(screen.frames) == 3)
        assert screen.frames[1:] == [b"two", b"three"]
    assert hub.watched_campaigns() == set()
