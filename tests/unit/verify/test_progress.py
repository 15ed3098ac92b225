"""How far a proof is, told while it works: also while one statement of the workbook takes long."""

from collections.abc import Iterator
from io import StringIO

import pytest
from rich.console import Console

from deploy.verify.command import Meter
from deploy.verify.records import IntakeRow
from deploy.verify.workbook import CHECKS, RULES, Evidence, Workbook

ROWS = 200


@pytest.fixture
def workbook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workbook]:
    """With donations enough for a sign of life in the middle of a rule."""
    monkeypatch.setattr("deploy.verify.workbook.TOLD_EVERY", 100)
    with Workbook() as filled:
        filled.add_records(
            IntakeRow("intake.wechat/0", number, "donation", number.to_bytes(16), None, "gala", 100)
            for number in range(ROWS)
        )
        yield filled


def test_each_rule_and_each_check_is_told_also_while_it_works(workbook: Workbook) -> None:
    told: list[tuple[str, int, int]] = []

    def progress(what: str, done: int, total: int) -> None:
        told.append((what, done, total))

    workbook.decide({"intake.wechat/0": ROWS}, progress)
    workbook.breaches(10, progress)
    steps = [(f"rules: {name}", number, len(RULES)) for number, name in enumerate(RULES, 1)]
    steps += [(f"checks: {name}", number, len(CHECKS)) for number, name in enumerate(CHECKS, 1)]
    assert list(dict.fromkeys(told)) == steps
    assert told.count(steps[0]) > 2
    told.clear()
    assert workbook.sums(Evidence.INTAKE, "gala", {"intake.wechat/0": ROWS}).donations == ROWS
    assert told == [], "what is over is told no more"


def test_on_a_file_a_line_says_what_is_being_done_and_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = iter([0.0, 1.0, 2.5, 3.0, 5.0])
    monkeypatch.setattr("deploy.verify.command.time.monotonic", lambda: next(now_s))
    shown = StringIO()
    meter = Meter(Console(file=shown, force_terminal=False, width=100))
    for _ in range(4):
        meter("rules: each donation once", 1, 5)
    lines = [line.rstrip() for line in shown.getvalue().splitlines()]
    assert lines == ["  2 s: rules: each donation once 1 of 5", "  5 s: rules: each donation once 1 of 5"]
