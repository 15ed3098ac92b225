"""Processes replaced, stopped and started while the stack runs: asked for by a file, done by the supervisor,
told in its state.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.local import state
from deploy.local.credentials import write_private
from deploy.local.layout import Home
from deploy.local.problems import Report, StackProblem
from deploy.local.services import BY_NAME

TAKEN_S: Final = 30.0
"""A supervisor that has not taken the request by then does something else, or hangs."""


Verb = Literal["restart", "stop", "start"]
DOING: Final[dict[Verb, str]] = {"restart": "replacing", "stop": "stopping", "start": "starting"}
DONE: Final[dict[Verb, str]] = {"restart": "replaced", "stop": "stopped", "start": "started"}


class Request(BaseModel):
    """What restart.json holds."""

    model_config = ConfigDict(extra="forbid")

    id: str
    names: list[str]
    verb: Verb = "restart"


class Replaces(Protocol):
    """The stack, as far as it is wanted here."""

    def migrating(self, names: Iterable[str]) -> Iterator[None]:
        """Migrate the databases of processes, yielding while it waits. Raises StackProblem."""
        ...

    def replacing(self, name: str) -> Iterator[None]:
        """Replace one process, yielding while it waits. Raises StackProblem."""
        ...

    def stopping(self, name: str) -> Iterator[None]:
        """The same: stop it until it is started."""
        ...

    def starting(self, name: str) -> Iterator[None]:
        """The same: start one that was stopped."""
        ...


class Restarts:
    """The supervisor's side: takes a request and does it, a step at a time, one process after the other."""

    def __init__(self, home: Home, told: state.State, stack: Replaces, report: Report) -> None:
        self._home = home
        self._told = told
        self._stack = stack
        self._report = report
        self._steps: Iterator[None] | None = None

    def step(self) -> bool:
        """Go on as far as it goes without waiting; True when there is something new to tell."""
        if self._steps is None:
            request = _take(self._home)
            if request is None:
                return False
            self._told.restart = state.Restart(id=request.id, names=request.names)
            self._steps = self._all(self._told.restart, request.verb)
            return True
        if next(self._steps, self) is self:
            self._steps = None
        return True

    def _all(self, restart: state.Restart, verb: Verb) -> Iterator[None]:
        work = {"restart": self._stack.replacing, "stop": self._stack.stopping, "start": self._stack.starting}
        doing = ", ".join(restart.names)
        try:
            if verb != "stop":
                yield from self._stack.migrating(restart.names)
            for name in restart.names:
                doing, begun = name, time.monotonic()
                yield from work[verb](name)
                restart.seconds[name] = round(time.monotonic() - begun, 1)
                self._report(f"{name} was {DONE[verb]} ({restart.seconds[name]} s)")
        except StackProblem as problem:
            restart.problem = " ".join(str(problem).split())
            self._report(f"{doing} is not {DONE[verb]}: {problem}")


def _take(home: Home) -> Request | None:
    try:
        text = home.restart_file.read_bytes()
        home.restart_file.unlink()
        request = Request.model_validate_json(text)
    except (FileNotFoundError, ValidationError):
        return None
    return request if set(request.names) <= set(BY_NAME) else None


def ask(home: Home, names: Sequence[str], say: Callable[[str], None], verb: Verb = "restart") -> None:
    """Have the running supervisor replace, stop or start processes, without names all that nobody has
    stopped; returns when it is done. Raises StackProblem.
    """
    if unknown := set(names) - set(BY_NAME):
        raise StackProblem(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(BY_NAME)}.")
    found = state.read(home)
    if found is None or not found.supervised or found.phase != "ready":
        raise StackProblem("Nothing is ready here. Start it first: shanliu up")
    if found.restart is not None and not found.restart.ended:
        raise StackProblem("A restart is under way; `shanliu logs supervisor` tells how far it is.")
    running = [name for name in BY_NAME if name in found.processes and not found.processes[name].stopped]
    request = Request(id=uuid.uuid4().hex, names=list(names) or running, verb=verb)
    # A supervisor of the release before knows restart alone, without a word for it.
    write_private(home.restart_file, request.model_dump_json(exclude_defaults=True))
    try:
        _tell(home, request, say)
    except KeyboardInterrupt:
        if _withdrawn(home):
            say(f"nothing was {DONE[verb]}")
        else:
            say(f"the supervisor goes on {DOING[verb]}; `shanliu logs supervisor -f` tells how far it is")
        raise


def _withdrawn(home: Home) -> bool:
    """Take the request back; False when the supervisor has taken it."""
    try:
        home.restart_file.unlink()
    except FileNotFoundError:
        return False
    return True


def _tell(home: Home, request: Request, say: Callable[[str], None]) -> None:
    told: set[str] = set()
    for progress in _followed(home, request):
        for name in [name for name in progress.seconds if name not in told]:
            say(f"{name} was {DONE[request.verb]} ({progress.seconds[name]} s)")
            told.add(name)
        if progress.problem:
            raise StackProblem(progress.problem)


def _followed(home: Home, request: Request) -> Iterator[state.Restart]:
    """How far it is, again and again, until it has ended. Raises StackProblem when nobody does it."""
    begun = time.monotonic()
    while True:
        found = state.read(home)
        if found is None or not found.supervised:
            raise StackProblem("The supervisor has ended meanwhile; see `shanliu logs supervisor`.")
        if found.restart is not None and found.restart.id == request.id:
            yield found.restart
            if found.restart.ended:
                return
        elif time.monotonic() - begun > TAKEN_S:
            home.restart_file.unlink(missing_ok=True)
            raise StackProblem("The supervisor does not take the request; see `shanliu logs supervisor`.")
        time.sleep(0.1)
