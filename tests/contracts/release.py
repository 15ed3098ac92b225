"""Keeps what this release has promised: `python -m tests.contracts.release`, at a release only.

Every service's API, and how far its database's migrations go: what the next release may not take away.
"""

import json
import subprocess
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.script import ScriptDirectory

from deploy.local.layout import DATABASES
from deploy.local.processes import SOURCE
from tests.contracts.breaking_api import write_release
from tests.contracts.documents import SERVICES, openapi
from tests.contracts.test_breaking_api import RELEASED

MIGRATIONS: Final = Path(__file__).with_name("released_migrations.json")


def commit_before() -> str:
    """The commit of the release before."""
    commit: str = json.loads(MIGRATIONS.read_text("utf-8"))["commit"]
    return commit


def write_migrations() -> None:
    """Write the commit that is checked out as the released one, and each database's version there."""
    heads = {}
    for service in DATABASES:
        config = Config()
        config.set_main_option("script_location", str(SOURCE / "services" / service / "migrations"))
        heads[service] = ScriptDirectory.from_config(config).get_current_head()
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=SOURCE, check=True, capture_output=True, text=True
    ).stdout.strip()
    MIGRATIONS.write_text(json.dumps({"commit": commit, "heads": heads}, indent=2) + "\n", "utf-8")


def main() -> None:
    """Write the released form of every service's API and database."""
    RELEASED.mkdir(exist_ok=True)
    for service in SERVICES:
        write_release(openapi(service), RELEASED / f"{service}.json")
    write_migrations()


if __name__ == "__main__":
    main()
