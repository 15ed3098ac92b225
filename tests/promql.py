"""What a PromQL expression asks for: checked against the metrics that the code makes and their labels.

The parser judges the grammar and the types; here it is judged whether each name exists, whether a label
that is matched, grouped or printed is one of that metric's, and whether two sides can ever meet.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import promql_parser as promql

from deploy.metrics import metrics

Labels = frozenset[str]

SCRAPED: Final = frozenset({"job", "instance"})
NEITHER: Final[Labels] = frozenset()
FOREIGN: Final[dict[str, Labels]] = dict.fromkeys(
    (
        "up",
        "process_start_time_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
    ),
    SCRAPED,
)
"""Prometheus' own, and the client library's."""


def as_grafana_asks(expression: str) -> str:
    """A panel's expression, with every choice open."""
    return re.sub(r"\$(job|channel)\b", ".*", expression.replace("$__rate_interval", "1m"))


class WrongQuery(Exception):
    """The expression asks for what there is not."""


def series_of_the_code() -> dict[str, Labels]:
    """Every series of a scrape, with its labels."""
    found = dict(FOREIGN)
    for metric in metrics():
        for name in metric.series:
            le = {"le"} if name.endswith("_bucket") else set[str]()
            found[name] = SCRAPED | set(metric.labels) | le
    return found


class Checker:
    """Knows all series, and the recorded ones as soon as they were told."""

    def __init__(self, series: Mapping[str, Labels]) -> None:
        self._series = dict(series)

    def record(self, name: str, expression: str) -> None:
        """Take a recording rule; its labels are those of its expression."""
        self._series[name] = self.labels(expression)

    def labels(self, expression: str) -> Labels:
        """The labels of what the expression gives. Raises WrongQuery, and ValueError of the parser."""
        return self._of(promql.parse(expression)) or NEITHER

    def _of(self, node: Any) -> Labels | None:
        """None for a scalar."""
        kinds: dict[type, Callable[[Any], Labels | None]] = {
            promql.VectorSelector: self._selector,
            promql.MatrixSelector: lambda matrix: self._selector(matrix.vector_selector),
            promql.SubqueryExpr: lambda outer: self._of(outer.expr),
            promql.ParenExpr: lambda outer: self._of(outer.expr),
            promql.UnaryExpr: lambda outer: self._of(outer.expr),
            promql.AggregateExpr: self._aggregate,
            promql.BinaryExpr: self._binary,
            promql.Call: self._call,
            promql.NumberLiteral: lambda _: None,
            promql.StringLiteral: lambda _: None,
        }
        return kinds[type(node)](node)

    def _selector(self, selector: promql.VectorSelector) -> Labels:
        name = selector.name
        if name is None or name not in self._series:
            raise WrongQuery(f"no service exposes {name}")
        self._known({matcher.name for matcher in selector.matchers.matchers}, self._series[name], name)
        return self._series[name]

    def _aggregate(self, node: promql.AggregateExpr) -> Labels:
        inner = self._of(node.expr) or NEITHER
        if node.modifier is None:
            return NEITHER
        named = frozenset(node.modifier.labels)
        self._known(named, inner, str(node))
        return named if node.modifier.type == promql.AggModifierType.By else inner - named

    def _binary(self, node: promql.BinaryExpr) -> Labels | None:
        left, right = self._of(node.lhs), self._of(node.rhs)
        if left is None or right is None:
            return right if left is None else left
        modifier = node.modifier
        matching = modifier.matching if modifier else None
        if matching is not None:
            named = frozenset(matching.labels)
            self._known(named, left & right, str(node))
            if matching.type == promql.LabelModifierType.Exclude:
                named = left - named
            return left if modifier and modifier.card != promql.VectorMatchCardinality.OneToOne else named
        if str(node.op) == "or":
            return left & right
        if left != right:
            raise WrongQuery(f"never meet: {sorted(left)} and {sorted(right)} in {node.prettify()}")
        return left

    def _call(self, node: promql.Call) -> Labels | None:
        name = node.func.name
        if name in {"absent", "absent_over_time"}:
            self._of(node.args[0])
            return frozenset(
                matcher.name
                for matcher in getattr(node.args[0], "matchers", promql.Matchers([])).matchers
                if matcher.op == promql.MatchOp.Equal
            )
        if name in {"time", "scalar"}:
            return None
        if name == "vector":
            return NEITHER
        found = [labels for labels in map(self._of, node.args) if labels is not None]
        if name == "histogram_quantile":
            self._known({"le"}, found[0], name)
            return found[0] - {"le"}
        return found[0]

    @staticmethod
    def _known(named: set[str] | Labels, labels: Labels, where: str) -> None:
        if missing := named - labels:
            raise WrongQuery(f"{sorted(missing)} is no label of {where}, which has {sorted(labels)}")
