"""Rules and scrape configurations: what they ask for exists, and promtool's own tests of them pass."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.cli import VERIFIER_PORT
from deploy.local import layout, services
from deploy.metrics import metrics
from tests.promql import Checker, series_of_the_code

ROOT: Final = Path(__file__).parents[3]
PROMETHEUS: Final = ROOT / "deploy" / "prometheus"
RUNBOOKS: Final = (ROOT / "docs" / "operations.md").read_text("utf-8")


def rules(name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / name).read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS: Final = rules("alerts.yaml")


@cache
def checker() -> Checker:
    """It knows what the services expose and what is recorded: asked many times, never told more."""
    checker = Checker(series_of_the_code())
    for rule in rules("recording.yaml"):
        checker.record(rule["record"], rule["expr"])
    return checker


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_asks_for_what_there_is_and_says_what_to_do(alert: dict[str, Any]) -> None:
    labels = checker().labels(alert["expr"])
    told = alert["annotations"]
    assert set(told) == {"summary", "description", "runbook"}
    for text in told.values():
        assert set(re.findall(r"\$labels\.(\w+)", text)) <= labels
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert told["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"
    assert RUNBOOKS.count(f"\n### {alert['alert']}\n") == 1


def test_every_runbook_has_its_alert_and_says_what_where_how_and_whom() -> None:
    written = re.findall(r"\n### (\w+)\n(.*?)(?=\n##|\Z)", RUNBOOKS, re.DOTALL)
    names = [alert["alert"] for alert in ALERTS]
    assert [name for name, _ in written] == names
    for name, text in written:
        for part in ("**Means.**", "**Look.**", "**Do.**", "**Wake.**"):
            assert text.count(part) == 1, f"{name}: {part}"


def test_every_alert_has_been_seen_firing_by_promtool() -> None:
    tests = "".join(path.read_text("utf-8") for path in sorted(PROMETHEUS.glob("*_test.yaml")))
    for alert in ALERTS:
        assert f'exp_samples: [{{ labels: \'ALERTS{{alertname="{alert["alert"]}"' in tests, alert["alert"]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian: package prometheus) is not here")
@pytest.mark.parametrize("name", ["alerts_test.yaml", "days_test.yaml"])
def test_the_rules_pass_promtools_tests(name: str, tmp_path: Path) -> None:
    wanted = yaml.safe_load((PROMETHEUS / name).read_text("utf-8"))
    told = len(wanted["tests"])
    wanted["tests"] = together(wanted["tests"])
    assert len(wanted["tests"]) < told
    wanted["rule_files"] = [str(PROMETHEUS / each) for each in wanted["rule_files"]]
    (tmp_path / name).write_text(yaml.safe_dump(wanted), "utf-8")
    done = subprocess.run(
        ["promtool", "test", "rules", name], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def together(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """These tests as fewer: those that share no metric, neither given nor asked for by their alerts, see
    nothing of each other. For each test promtool asks all rules at all times, which is all its work.
    """
    merged: list[tuple[set[str], dict[str, Any]]] = []
    for test in sorted(tests, key=lambda test: max(map(eval_s, test["promql_expr_test"])), reverse=True):
        mine = metrics_of(test)
        for known, other in merged:
            if mine.isdisjoint(known) and other["interval"] == test["interval"]:
                known.update(mine)
                other["input_series"] += test["input_series"]
                other["promql_expr_test"] += test["promql_expr_test"]
                break
        else:
            merged.append((mine, test))
    return [test for _, test in merged]


def eval_s(asked: dict[str, Any]) -> int:
    seconds = {"h": 3600, "m": 60, "s": 1}
    return sum(int(count) * seconds[unit] for count, unit in re.findall(r"(\d+)([hms])", asked["eval_time"]))


def metrics_of(test: dict[str, Any]) -> set[str]:
    """What is given, and what the alerts that are asked about ask for; all there is, when none is named."""
    given = {each["series"].partition("{")[0] for each in test["input_series"]}
    named = [re.findall(r'alertname="(\w+)"', each["expr"]) for each in test["promql_expr_test"]]
    if not all(named):
        return {*series_of_the_code()}
    asked = [alert["expr"] for alert in ALERTS if [alert["alert"]] in named]
    recorded = {rule["record"]: rule["expr"] for rule in rules("recording.yaml")}
    asked += [expression for name, expression in recorded.items() if any(name in each for each in asked)]
    return given.union(*(re.findall(r"\b(?:shanliu|up|process)\w*", each) for each in asked))


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus.local.yml"])
def test_every_process_is_scraped_under_its_name(name: str) -> None:
    config = yaml.safe_load((PROMETHEUS / name).read_text("utf-8"))
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs.keys() == services.BY_NAME.keys() | {"verifier"}
    ports = layout.Ports.from_base(layout.DEFAULT_PORT_BASE).named()
    for job, found in jobs.items():
        if name == "prometheus.local.yml":
            port = VERIFIER_PORT if job == "verifier" else ports[services.BY_NAME[job].port_name]
            assert found["static_configs"] == [{"targets": [f"127.0.0.1:{port}"]}]
        else:
            assert found["dns_sd_configs"][0]["names"] == [job]
    assert config["rule_files"] == ["recording.yaml", "alerts.yaml"]


def test_a_query_for_what_there_is_not_is_found() -> None:
    for wrong in (
        "shanliu_no_such_metric",
        "sum by (campaign) (shanliu_consumer_lag_records)",
        'shanliu_ready{pool="x"}',
        "shanliu_ready / shanliu_desk_unsent",
        "histogram_quantile(0.99, rate(shanliu_batch_records_sum[1m]))",
    ):
        with pytest.raises(Exception, match=r"exposes|no label|never meet"):
            checker().labels(wrong)
    assert len(metrics()) > 50
