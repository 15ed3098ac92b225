"""Proof again and again: `shanliu verifier` tells Prometheus what it finds."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from prometheus_client import Gauge, start_http_server

from deploy.local.problems import StackProblem
from deploy.verify.judging import Verdict, verify
from deploy.verify.places import Places
from shared.measured import Measured

DIFFERENCES: Final = Measured(
    "shanliu_verify_differences", "Differences that the last proof found; 0: all places agree"
)
BEHIND: Final = Measured(
    "shanliu_verify_behind",
    "Places that the last proof found right, and still behind the logs after its wait; 0: none",
)
ENDED_AT: Final = Gauge(
    "shanliu_verify_timestamp_seconds",
    "When the last proof ended, in seconds since 1970; 0: none has ended yet",
)
TOOK: Final = Gauge("shanliu_verify_seconds", "Time that the last proof took, in seconds")

AGAIN_S: Final = 60.0
"""After a place could not be read: it may have been on its way up."""

TELL_EVERY_S: Final = 60.0
"""Of millions of donations a proof takes minutes: how far it is stands in the log."""

Say = Callable[[str], None]


class Slowly:
    """Says how far a proof is, once a minute."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._told_s = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Note progress: `done` of `total` (0: unknown) of `what`."""
        if time.monotonic() - self._told_s >= TELL_EVERY_S:
            self._told_s = time.monotonic()
            self._say(f"{what}: {done:,} of {total:,}" if total else what)


def watch(every_s: float, address: tuple[str, int], wait_s: float, say: Say) -> None:
    """Prove every campaign's number at once and then every `every_s`, and show the result on /metrics of this
    host and port. Never returns; raises StackProblem when nobody can listen there. A place that can't be
    read is no difference: the proof before stands and grows old, and the next is tried within a minute.
    """
    host, port = address
    try:
        start_http_server(port, addr=host)
    except OSError as error:
        raise StackProblem(
            f"Nobody can listen on {host}:{port}: {error.strerror}. Another: --port, --host."
        ) from error
    while True:
        begun_s, pause_s = time.monotonic(), every_s
        try:
            tell(asyncio.run(verify(Places.find(), wait_s=wait_s, progress=Slowly(say))), say)
        except StackProblem as problem:
            say(f"not proved: {problem}")
            pause_s = min(every_s, AGAIN_S)
        time.sleep(max(0.0, begun_s + pause_s - time.monotonic()))


def tell(verdict: Verdict, say: Say) -> None:
    """Set the metrics, and say every difference."""
    DIFFERENCES.set(len(verdict.differences))
    BEHIND.set(len(verdict.behind))
    TOOK.set(verdict.seconds)
    ENDED_AT.set_to_current_time()
    for difference in verdict.findings:
        say(str(difference))
    say(verdict.result)
