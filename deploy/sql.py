"""`shanliu sql`: psql on the PostgreSQL of the stack that runs here."""

import os
import subprocess

from deploy.local.databases import parse_url
from deploy.local.postgres_programs import find_programs
from deploy.local.problems import StackProblem
from deploy.local.running import Running


def psql(service: str | None, command: str | None) -> int:
    """Talk to a service's database, or the server's own, as its administrator; psql's exit code. Raises
    StackProblem.
    """
    stack = Running.find()
    admin = parse_url(stack.admin_url)
    if service is not None:
        if service not in stack.databases:
            known = ", ".join(stack.databases)
            raise StackProblem(f"There is no database of {service!r}; there are {known}.")
        admin = admin.set(database=parse_url(stack.databases[service]).database)
    place = {
        "PGHOST": admin.host or "",
        "PGPORT": str(admin.port or 5432),
        "PGUSER": admin.username or "",
        "PGPASSWORD": admin.password or "",
        "PGDATABASE": admin.database or "",
    }
    asked = [find_programs().path("psql"), *([] if command is None else ["--command", command])]
    return subprocess.run(asked, env={**os.environ, **place}, check=False).returncode
