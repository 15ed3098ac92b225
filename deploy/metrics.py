"""Every metric of the four services, and the bound of every label: `python -m deploy.metrics` writes it to
docs/metrics.md (part of `make contracts`).

A label is a promise that its values stay few: each value is a time series that Prometheus keeps. A bound
stands here for each, with what holds it; a label that is missing here fails the build.
"""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from deploy.local.layout import DATABASES
from shared.measured import Measured

ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = ROOT / "docs" / "metrics.md"

MADE: Final = re.compile(r'\b(?:Counter|Gauge|Histogram|Measured)\(\s*"(shanliu_\w+)"')
"""How the making of a metric looks in a source."""

VERIFIER: Final = "shanliu verifier"
MAX_CHANNELS: Final = 200
MAX_TOPICS: Final = MAX_CHANNELS + 8
"""One for each channel, and those of deploy/topics.yaml."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How many values a label has at most, and what holds it to that."""

    values: int
    why: str


LABELS: Final[dict[str, Bound]] = {
    "channel": Bound(
        MAX_CHANNELS,
        "planned for: channels are registered by an administrator, all others count as `unknown`",
    ),
    "topic": Bound(MAX_TOPICS, "deploy/topics.yaml, and one for each registered channel"),
    "group": Bound(7, "the consumer groups of shared/broker.py"),
    "part": Bound(12, "parts are named in the code"),
    "pool": Bound(16, "one for each engine that an app.py makes"),
    "command": Bound(250, "commands are named in the code"),
    "status": Bound(16, "HTTP statuses that the code answers with"),
    "outcome": Bound(32, "a list in the code"),
    "verdict": Bound(3, "applied, repeated, out_of_order"),
    "reason": Bound(256, "a list in the code, or an SMTP reply code of three digits (RFC 5321, 4.2)"),
    "kind": Bound(12, "a list in the code"),
    "stage": Bound(12, "the stages of services/campaign/pledges/rules.py"),
    "state": Bound(8, "states are an enumeration"),
    "arrived": Bound(2, "yes, no"),
    "cause": Bound(2, "event, replay"),
    "service": Bound(4, "the services that the console calls"),
    "why": Bound(4, "left, slow, stopped, refused"),
}

PREFACE: Final = """\
# Metrics

What `GET /metrics` of the services tells Prometheus. Written from the code by `make contracts`.

Names begin with `shanliu_` and end in their unit: seconds, fen (1/100 CNY), ratio (0 … 1); a counter in
`_total`, a point of time in `_timestamp_seconds`. A number without a unit counts what it names. A histogram
has the series `_bucket` (label `le`), `_count` and `_sum`. Every process also has the client library's
`process_*` and `python_*`. The console has no Kafka, and none of the metrics of topics and batches.

No label has a person's data, a campaign, a donation or a partner: their number has no bound."""

KINDS: Final = (Counter, Gauge, Histogram, Measured)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. `name` is the one that queries use: a counter's ends in _total. `measured`: it is shown
    from its first value on, and only by the process that measures it.
    """

    owner: str
    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    measured: bool

    @property
    def series(self) -> frozenset[str]:
        """The names that stand in a scrape."""
        if self.kind != "histogram":
            return frozenset({self.name})
        return frozenset(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))


@cache
def metrics() -> tuple[Metric, ...]:
    """All families, by who exposes them and in the order of the code, which is read once (0.13 s)."""
    services = [(service, ROOT / "services" / service) for service in DATABASES]
    owners = [("Every process", ROOT / "shared"), *services, (VERIFIER, ROOT / "deploy" / "verify")]
    return tuple(metric for owner, folder in owners for metric in _metrics_of(owner, folder))


def _metrics_of(owner: str, folder: Path) -> Iterator[Metric]:
    for path in sorted(folder.rglob("*.py")):
        if MADE.search(path.read_text("utf-8")):
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            yield from (_metric(owner, value) for value in vars(module).values() if type(value) in KINDS)


def _metric(owner: str, made: Counter | Gauge | Histogram) -> Metric:
    family = next(iter(made.describe()))
    suffix = "_total" if family.type == "counter" else ""
    labels = tuple(made._labelnames)  # noqa: SLF001 - the library tells them nowhere else
    measured = isinstance(made, Measured)
    return Metric(owner, family.name + suffix, family.type, family.documentation, labels, measured)


def rendered() -> str:
    """docs/metrics.md."""
    lines = [PREFACE]
    owner = ""
    for metric in metrics():
        if metric.owner != owner:
            owner = metric.owner
            lines += [
                "",
                f"## {owner}",
                "",
                "| metric | type | labels | meaning |",
                "| --- | --- | --- | --- |",
            ]
        labels = ", ".join(metric.labels) or "-"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    lines += ["", "## Labels", "", "| label | values at most | what holds it |", "| --- | ---: | --- |"]
    lines += [f"| {name} | {bound.values} | {bound.why} |" for name, bound in sorted(LABELS.items())]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(), encoding="utf-8")
