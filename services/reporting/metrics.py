"""What the reporting service measures of itself."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_LAG_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60)

COUNTED_LAG_SECONDS: Final = Histogram(
    "shanliu_reporting_counted_lag_seconds",
    "From a donation's received_at to the commit that counts it, for the oldest donation of each batch, in"
    " seconds; donations released from hold are left out",
    buckets=_LAG_BUCKETS,
)
BATCH_SECONDS: Final = Histogram(
    "shanliu_reporting_batch_seconds",
    "Time to count one batch of events and commit it, in seconds",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
UNUSABLE_EVENTS: Final = Counter(
    "shanliu_reporting_unusable_events_total", "Records on event topics that broke the contract"
)
TOTALS_PUBLISHED: Final = Counter(
    "shanliu_reporting_totals_published_total", "States of campaigns published to the topic totals"
)
TOTALS_WAITING: Final = Gauge(
    "shanliu_reporting_totals_waiting", "Campaigns with a committed change that is not published yet"
)
TOTALS_TAKEN: Final = Counter(
    "shanliu_reporting_totals_taken_total",
    "States a screens process was offered, by what it did with them: newer ones are shown, stale ones (of a"
    " stalled worker) and known ones ignored",
    ["outcome"],
)
TOTALS_READ_AT: Final = Gauge(
    "shanliu_reporting_totals_read_timestamp_seconds",
    "When a screens process last had the totals from the database, in seconds since 1970; 0: not yet",
)
TOTALS_HEARD: Final = Gauge(
    "shanliu_reporting_totals_listening", "1 while a screens process hears the topic totals"
)
STREAMS_OPEN: Final = Gauge("shanliu_reporting_streams_open", "Streams open to screens now")
STREAMS_MAX: Final = Gauge("shanliu_reporting_streams_limit", "Streams a screens process holds at most")
STREAMS_ENDED: Final = Counter(
    "shanliu_reporting_streams_ended_total",
    "Streams that ended, by why: the screen left, it was too slow, the process stopped, or it was refused",
    ["why"],
)
FRAMES_SENT: Final = Counter(
    "shanliu_reporting_frames_sent_total", "Frames handed to the streams' connections, heartbeats included"
)
HELD_DONATIONS: Final = Gauge(
    "shanliu_reporting_held_donations", "Donations that are held and not released, by channel", ["channel"]
)
HELD_FEN: Final = Gauge(
    "shanliu_reporting_held_fen", "Money that is held and not released, in fen, by channel", ["channel"]
)
FRAME_LAG_SECONDS: Final = Histogram(
    "shanliu_reporting_frame_lag_seconds",
    "From reading a state in the database to its frame being handed to all streams, in seconds",
    buckets=_LAG_BUCKETS,
)
SHOWN_LAG_SECONDS: Final = Histogram(
    "shanliu_reporting_shown_lag_seconds",
    "From a donation's received_at to the frame that first has it being handed to all streams, for the oldest"
    " donation of each frame, in seconds; donations released from hold are left out",
    buckets=_LAG_BUCKETS,
)
RECEIVED_FEN: Final = Gauge(
    "shanliu_reporting_received_fen",
    "Received by campaigns that take donations now, less what went back, in fen",
)
PROMISED_FEN: Final = Gauge(
    "shanliu_reporting_promised_fen",
    "Promised to campaigns that take donations now, never part of received, in fen",
)
DISBURSED_FEN: Final = Gauge(
    "shanliu_reporting_disbursed_fen", "Disbursed by campaigns that take donations now, in fen"
)
PROOFS_LOST: Final = Counter(
    "shanliu_reporting_proofs_lost_total",
    "Shown numbers that could not be kept for later proof, because the database was away for too long",
)
