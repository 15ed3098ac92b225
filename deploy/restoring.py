"""`shanliu restore`: what has to be done when a service's database came back from a backup.

One of an older release is migrated first, where its administrator is known: of the stack that runs here, or
by ADMIN_DATABASE_URL.
"""

from importlib import import_module
from typing import Final

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from deploy.given import given
from deploy.local import databases
from deploy.local.problems import StackProblem
from deploy.local.roles import migrate_apart
from deploy.local.running import Running
from deploy.prepare import ADMIN_URL, url_name
from deploy.servers import servers_of
from deploy.telling import say
from shared.migrations import Behind, behind
from shared.restoring import Restore, RestoreRefused, package_of, run, told

SERVICES: Final = ("donation", "campaign", "notification", "reporting")


def restore(service: str, *, dry_run: bool) -> list[str]:
    """Run it against the servers that the environment names (KAFKA_BOOTSTRAP_SERVERS, <SERVICE>_DATABASE_URL,
    ADMIN_DATABASE_URL) or the stack that runs here; what was done, in lines for people. Raises StackProblem.
    """
    if service not in SERVICES:
        raise StackProblem(f"There is no service {service!r}; there are {', '.join(SERVICES)}.")
    settings, url = servers_of(service)
    work: Restore = import_module(f"services.{service}.restoring").restore
    if (admin := _administrator(service)) and (found := _behind(url, package_of(work))) is not None:
        if dry_run:
            return [f"the database is {told(found)}: it would be migrated first, and the rest be told then"]
        say(f"the database is {told(found)}: it is migrated")
        databases.run(migrate_apart(admin, url, package_of(work)))
    try:
        return run(work, settings, url, dry_run=dry_run, tell=say)
    except RestoreRefused as error:
        raise StackProblem(str(error)) from error


def _administrator(service: str) -> str | None:
    """The URL of who may migrate the service's database, where one is known."""
    return given(ADMIN_URL) if given(url_name(service)) else Running.find().admin_url


def _behind(url: str, package: str) -> Behind | None:
    try:
        return databases.run(behind(url, package))
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        raise StackProblem(f"The database can't be read: {error!r:.300}.") from error
