"""Metrics: named by Prometheus' practice, told in words, and every label bounded."""

import re
from pathlib import Path

import pytest

from deploy.metrics import DOCUMENT, LABELS, Metric, metrics, rendered

ROOT = Path(__file__).parents[3]
COUNTED = {"batch_records"}
"""Histograms of a number and not of a quantity with a unit."""
ALL = list(metrics())


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_metric_has_a_unit_in_its_name_words_and_bounded_labels(metric: Metric) -> None:
    assert re.fullmatch(r"shanliu_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.kind == "histogram" and not metric.name.endswith(tuple(COUNTED)):
        assert metric.name.endswith("_seconds")
    for unit in ("seconds", "fen"):
        if re.search(rf"\b{unit}\b", metric.help):
            assert metric.name.endswith(f"_{unit}"), "its words say a unit and its name does not"
        if metric.name.endswith(f"_{unit}"):
            assert re.search(rf"\b{unit}\b", metric.help), "its words do not say its unit"
    assert len(metric.help) > 15
    assert not metric.help.endswith(".")
    assert not {"campaign", "campaign_id", "donation", "partner", "endpoint", "le"} & set(metric.labels)
    assert set(metric.labels) <= LABELS.keys(), "a label without a bound"


def test_no_metric_is_missing_from_the_list() -> None:
    made = set()
    for package in ("services", "shared", "deploy/verify"):
        for path in (ROOT / package).rglob("*.py"):
            source = path.read_text("utf-8")
            made |= set(re.findall(r'(?:Counter|Gauge|Histogram|Measured|Summary|Info)\(\s*"(\w+)"', source))
    assert made == {metric.name for metric in ALL}, "made where deploy/metrics.py does not look"


def test_every_bound_is_of_a_label_that_there_is() -> None:
    assert {label for metric in ALL for label in metric.labels} == set(LABELS)


def test_the_document_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text("utf-8") == rendered(), "write it anew: make contracts"
