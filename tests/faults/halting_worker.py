"""The donation worker, halting itself once at an exact line: `python -m tests.faults.halting_worker`.

HALT_AT names the line, HALT_BY the signal (STOP: frozen, as by a stalled host; KILL: dead), HALT_FILE is
touched at that moment, so that a test can wait for it. A file that exists already: it has halted before.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from services.donation import booking, handlers
from services.donation.app import create_app
from services.donation.settings import Settings
from shared import service
from shared.broker import DONATION_EVENTS, Publisher

LINES = ("decoded", "in_transaction", "committed", "half_published", "published")
WARM_BATCHES = 3
"""It halts in the first batch after these that has enough records to matter."""
ENOUGH_RECORDS = 20


class Halt:
    """Halts this process once, at one line."""

    def __init__(self, line: str, by: str, file: Path) -> None:
        assert line in LINES
        self._line = line
        self._signal = getattr(signal, f"SIG{by}")
        self._file = file
        self._batches = 0
        self._armed = False

    def batch(self, records: int) -> None:
        """A batch begins."""
        self._batches += 1
        self._armed = self._batches > WARM_BATCHES and records >= ENOUGH_RECORDS

    def at(self, line: str) -> None:
        """This line is reached."""
        if self._armed and line == self._line and not self._file.exists():
            self._file.touch()
            os.kill(os.getpid(), self._signal)


def install(halt: Halt) -> None:
    """Put the halting lines around the worker's steps."""
    sort_out, chain, publish = handlers.sort_out, booking.chain, handlers.publish
    send_in_order = Publisher.send_in_order

    def sorting_out(settings: Any, records: Any) -> Any:
        halt.batch(len(records))
        sorted_out = sort_out(settings, records)
        halt.at("decoded")
        return sorted_out

    def chaining(*arguments: Any) -> Any:
        chained = chain(*arguments)
        halt.at("in_transaction")
        return chained

    async def publishing(publisher: Any, outcome: Any) -> None:
        halt.at("committed")
        await publish(publisher, outcome)
        halt.at("published")

    async def sending(publisher: Any, topic: str, *arguments: Any, **named: Any) -> None:
        await send_in_order(publisher, topic, *arguments, **named)
        if topic == DONATION_EVENTS:
            halt.at("half_published")

    patches: list[tuple[Any, str, Callable[..., Any] | Callable[..., Awaitable[Any]]]] = [
        (handlers, "sort_out", sorting_out),
        (booking, "chain", chaining),
        (handlers, "publish", publishing),
        (Publisher, "send_in_order", sending),
    ]
    for where, name, replacement in patches:
        assert callable(getattr(where, name))
        setattr(where, name, replacement)


def main() -> None:
    """Run the worker until told to stop; halt once on the way."""
    settings = Settings()
    install(Halt(os.environ["HALT_AT"], os.environ["HALT_BY"], Path(os.environ["HALT_FILE"])))
    service.run("donation", lambda: create_app(settings), settings)


if __name__ == "__main__":
    main()
