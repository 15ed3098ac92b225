"""A service's process for tests that await: forked by the nursery, used as asyncio's own."""

import os
import signal
import sys
from collections.abc import Mapping
from typing import IO, Final

from deploy.local import processes
from deploy.local.processes import SOURCE, Command
from tests.waiting import until

END_S: Final = 60.0


class Process:
    """`python -m services.…`, begun with these settings and arguments; what it says goes into `output`, or
    where what we say goes.
    """

    def __init__(
        self, module: str, environment: Mapping[str, str], output: IO[bytes] | None = None, *arguments: str
    ) -> None:
        told = {**environment, "PYTHONPATH": str(SOURCE)}
        with os.fdopen(os.dup(2 if output is None else output.fileno()), "wb") as log:
            self._begun = processes.begin(
                Command(module, [sys.executable, "-m", module, *arguments], told), log
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._begun.pid

    @property
    def returncode(self) -> int | None:
        """How it ended, None while it runs; negative: by that signal."""
        return self._begun.poll()

    async def wait(self) -> int:
        """Wait for its end. Raises TimeoutError after a minute."""
        await until(lambda: self.returncode is not None, deadline_s=END_S)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        self._begun.send_signal(number)

    def terminate(self) -> None:
        """Ask it to stop."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._begun.kill()
