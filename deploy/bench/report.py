"""Figures, their goals, and how they are shown: a table for people, one JSON object for programs."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `goal` None: shown for orientation only."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    better: Better = "higher"
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


@dataclass(slots=True)
class Result:
    """What one benchmark found. `wrong`: what was not as it must be whatever the speed (empty: correct)."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def correct(self) -> bool:
        """True when every number came out to the fen."""
        return not self.wrong

    def as_json(self) -> dict[str, Any]:
        """The result as one JSON object."""
        figures = {
            each.name: {k: v for k, v in asdict(each).items() if k != "name"} | {"met": each.met}
            for each in self.figures
        }
        return {
            "correct": self.correct,
            "figures": figures,
            "wrong": self.wrong,
            "notes": self.notes,
            "details": self.details,
        }


def show(console: Console, results: Sequence[Result], machine: Mapping[str, Any]) -> None:
    """Print the results as a table."""
    title = "{cores} cores, {memory_gb} GB, {cpu}, Python {python}".format(**machine)
    table = Table(title=title, title_justify="left", title_style="dim", box=None, padding=(0, 1))
    for heading in ("", "figure"):
        table.add_column(heading, no_wrap=True)
    for heading in ("measured", "goal"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for result in results:
        for index, figure in enumerate(result.figures):
            table.add_row(
                result.name if index == 0 else "",
                figure.name,
                f"{_digits(figure.value)} {figure.unit}",
                _goal(figure),
                {True: "[green]met[/]", False: "[red]missed[/]", None: "[dim]-[/]"}[figure.met]
                + (f" [dim]{figure.note}[/]" if figure.note else ""),
            )
        verdict = "[green]exact[/]" if result.correct else "[bold red]WRONG[/]"
        table.add_row("", "totals to the fen", verdict, "", "")
    console.print(table)
    for result in results:
        for line in result.wrong:
            console.print(f"[red]{result.name}: {line}[/]")
        for line in result.notes:
            console.print(f"[dim]{result.name}: {line}[/]")


def _digits(value: float) -> str:
    value = float(value)
    return f"{value:,.0f}" if abs(value) >= 100 or value.is_integer() else f"{value:.2f}"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{'≥' if figure.better == 'higher' else '≤'} {_digits(figure.goal)}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` (0 … 1) of the sorted values lie; nan of none."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ratio_with_spread(ours: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Ratio of the medians, and the smallest and largest ratio of two runs that stood side by side."""
    pairs = [one / other for one, other in zip(ours, others, strict=True)]
    return statistics.median(ours) / statistics.median(others), min(pairs), max(pairs)
