"""What .ci/audit makes of the answers: a vulnerability fails, and what was not looked at is never called
clean.
"""

from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

import pytest

AUDIT = Path(__file__).resolve().parents[2] / ".ci" / "audit"
CLEAN: dict[str, Any] = {"name": "aiokafka", "version": "1.0", "vulns": []}
BAD: dict[str, Any] = {"name": "h11", "version": "0.1", "vulns": [{"id": "PYSEC-2027-1"}]}
SKIPPED: dict[str, Any] = {"name": "ours", "skip_reason": "not found"}


@pytest.fixture(scope="module")
def audit() -> Any:
    loader = SourceFileLoader("audit", str(AUDIT))
    spec = spec_from_loader("audit", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("answers", "says", "code"),
    [
        ([[CLEAN], [CLEAN]], "1 packages looked at, 0 with", 0),
        ([[CLEAN, BAD], None], "VULNERABLE h11 0.1: PYSEC-2027-1", 1),
        ([[CLEAN, SKIPPED]], "NOT LOOKED AT, the service does not know them: ours", 0),
        ([[SKIPPED], [SKIPPED]], "NOT DONE", 0),
        ([None, None], "NOT DONE", 0),
    ],
    ids=["clean", "vulnerable", "partly", "nothing known", "no answer"],
)
def test_the_verdict_says_what_was_seen(audit: Any, answers: Any, says: str, code: int) -> None:
    lines, found = audit.found(answers)
    assert any(line.startswith(says) for line in lines), lines
    assert found == code
    assert ("looked at, " in lines[-1]) == (says != "NOT DONE")
