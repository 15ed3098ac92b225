"""PostgreSQL's own programs on the server of the stack that runs here, as its administrator: `shanliu sql`,
`shanliu dump`, `shanliu load`.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

from sqlalchemy import URL

from deploy.local.databases import parse_url
from deploy.local.postgres_programs import find_programs
from deploy.local.problems import StackProblem
from deploy.local.running import Running

MADE_ANEW: Final = ("--create", "--exit-on-error")
"""How pg_restore makes a database with its owners and rights, or says where it could not."""


def psql(service: str | None, command: str | None) -> int:
    """Talk to a service's database, or the server's own; psql's exit code. Raises StackProblem."""
    return _run("psql", _place(service), *([] if command is None else ["--command", command]))


def dump(service: str, file: Path) -> None:
    """Write all of a service's database into a file. Raises StackProblem."""
    if _run("pg_dump", _place(service), "--format=custom", f"--file={file}"):
        raise StackProblem(f"{file} was not written: see what pg_dump says above.")


def load(service: str, file: Path) -> None:
    """Put the database of a dump in the place of the service's. Raises StackProblem; nothing has changed when
    the file is no dump of it, or while somebody has a session there.
    """
    server, name = _place(None), str(_place(service).database)
    if _database_of(file) != name:
        raise StackProblem(f"{file} is no dump of {name}.")
    if _run("psql", server, "--quiet", "--command", f'DROP DATABASE IF EXISTS "{name}"'):
        raise StackProblem(
            f"{name} is in use: stop every process of {service} (shanliu stop), then run it again."
        )
    if _run("pg_restore", server, *MADE_ANEW, "--dbname=postgres", str(file)):
        raise StackProblem(
            f"{name} did not come back whole: see what pg_restore says above, and run it again."
        )


def _place(service: str | None) -> URL:
    """Where a service's database is, or the server's own. Raises StackProblem."""
    stack = Running.find()
    admin = parse_url(stack.admin_url)
    if service is None:
        return admin
    if service not in stack.databases:
        known = ", ".join(stack.databases)
        raise StackProblem(f"There is no database of {service!r}; there are {known}.")
    return admin.set(database=parse_url(stack.databases[service]).database)


def _run(program: str, place: URL, *arguments: str) -> int:
    command = [find_programs().path(program), *arguments]
    # a dump has donors' names: it is its owner's alone
    return subprocess.run(command, env=_environment(place), umask=0o077, check=False).returncode


def _database_of(file: Path) -> str | None:
    """The database that a dump was made of; None: it is no dump."""
    command = [find_programs().path("pg_restore"), "--list", str(file)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^;\s+dbname: (.+)$", listed.stdout, re.MULTILINE)
    return found and found.group(1)


def _environment(place: URL) -> dict[str, str]:
    """What a program of PostgreSQL is told: a password among its arguments would be seen by others."""
    return {
        **os.environ,
        "PGHOST": place.host or "",
        "PGPORT": str(place.port or 5432),
        "PGUSER": place.username or "",
        "PGPASSWORD": place.password or "",
        "PGDATABASE": place.database or "",
    }
