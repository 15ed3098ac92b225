"""`shanliu restore`: what has to be done when a service's database came back from a backup."""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from deploy.given import given
from deploy.local.external import external_kafka, namespace
from deploy.local.problems import StackProblem
from deploy.local.running import Running
from deploy.telling import say
from shared.broker import KafkaSettings
from shared.restoring import RestoreRefused, run

SERVICES: Final = ("donation", "campaign", "notification", "reporting")


def restore(service: str, *, dry_run: bool) -> list[str]:
    """Run it against the servers that the environment names (KAFKA_BOOTSTRAP_SERVERS, <SERVICE>_DATABASE_URL)
    or the stack that runs here; what was done, in lines for people. Raises StackProblem.
    """
    if service not in SERVICES:
        raise StackProblem(f"There is no service {service!r}; there are {', '.join(SERVICES)}.")
    url = given(f"{service.upper()}_DATABASE_URL")
    if url is None:
        stack = Running.find()
        kafka, names, url = stack.kafka, stack.namespace, stack.databases[service]
    elif (servers := external_kafka()) is None:
        raise StackProblem(f"{service.upper()}_DATABASE_URL is set, but not KAFKA_BOOTSTRAP_SERVERS.")
    else:
        kafka, names = servers, namespace()
    work: Callable[..., Any] = import_module(f"services.{service}.restoring").restore
    try:
        settings = KafkaSettings(kafka_bootstrap_servers=kafka, kafka_namespace=names)
        return run(work, settings, url, dry_run=dry_run, tell=say)
    except RestoreRefused as error:
        raise StackProblem(str(error)) from error
