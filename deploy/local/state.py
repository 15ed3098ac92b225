"""What runs, as the supervisor writes it and everybody else reads it."""

import time
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.local.credentials import write_private
from deploy.local.layout import Home
from deploy.local.processes import Identity

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]


class ProcessState(BaseModel):
    """One process. `started` is its start time, seconds UTC."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float
    running: bool = True
    restarts: int = 0
    stopped: bool = False
    """By somebody, until somebody starts it again."""

    @property
    def identity(self) -> Identity:
        """Which process exactly."""
        return Identity(self.pid, self.started)


class Restart(BaseModel):
    """Processes that are replaced, stopped or started, one after the other. `id` is of who asked; `seconds`,
    by name, of those that are done.
    """

    id: str
    names: list[str]
    seconds: dict[str, float] = Field(default_factory=dict)
    problem: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be done."""
        return self.problem is not None or len(self.seconds) == len(self.names)


class State(BaseModel):
    """The whole of state.json."""

    supervisor: ProcessState
    phase: Phase = "starting"
    problem: str | None = None
    since: float = Field(default_factory=time.time)
    keeper: ProcessState | None = None
    kafka: str | None = None
    """Bootstrap servers."""
    namespace: str = ""
    """Put before each topic."""
    ports: dict[str, int] = Field(default_factory=dict)
    """By name, as in layout.Ports."""
    addresses: dict[str, str] = Field(default_factory=dict)
    processes: dict[str, ProcessState] = Field(default_factory=dict)
    restart: Restart | None = None
    """The last that was asked for."""

    def write(self, home: Home) -> None:
        """Replace state.json."""
        write_private(home.state_file, self.model_dump_json(indent=2) + "\n")

    @property
    def supervised(self) -> bool:
        """True while the supervisor that wrote this lives (after a reboot its pid may be another's)."""
        return self.supervisor.identity.alive

    def survivors(self) -> list[Identity]:
        """Everything recorded that still lives, the supervisor and the keeper left out."""
        return [one.identity for one in self.processes.values() if one.identity.alive]


def read(home: Home) -> State | None:
    """The last state that was written; None when there is none, or none that can be read."""
    try:
        return State.model_validate_json(home.state_file.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def state_of(
    identity: Identity, *, running: bool = True, restarts: int = 0, stopped: bool = False
) -> ProcessState:
    """A process as the state has it."""
    return ProcessState(
        pid=identity.pid, started=identity.started, running=running, restarts=restarts, stopped=stopped
    )
