"""Each service's migrations are one chain: two that follow the same one would stop every start."""

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

CHAINS = sorted(Path("services").glob("*/migrations"))


@pytest.mark.parametrize("place", CHAINS, ids=str)
def test_the_migrations_of_a_service_follow_one_another(place: Path) -> None:
    found = list(ScriptDirectory(str(place)).walk_revisions())
    numbers = [each.revision for each in reversed(found)]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]
    assert [Path(each.path).name[:4] for each in reversed(found)] == numbers
    assert len(found) == len(list((place / "versions").glob("*.py")))
