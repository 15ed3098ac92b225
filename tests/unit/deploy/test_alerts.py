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
def test_the_rules_pass_promtools_tests(name: str) -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", name], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


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
    assert len(list(metrics())) > 50
