"""What partners' webhooks can be watched by. No label names a partner: there may be two hundred."""

from prometheus_client import Counter, Gauge, Histogram

DELIVERIES = Gauge("shanliu_webhook_deliveries", "Deliveries that are not delivered, by state", ["state"])
OLDEST_SECONDS = Gauge(
    "shanliu_webhook_oldest_seconds",
    "Age of the oldest delivery in a state, in seconds; 0: there is none",
    ["state"],
)
ENDPOINTS = Gauge(
    "shanliu_webhook_endpoints", "Endpoints by state: active, slowed, paused, disabled", ["state"]
)
WRITTEN = Counter(
    "shanliu_webhook_written_total", "Deliveries written, by what for: event, replay", ["cause"]
)
ATTEMPTS = Counter("shanliu_webhook_attempts_total", "Calls of partners' endpoints, by outcome", ["outcome"])
ATTEMPT_SECONDS = Histogram(
    "shanliu_webhook_attempt_seconds",
    "Time of one call, from the look at its name to the end of the answer, in seconds",
    buckets=(0.005, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 15),
)
FIRST_ATTEMPT_SECONDS = Histogram(
    "shanliu_webhook_first_attempt_seconds",
    "Time from writing a delivery to the end of its first attempt, in seconds",
    buckets=(0.05, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
)
NOTICES = Counter("shanliu_webhook_notices_total", "Mails to endpoints' owners, by what they tell", ["kind"])
