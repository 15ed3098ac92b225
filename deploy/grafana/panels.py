"""The forms of a dashboard, and what Grafana calls them (its JSON model, schema version 39: Grafana 10.4 on).

A board is rows of panels that fill 24 columns and, on a screen of 1920×1080, are seen without scrolling.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

COLUMNS: Final = 24
MAX_HEIGHT: Final = 25
"""Grid rows of 38 px below the header and the variables, on 1080 lines."""
SOURCE: Final = {"type": "prometheus", "uid": "${source}"}

GREEN: Final = "green"
AMBER: Final = "#EAB839"
RED: Final = "red"

Unit = Literal["s", "short", "cps", "percentunit", "bytes", "currencyCNY", "bool_on_off"]


@dataclass(frozen=True, slots=True)
class Limits:
    """From where a value is amber and red. `falling`: a value below them is."""

    amber: float | None = None
    red: float | None = None
    falling: bool = False

    def steps(self) -> list[dict[str, Any]]:
        """Grafana's steps: the first has no value, each holds from its value upwards."""
        if self.falling:
            low = [(RED, None), (AMBER, self.red), (GREEN, self.amber)]
            return [
                {"color": color, "value": value} for color, value in low if color == RED or value is not None
            ]
        rising = [(AMBER, self.amber), (RED, self.red)]
        first: list[dict[str, Any]] = [{"color": GREEN, "value": None}]
        return first + [{"color": color, "value": value} for color, value in rising if value is not None]


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `queries` are PromQL and the legend of each; `{{label}}` stands for a label's value."""

    title: str
    about: str
    queries: Mapping[str, str]
    unit: Unit
    limits: Limits = field(default_factory=Limits)
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8
    stacked: bool = False

    def json(self, number: int, x: int, y: int, height: int) -> dict[str, Any]:
        """The panel at its place."""
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": height},
            "targets": [
                {
                    "refId": chr(ord("A") + place),
                    "datasource": SOURCE,
                    "expr": expression,
                    "legendFormat": legend,
                    "instant": self.kind == "stat",
                    "range": self.kind != "stat",
                }
                for place, (expression, legend) in enumerate(self.queries.items())
            ],
            "fieldConfig": {"defaults": self._field(), "overrides": []},
            "options": self._options(),
        }

    def _field(self) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "unit": self.unit,
            "min": 0,
            "noValue": "-",
            "color": {"mode": "thresholds" if self.kind == "stat" else "palette-classic"},
            "thresholds": {"mode": "absolute", "steps": self.limits.steps()},
        }
        if self.kind == "timeseries":
            limited = self.limits.red is not None or self.limits.amber is not None
            defaults["custom"] = {
                "lineWidth": 2,
                "fillOpacity": 25 if self.stacked else 5,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "normal" if self.stacked else "none"},
                "thresholdsStyle": {"mode": "dashed" if limited else "off"},
            }
        return defaults

    def _options(self) -> dict[str, Any]:
        if self.kind == "stat":
            return {
                "colorMode": "background",
                "graphMode": "none",
                "textMode": "auto",
                "reduceOptions": {"calcs": ["lastNotNull"], "values": False},
            }
        return {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


@dataclass(frozen=True, slots=True)
class Choice:
    """A variable at the top, chosen from a label's values; all of them at first."""

    name: str
    label: str
    query: str

    def json(self) -> dict[str, Any]:
        """The variable."""
        return {
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": self.query, "refId": self.name},
            "definition": self.query,
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "sort": 1,
            "current": {"text": ["All"], "value": ["$__all"]},
        }


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. `rows` are their heights and panels."""

    uid: str
    title: str
    about: str
    rows: Sequence[tuple[int, Sequence[Panel]]]
    choices: Sequence[Choice] = ()
    span: str = "now-1h"

    def json(self) -> dict[str, Any]:
        """What Grafana reads."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["shanliu"],
            "schemaVersion": 39,
            "version": 1,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "Asia/Shanghai",
            "refresh": "5s",
            "time": {"from": self.span, "to": "now"},
            "links": [
                {
                    "type": "dashboards",
                    "tags": ["shanliu"],
                    "title": "Shanliu",
                    "asDropdown": False,
                    "keepTime": True,
                    "includeVars": False,
                }
            ],
            "annotations": {
                "list": [
                    {
                        "name": "Critical alerts",
                        "enable": True,
                        "iconColor": RED,
                        "datasource": SOURCE,
                        "expr": 'ALERTS{alertstate="firing", severity="critical"}',
                        "titleFormat": "{{alertname}}",
                    }
                ]
            },
            "templating": {
                "list": [
                    {"name": "source", "label": "Source", "type": "datasource", "query": "prometheus"},
                    *(choice.json() for choice in self.choices),
                ]
            },
            "panels": self._panels(),
        }

    def _panels(self) -> list[dict[str, Any]]:
        placed: list[dict[str, Any]] = []
        y = 0
        for height, panels in self.rows:
            x = 0
            for panel in panels:
                placed.append(panel.json(len(placed) + 1, x, y, height))
                x += panel.width
            y += height
        return placed
