"""What each process of the stack says at /readyz, asked of all at once."""

import http.client
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from deploy.local.layout import LOOPBACK

ANSWER_S: Final = 5.0
"""A process asks its own parts for three seconds at most."""
ANSWER_BYTES: Final = 4096
SILENT: Final = "an answer"


def missing(ports: Mapping[str, int]) -> dict[str, list[str]]:
    """By process: the parts that it misses, none when it is ready; SILENT when it doesn't say so in time."""
    with ThreadPoolExecutor(max_workers=max(1, len(ports))) as asking:
        return dict(zip(ports, asking.map(_missed, ports.values()), strict=True))


def _missed(port: int) -> list[str]:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = json.loads(answer.read(ANSWER_BYTES))
        return [] if answer.status == http.client.OK else [str(part) for part in said["missing"]]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return [SILENT]
    finally:
        connection.close()
