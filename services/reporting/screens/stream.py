"""GET /s/{token}/stream: the frames of a registered screen, as the public stream sends a campaign's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Scope

from services.reporting.hub import Hub, Stream
from services.reporting.screens.watching import ScreenWatch
from services.reporting.stream import StreamEndpoint
from shared.problems import Problem


class ScreenStreamEndpoint(StreamEndpoint):
    """The ASGI application of the route."""

    def __init__(self, hub: Hub, watch: ScreenWatch) -> None:
        super().__init__(hub)
        self._watch = watch

    @asynccontextmanager
    async def open(self, scope: Scope) -> AsyncIterator[Stream]:
        """The stream of the screen that the link opens."""
        row = self._watch.opened_by(scope["path_params"]["token"])
        if row is None:
            raise KeyError
        async with self._hub.screen_stream(row["screen_id"]) as stream:
            yield stream

    def unknown(self, _: Scope, /) -> Problem:
        """404: the link is revoked or unknown, or its campaign has not been heard of yet."""
        return Problem(404, "unknown-screen", "No screen is opened by this link now.")
