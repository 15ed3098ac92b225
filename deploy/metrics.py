"""Every metric of the four services, and the bound of every label: `python -m deploy.metrics` writes it to
docs/metrics.md (part of `make contracts`).

A label is a promise that its values stay few: each value is a time series that Prometheus keeps. A bound
stands here for each, with what holds it; a label that is missing here fails the build.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

import services.campaign.metrics
import services.donation.desk.sending
import services.donation.metrics
import services.donation.reconciliation.metrics
import services.notification.metrics
import services.notification.partners.metrics
import services.reporting.lag
import services.reporting.metrics
import shared.broker
import shared.consumer
import shared.database
import shared.dead_letters
import shared.outbox
import shared.positions
import shared.run_once
import shared.service

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "metrics.md"

MODULES: Final[dict[str, tuple[ModuleType, ...]]] = {
    "Every process": (
        shared.service,
        shared.database,
        shared.broker,
        shared.consumer,
        shared.dead_letters,
        shared.positions,
        shared.outbox,
        shared.run_once,
    ),
    "donation": (
        services.donation.metrics,
        services.donation.desk.sending,
        services.donation.reconciliation.metrics,
    ),
    "campaign": (services.campaign.metrics,),
    "notification": (services.notification.metrics, services.notification.partners.metrics),
    "reporting": (services.reporting.metrics, services.reporting.lag),
}
"""Where metrics are made, by who exposes them."""

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
    "part": Bound(8, "parts are named in the code"),
    "pool": Bound(8, "one for each engine that an app.py makes"),
    "command": Bound(150, "commands are named in the code"),
    "status": Bound(16, "HTTP statuses that the code answers with"),
    "outcome": Bound(32, "a list in the code"),
    "verdict": Bound(3, "applied, repeated, out_of_order"),
    "reason": Bound(256, "a list in the code, or an SMTP reply code of three digits (RFC 5321, 4.2)"),
    "kind": Bound(12, "a list in the code"),
    "stage": Bound(12, "the stages of services/campaign/pledges/rules.py"),
    "state": Bound(8, "states are an enumeration"),
    "cause": Bound(2, "event, replay"),
    "why": Bound(4, "left, slow, stopped, refused"),
}

PREFACE: Final = """\
# Metrics

What `GET /metrics` of the services tells Prometheus. Written from the code by `make contracts`.

Names begin with `shanliu_` and end in their unit: seconds, fen (1/100 CNY), ratio (0 … 1); a counter in
`_total`, a point of time in `_timestamp_seconds`. A number without a unit counts what it names. A histogram
has the series `_bucket` (label `le`), `_count` and `_sum`. Every process also has the client library's
`process_*` and `python_*`.

No label has a person's data, a campaign, a donation or a partner: their number has no bound."""

KINDS: Final = (Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. `name` is the one that queries use: a counter's ends in _total."""

    owner: str
    name: str
    kind: str
    help: str
    labels: tuple[str, ...]

    @property
    def series(self) -> frozenset[str]:
        """The names that stand in a scrape."""
        if self.kind != "histogram":
            return frozenset({self.name})
        return frozenset(f"{self.name}_{part}" for part in ("bucket", "count", "sum"))


def metrics() -> Iterator[Metric]:
    """All families, by owner and in the order of the code."""
    for owner, modules in MODULES.items():
        for module in modules:
            for value in vars(module).values():
                if type(value) in KINDS:
                    yield _metric(owner, value)


def _metric(owner: str, made: Counter | Gauge | Histogram) -> Metric:
    family = next(iter(made.describe()))
    suffix = "_total" if family.type == "counter" else ""
    labels = tuple(made._labelnames)  # noqa: SLF001 - the library tells them nowhere else
    return Metric(owner, family.name + suffix, family.type, family.documentation, labels)


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
