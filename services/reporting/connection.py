"""The server's own connections, so that a frame goes to thousands of them in one turn of the loop.

A frame that goes to each stream by a task's turn and an ASGI message costs twice the processor of one that is
written to the connection (shanliu bench audience). So a frame is put in HTTP's chunk once, and written to
every connection that takes it now; whichever does not is left to its stream's task, which waits as ASGI does.
"""

from collections.abc import Callable
from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

EXTENSION: Final = "org.shanliu.connection"
AtOnce = Callable[[bytes], bool]
"""Writes to a connection now; False: it takes nothing at the moment, and nothing was written."""


class StreamProtocol(HttpToolsProtocol):
    """uvicorn's protocol, naming the connection to the application (ASGI's `extensions`)."""

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        extensions: Any = {EXTENSION: self}
        self.scope["extensions"] = extensions


class Chunks:
    """Frames as chunks of HTTP/1.1 (RFC 9112, 7.1), the last one kept, for it goes to many."""

    def __init__(self) -> None:
        self._frames = self._chunk = b""

    def of(self, frames: bytes) -> bytes:
        """The chunk of frames; `frames` must not be empty, which would end the answer."""
        if frames is not self._frames:
            self._frames, self._chunk = frames, b"%x\r\n%b\r\n" % (len(frames), frames)
        return self._chunk


def at_once(scope: Scope, chunks: Chunks) -> AtOnce | None:
    """How a streamed answer to this request is written past ASGI, once its head has been sent; None: the
    server does not offer it, or the answer has no chunks (HTTP/1.0, HEAD).
    """
    connection: StreamProtocol | None = scope.get("extensions", {}).get(EXTENSION)
    if connection is None or scope["http_version"] != "1.1" or scope["method"] != "GET":
        return None

    def write(frames: bytes) -> bool:
        if not frames or connection.flow.write_paused or connection.transport.is_closing():
            return False
        connection.transport.write(chunks.of(frames))
        return True

    return write
