"""What this service can be watched by. No label ever holds a person's data."""

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Gauge("shanliu_notification_messages", "Messages that did not arrive (yet), by state", ["state"])
OLDEST_SECONDS = Gauge(
    "shanliu_notification_oldest_seconds",
    "Age of the oldest message in a state, in seconds; 0: there is none",
    ["state"],
)
CONTACTS = Gauge("shanliu_notification_contacts", "Contacts held; each is deleted after seven days at most")
ATTEMPTS = Counter("shanliu_notification_attempts_total", "Attempts to send a mail, by outcome", ["outcome"])
ATTEMPT_SECONDS = Histogram(
    "shanliu_notification_attempt_seconds",
    "Time from the claim of a message to the mail server's answer, in seconds",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 600),
)
RELAY_UP = Gauge("shanliu_notification_relay_up", "1 while the mail server takes connections and the login")
RELAY_FAILURES = Counter(
    "shanliu_notification_relay_failures_total",
    "Connections to the mail server that failed, by reason",
    ["reason"],
)
SMS_REPORTS = Counter(
    "shanliu_notification_sms_reports_total",
    "Companies' reports of short messages, by whether the handset got it: yes, no",
    ["arrived"],
)
