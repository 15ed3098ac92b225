"""The health check of a container: `python -I -S deploy/ready.py [PATH]`. 0 when the process in it answers
200 at PATH (/readyz), else 1 and what it says.

It is started every few seconds in each container: a socket and nothing else, or the checks would take more of
the machine than the services do.
"""

import os
import socket
import sys
from typing import Final

ANSWER_S: Final = 4
LOOPBACK: Final = "127.0.0.1"
ANSWER_BYTES: Final = 4096


def main(path: str = "/readyz") -> int:
    """Ask the process on HTTP_PORT of this container."""
    request = f"GET {path} HTTP/1.0\r\nHost: {LOOPBACK}\r\n\r\n".encode()
    try:
        with socket.create_connection((LOOPBACK, int(os.environ["HTTP_PORT"])), ANSWER_S) as connection:
            connection.sendall(request)
            answer = connection.recv(ANSWER_BYTES)
    except OSError as error:
        sys.stdout.write(f"doesn't answer: {error}")
        return 1
    if answer.split(b" ", 2)[1:2] == [b"200"]:
        return 0
    sys.stdout.write(answer.decode("utf-8", "replace"))
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
