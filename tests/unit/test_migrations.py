"""Each service's migrations are one line: every revision once, one after the other."""

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

SERVICES = Path(__file__).parents[2] / "services"


@pytest.mark.parametrize("service", ["campaign", "console", "donation", "notification", "reporting"])
def test_the_migrations_of_a_service_follow_each_other(service: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(SERVICES / service / "migrations"))
    line = [each.revision for each in ScriptDirectory.from_config(config).walk_revisions()]
    files = sorted((SERVICES / service / "migrations" / "versions").glob("[0-9]*.py"))
    assert line[::-1] == [path.name[:4] for path in files], "renumber the one that came later"
