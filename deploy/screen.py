"""A screen without a display: follows a campaign's stream (SSE) as a browser would."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

SILENCE_S: Final = 12.0
"""A stream that says nothing for this long is dead: a heartbeat comes every 5 s."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of the stream. `kind`: snapshot, change or heartbeat; `id`: the version, for resuming."""

    kind: str
    id: str | None
    data: dict[str, Any]


async def frames(http: httpx.AsyncClient, url: str, last_id: str | None = None) -> AsyncIterator[Frame]:
    """The frames of one connection, until it ends. Raises httpx.HTTPError when it can't be had or breaks."""
    headers = {"accept": "text/event-stream", **({"last-event-id": last_id} if last_id else {})}
    timeout = httpx.Timeout(10, read=SILENCE_S)
    async with http.stream("GET", url, headers=headers, timeout=timeout) as response:
        response.raise_for_status()
        fields: dict[str, str] = {}
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            elif "data" in fields:
                yield Frame(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]))
                fields = {}
            else:
                fields = {}


class Screen:
    """Keeps the last proved state of a campaign, and connects again by itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._changed = asyncio.Event()
        self.state: dict[str, Any] = {}
        self.frames = 0

    async def follow(self) -> None:
        """Follow the stream until cancelled."""
        last_id: str | None = None
        async with httpx.AsyncClient() as http:
            while True:
                try:
                    async for frame in frames(http, self._url, last_id):
                        last_id = frame.id or last_id
                        self._take(frame)
                except httpx.HTTPError:
                    await asyncio.sleep(0.3)

    def _take(self, frame: Frame) -> None:
        if frame.kind == "heartbeat":
            return
        self.frames += 1
        self.state = frame.data if frame.kind == "snapshot" else {**self.state, **frame.data}
        self._changed.set()

    async def until(self, timeout_s: float, **wanted: int) -> bool:
        """Wait until the state has these figures; False when it hasn't after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while any(self.state.get(name) != value for name, value in wanted.items()):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True
