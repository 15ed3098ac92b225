"""`shanliu restore`: what has to be done when a service's database came back from a backup."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from deploy.local.problems import StackProblem
from deploy.servers import servers_of
from deploy.telling import say
from shared.restoring import RestoreRefused, run

SERVICES: Final = ("donation", "campaign", "notification", "reporting")


def restore(service: str, *, dry_run: bool) -> list[str]:
    """Run it against the servers that the environment names (KAFKA_BOOTSTRAP_SERVERS, <SERVICE>_DATABASE_URL)
    or the stack that runs here; what was done, in lines for people. Raises StackProblem.
    """
    if service not in SERVICES:
        raise StackProblem(f"There is no service {service!r}; there are {', '.join(SERVICES)}.")
    settings, url = servers_of(service)
    work: Callable[..., Any] = import_module(f"services.{service}.restoring").restore
    try:
        return run(work, settings, url, dry_run=dry_run, tell=say)
    except RestoreRefused as error:
        raise StackProblem(str(error)) from error
