"""What docs/threats.md and docs/personal-data.md name as proof is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("document", ["threats.md", "personal-data.md"])
def test_every_test_that_is_named_is_there(document: str) -> None:
    named = NAMED.findall((ROOT / "docs" / document).read_text("utf-8"))
    assert len(named) >= 4
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (path := ROOT / file).is_file() or (test and f"def {test}(" not in path.read_text("utf-8"))
    ]
    assert missing == []
