"""A server of our own, one process: what the broker and the database have in common."""

from abc import ABC, abstractmethod
from pathlib import Path
from threading import Event
from typing import ClassVar

from deploy.local.problems import StackProblem
from deploy.local.processes import Child, tail, wait_until


class LocalServer(ABC):
    """Its output is in `log`. start() returns when it answers."""

    NAME: ClassVar[str]
    START_S: ClassVar[float]
    """So long it may take until it answers."""
    log: Path
    _child: Child | None = None

    @property
    def child(self) -> Child | None:
        """The server's process."""
        return self._child

    @property
    def running(self) -> bool:
        """True while the process has not ended."""
        return self._child is not None and self._child.running

    def start(self, timeout_s: float | None = None, stop: Event | None = None) -> None:
        """Launch and wait until it answers; without a time, START_S at most."""
        self.launch()
        self.wait_ready(timeout_s, stop)

    @abstractmethod
    def launch(self) -> None:
        """Start the process and don't wait."""

    @abstractmethod
    def answers(self) -> bool:
        """True when it takes requests."""

    def wait_ready(self, timeout_s: float | None = None, stop: Event | None = None) -> None:
        """Return when it takes requests. Raises StackProblem when it ends before, or not in time."""
        within_s = self.START_S if timeout_s is None else timeout_s
        if not wait_until(lambda: not self.running or self.answers(), within_s, stop):
            raise StackProblem(f"{self.NAME} doesn't answer within {within_s:.0f} s; its log is {self.log}.")
        if not self.running:
            raise StackProblem(f"{self.NAME} ended while starting: {tail(self.log)} (its log is {self.log}).")

    def kill(self) -> None:
        """Kill -9: what a crash is. What it has started itself ends by itself."""
        if self._child is not None:
            self._child.kill()
