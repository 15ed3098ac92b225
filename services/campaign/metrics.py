"""What the campaign service counts. Names end in their unit; no label takes a value from a request."""

from typing import Final

from prometheus_client import Counter, Histogram

BATCH_SECONDS: Final = Histogram(
    "shanliu_campaign_batch_seconds",
    "Time of one batch of donation events, from its first statement to its commit, in seconds",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
THRESHOLDS_REACHED: Final = Counter(
    "shanliu_campaign_thresholds_reached_total", "Goals and milestones that were announced", ["kind"]
)
PLEDGES_DUE: Final = Counter(
    "shanliu_campaign_pledges_due_total",
    "Pledges announced as due, by how long before or after their due date",
    ["stage"],
)
