"""What reconciliation measures. Labels are bounded: channels are registered."""

from prometheus_client import Counter, Gauge

from shared.measured import Measured

MATCHED_RATIO = Gauge(
    "shanliu_reconciliation_matched_ratio",
    "Part of the money of the last 31 days due or billed that agrees with the channel's bills, 0 … 1",
    ["channel"],
)
UNMATCHED_FEN = Gauge(
    "shanliu_reconciliation_unmatched_fen",
    "Money of the last 31 days due or billed that does not agree with the channel's bills (yet), in fen",
    ["channel"],
)
OLDEST_BREAK_SECONDS = Measured(
    "shanliu_reconciliation_oldest_break_seconds", "Age of the oldest open break, in seconds; 0: none is open"
)
OPEN_BREAKS = Gauge("shanliu_reconciliation_open_breaks", "Breaks that nobody has resolved", ["kind"])
BILLS_MISSING = Gauge("shanliu_bills_missing", "Days of the last 31 due whose bill has not come", ["channel"])
LATE_DONATIONS = Counter(
    "shanliu_late_donations_total",
    "Donations that only the bill knew, put on the channel's topic",
    ["channel"],
)
