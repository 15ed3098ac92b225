"""Listening sockets that outlive who answers at them.

Who keeps a service's socket can put a second process behind it before the first one ends: connections that
nobody has taken yet wait in the kernel's queue for whoever takes them, and none is refused. (Two sockets on
one port, by SO_REUSEPORT, have a queue each, and what lies in the one that closes is reset.)
"""

import socket
from typing import Final

from deploy.local.layout import LOOPBACK, require_free
from deploy.local.problems import StackProblem

BACKLOG: Final = 4096


def take(port: int = 0, name: str = "") -> socket.socket:
    """Hold a port of the loopback address, or with 0 one that is free, without listening yet: who connects is
    refused. Raises StackProblem.
    """
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((LOOPBACK, port))
    except OSError as error:
        door.close()
        require_free({name: port})
        raise StackProblem(f"Nobody can listen on port {port} ({name}): {error.strerror}.") from error
    return door


def listen(port: int, name: str) -> socket.socket:
    """Listen on a port: who connects waits for whoever takes connections from it. Raises StackProblem."""
    door = take(port, name)
    door.listen(BACKLOG)
    return door


def port_of(door: socket.socket) -> int:
    """Where it listens."""
    port: int = door.getsockname()[1]
    return port
