"""A connection to the broker that is cut while it is written to, under uvloop.

uvloop's transport then raises RuntimeError, where asyncio's raises OSError or nothing, and aiokafka (0.14)
awaits OSError alone (aiokafka#1038): the task that happened to write ends with it. When that is the one that
keeps the list of topics, the consumer waits for it for ever (seen in a donation worker after a restart of the
broker: the process is alive and ready, and takes nothing more).
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send


def send(connection: Any, request: Any, expect_response: bool = True) -> Any:  # noqa: FBT001, FBT002 - aiokafka's
    """As in aiokafka. Raises KafkaConnectionError for a connection that is cut, on every event loop."""
    try:
        return _send(connection, request, expect_response)
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"{connection.host}:{connection.port}: {error}") from error


def repair() -> None:
    """Have all connections of this process made so."""
    AIOKafkaConnection.send = send
