"""Dashboards: every query asks for what the services expose, and everything is seen on one screen."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Final

import pytest
import yaml

from deploy.grafana.boards import BOARDS, FOLDER, rendered
from deploy.grafana.panels import COLUMNS, MAX_HEIGHT, Board, Panel
from tests.promql import SCRAPED, Checker, as_grafana_asks, series_of_the_code

RULES: Final = Path(__file__).parents[3] / "deploy" / "prometheus" / "recording.yaml"
ALERTS: Final = {"ALERTS": SCRAPED | {"alertname", "alertstate", "severity"}}

UNITS: Final = (
    ("relay_up", "bool_on_off"),
    ("_ratio|:ratio|process_max_fds", "percentunit"),
    ("process_cpu_seconds_total|changes", "short"),
    ("_fen", "currencyCNY"),
    ("_seconds", "s"),
    ("_bytes", "bytes"),
    (r"rate\(|:rate", "cps"),
    ("", "short"),
)
"""What a name or function means; the first that is found."""

PANELS: Final = [(board, panel) for board in BOARDS for _, row in board.rows for panel in row]


@cache
def checker() -> Checker:
    """It knows what the services expose and what is recorded: asked many times, never told more."""
    checker = Checker(series_of_the_code() | ALERTS)
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        for rule in group["rules"]:
            checker.record(rule["record"], rule["expr"])
    return checker


@pytest.mark.parametrize(
    ("board", "panel"), PANELS, ids=[f"{board.uid}: {panel.title}" for board, panel in PANELS]
)
def test_a_panel_asks_for_what_there_is(board: Board, panel: Panel) -> None:
    names = {choice.name for choice in board.choices}
    for expression, legend in panel.queries.items():
        labels = checker().labels(as_grafana_asks(expression))
        assert set(re.findall(r"{{(\w+)}}", legend)) <= labels
        assert legend or not labels, "several lines without a name"
        assert set(re.findall(r"\$(\w+)", expression)) - {"__rate_interval"} <= names
        assert panel.unit == unit_of(expression), expression
    assert panel.about


def unit_of(expression: str) -> str:
    """The unit that follows from the names, so that two panels never show one thing in two units."""
    return next(unit for pattern, unit in UNITS if re.search(pattern, expression))


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_a_board_fits_a_screen_of_1920_by_1080(board: Board) -> None:
    assert sum(height for height, _ in board.rows) <= MAX_HEIGHT
    for _, row in board.rows:
        assert sum(panel.width for panel in row) == COLUMNS
    titles = [panel.title for _, row in board.rows for panel in row]
    assert len(set(titles)) == len(titles)


def test_what_can_be_chosen_is_a_label_that_there_is() -> None:
    series = series_of_the_code()
    for choice in (choice for board in BOARDS for choice in board.choices):
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", choice.query)
        assert found is not None
        assert found[2] in series[found[1]]


def test_the_files_are_what_the_code_says() -> None:
    written = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")}
    assert written == rendered(), "write them anew: make contracts"
    assert len({json.loads(text)["uid"] for text in written.values()}) == len(BOARDS)
