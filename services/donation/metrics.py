"""What the donation service measures. Labels are bounded: channels are registered, outcomes are listed."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from shared.measured import Measured

REQUESTS = Counter(
    "shanliu_intake_requests_total", "Donations and reversals offered over HTTP", ["channel", "status"]
)
REQUEST_SECONDS = Histogram(
    "shanliu_intake_request_seconds",
    "From the handler's start to the broker's acknowledgement, in seconds",
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 3),
)
NOTICES = Counter(
    "shanliu_notices_total",
    "Notices of payment companies: donation, refund, no-money, or the code of why it was not taken",
    ["channel", "outcome"],
)
IN_FLIGHT = Gauge("shanliu_intake_in_flight", "Donations waiting for the broker's acknowledgement")
OUTCOMES = Counter(
    "shanliu_intake_records_total",
    "Records read from the intake topics: received, held, replayed, repeated, conflicted, released, reversed,"
    " waiting, decided, refused, dead",
    ["channel", "outcome"],
)
BATCH_SECONDS = Histogram(
    "shanliu_intake_batch_seconds",
    "One batch of intake records, by its part: book (database), publish (broker), in seconds",
    ["part"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)
RECORD_AGE = Measured(
    "shanliu_intake_record_age_seconds",
    "Age of the oldest record of the last batch when it was booked, in seconds",
)
DONATION_STATES: Final = ("unknown", "held", "refused", "received")
REVERSALS_WAITING = Gauge(
    "shanliu_reversals_waiting",
    f"Reversals that wait, by how their donation stands: {', '.join(DONATION_STATES)}",
    ["state"],
)
REVERSALS_OLDEST = Gauge(
    "shanliu_reversals_oldest_waiting_seconds",
    "Age of the oldest reversal that waits, by how its donation stands, in seconds; 0: none",
    ["state"],
)
RELEASES_ASKED = Counter(
    "shanliu_releases_asked_total", "Held donations and waiting reversals asked to go on"
)
