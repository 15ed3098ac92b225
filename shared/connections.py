"""Connections to brokers of which one is away, mended in two places.

*Cut while it is written to, under uvloop.* uvloop's transport then raises RuntimeError, where asyncio raises
OSError or nothing, and aiokafka (0.14) awaits OSError alone (aiokafka#1038): the task that happened to write
ends with it. When that is the one that keeps the list of topics, the consumer waits for it for ever (seen in
a donation worker after a restart of the broker: the process is alive and ready, and takes nothing more).

*A host that says nothing.* aiokafka gives a new connection as long as a request (10 s for consumers), and all
that a client opens wait for it one behind the other, the look for a new leader among them: of three brokers
one was away, and for 17 s no screen had a frame.
"""

import asyncio
from typing import Any, Final

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

CONNECT_S: Final = 2.0
"""For TCP, TLS and the password together, at the first try: 0.05 s within a data centre."""
CONNECT_MOST_S: Final = 5.0
"""Twice as long at each further try, up to this: a host that lives may have a machine that is busy."""

_send = AIOKafkaConnection.send
_connect = AIOKafkaConnection.connect
_patience_s: dict[tuple[str, int], float] = {}
"""By broker, of those that did not let us in the last time."""


def send(connection: Any, request: Any, expect_response: bool = True) -> Any:  # noqa: FBT001, FBT002 - aiokafka's
    """As in aiokafka. Raises KafkaConnectionError for a connection that is cut, on every event loop."""
    try:
        return _send(connection, request, expect_response)
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"{connection.host}:{connection.port}: {error}") from error


async def connect(connection: Any) -> Any:
    """As in aiokafka. Raises TimeoutError for a host that does not let us in soon."""
    host = (connection.host, connection.port)
    bound_s = _patience_s.get(host, CONNECT_S)
    try:
        async with asyncio.timeout(bound_s):
            made = await _connect(connection)
    except TimeoutError:
        _patience_s[host] = min(2 * bound_s, CONNECT_MOST_S)
        raise
    _patience_s.pop(host, None)
    return made


def repair() -> None:
    """Have all connections of this process made so."""
    AIOKafkaConnection.send = send
    AIOKafkaConnection.connect = connect
