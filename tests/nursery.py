"""Processes of the services that are born with their modules loaded.

To load what it needs takes `python -m services.donation` a second and a half of a core, and the tests start
processes of services two hundred times. So each service has a nursery (deploy/local/nursery.py), which loads
all of that service; the nurseries are forks of one that has loaded what is common to them. What is started
by a process of its own (`shanliu up`, `shanliu demo`) knows nothing of these.
"""

import importlib
import socket
import sys
from typing import IO, Final

from deploy.local import nursery
from deploy.local.nursery import COMMON, Nursery
from deploy.local.processes import SOURCE, Begun, Command, begin

HALTING: Final = "tests.faults.halting_worker"
SHELL: Final = "tests.services.shared.shell"
ALL: Final = "all"
FAMILIES: Final = {
    "deploy.bench.bare": "services.donation",
    "deploy.bench.bare_http": "services.donation",
    "services.campaign": "services.campaign",
    "services.console": "services.console",
    "services.donation": "services.donation",
    "services.notification": "services.notification",
    "services.reporting": "services.reporting",
    HALTING: "services.donation",
    SHELL: ALL,
}
"""The service whose modules a process of this module needs."""
ROLES: Final = {
    "services.donation": "services.donation.apis",
    "services.reporting": "services.reporting.showing",
}
"""What one role of a service loads beside its app."""


class Nurseries:
    """The nurseries of a run, each begun when it is asked first."""

    def __init__(self) -> None:
        self._known: Final[dict[str, Nursery]] = {}

    def begin(self, command: Command, output: IO[bytes]) -> Begun:
        """Start a process: forked, when it is of a service as it lies here."""
        family = _family(command)
        if family is None:
            return begin(command, output)
        return self._of(family).bear(command, output)

    def _of(self, family: str) -> Nursery:
        if family not in self._known:
            bear = begin if family == ALL else self._of(ALL).bear
            self._known[family] = Nursery(__name__, family, bear=bear)
        return self._known[family]

    def close(self) -> None:
        """Let all go."""
        for each in reversed(self._known.values()):
            each.close()
        self._known.clear()


def _family(command: Command) -> str | None:
    """None for what has to be started: another program, or another source, as of the release before."""
    here = command.folder == SOURCE and command.environment.get("PYTHONPATH") == str(SOURCE)
    if not here or command.user is not None or [*command.argv[:2]] != [sys.executable, "-m"]:
        return None
    return FAMILIES.get(command.argv[2])


def main() -> None:
    """`python -m tests.nursery FAMILY SOCKET`."""
    family, asked = sys.argv[1:]
    app = f"{family}.app"
    nursery.load(COMMON if family == ALL else (app, ROLES.get(family, app)))
    if family == ALL:
        _make_models()
    nursery.serve(socket.socket(fileno=int(asked)))


def _make_models() -> None:
    """Those of the events, which a process otherwise makes when it meets the first event of a kind."""
    for event in importlib.import_module("shared.events").EVENT_CLASSES:
        event.model_rebuild()
        event.model_fields["data"].annotation.model_rebuild()


if __name__ == "__main__":
    main()
