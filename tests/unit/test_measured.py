"""What a process does not measure it does not show."""

import subprocess
import sys

from prometheus_client import CollectorRegistry

from shared.measured import Measured

SHOWN_AT_ONCE = """
import services.donation.app
from prometheus_client import REGISTRY
for metric in REGISTRY.collect():
    if metric.type == "gauge" and not metric.name.startswith(("python_", "process_")):
        for sample in metric.samples:
            print(sample.name)
"""


def test_a_gauge_is_shown_from_its_first_value_on() -> None:
    registry = CollectorRegistry()
    age = Measured("age_seconds", "Age; 0: nothing waits", registry)
    assert registry.get_sample_value("age_seconds") is None
    for value in (0.0, 7.0):
        age.set(value)
        assert registry.get_sample_value("age_seconds") == value


def test_a_gauge_that_follows_a_function_is_shown_from_then_on() -> None:
    registry = CollectorRegistry()
    Measured("age_seconds", "Age", registry).set_function(lambda: 3.0)
    assert registry.get_sample_value("age_seconds") == 3.0


def test_a_donation_process_shows_only_what_each_measures_of_itself() -> None:
    """An API process showed `oldest_break_seconds 0.0`, which means that none is open, while only the worker
    looks for breaks.
    """
    command = [sys.executable, "-c", SHOWN_AT_ONCE]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert shown == ["shanliu_intake_in_flight"]
