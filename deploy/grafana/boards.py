"""The four dashboards: `python -m deploy.grafana.boards` writes them to dashboards/ (`make contracts`)."""

import json
from pathlib import Path
from typing import Final

from deploy.grafana.panels import Board, Choice, Limits, Panel, Unit

FOLDER: Final = Path(__file__).parent / "dashboards"
OLDEST_UNREAD: Final = 'shanliu_consumer_oldest_unread_seconds{group="donation-worker"}'
UNMATCHED_FEN: Final = "shanliu_reconciliation_unmatched_fen"
CONFLICTED: Final = 'shanliu_intake_records_total{outcome="conflicted"}'
WITHOUT_A_DONATION: Final = '{state=~"unknown|refused"}'
OF_JOB: Final = '{job=~"$job"}'
OF_CHANNEL: Final = '{channel=~"$channel"}'


def stat(
    title: str, about: str, query: str, unit: Unit = "short", limits: Limits | None = None, *, width: int = 4
) -> Panel:
    """One number, a sixth of a row."""
    return Panel(title, about, {query: ""}, unit, limits or Limits(), kind="stat", width=width)


def rate(metric: str, by: str, match: str = "") -> str:
    """A counter's steps a second, by one label."""
    return f"sum by ({by}) (rate({metric}{match}[$__rate_interval]))"


def p99(metric: str, by: str) -> str:
    """The slowest hundredth of a histogram, of the jobs that are chosen; `by` has le."""
    return f"histogram_quantile(0.99, sum by ({by}) (rate({metric}_bucket{OF_JOB}[$__rate_interval])))"


def quantiles(metric: str, name: str) -> dict[str, str]:
    """Median and 99th percentile of a histogram, all processes together."""
    rates = f"sum by (le) (rate({metric}_bucket[$__rate_interval]))"
    return {f"histogram_quantile({q}, {rates})": f"{name} p{round(q * 100)}" for q in (0.5, 0.99)}


GALA: Final = Board(
    "shanliu-gala",
    "Shanliu: gala night",
    "Is the number on the screen right, fresh and moving?",
    [
        (
            4,
            [
                stat(
                    "Donations booked",
                    "Donations booked a second, all channels",
                    "sum(channel:shanliu_intake_received:rate1m) or vector(0)",
                    "cps",
                ),
                stat(
                    "Oldest waits",
                    "How long the oldest donation has waited to be booked",
                    f"max({OLDEST_UNREAD})",
                    "s",
                    Limits(5, 10),
                ),
                stat(
                    "On the screen after (p99)",
                    "From the broker's acknowledgement to the frame that has it, the slowest hundredth",
                    "max(job:shanliu_reporting_shown_lag_seconds:p99_1m)",
                    "s",
                    Limits(1, 3),
                ),
                stat(
                    "Screens open",
                    "Streams open to screens, all processes",
                    "sum(shanliu_reporting_streams_open)",
                ),
                stat(
                    "Age of the totals",
                    "Of the freshest process; from ten seconds on screens say that they confirm",
                    "min(instance:shanliu_reporting_totals:age_seconds)",
                    "s",
                    Limits(5, 10),
                ),
                stat(
                    "Alerts firing",
                    "Critical ones and warnings",
                    'count(ALERTS{alertstate="firing", severity=~"critical|warning"}) or vector(0)',
                    "short",
                    Limits(1, 3),
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Donations booked by channel",
                    "Received, a second",
                    {"channel:shanliu_intake_received:rate1m": "{{channel}}"},
                    "cps",
                    stacked=True,
                ),
                Panel(
                    "Promised, received, disbursed",
                    "Of the campaigns that take donations now; never added together",
                    {
                        "max(shanliu_reporting_received_fen) / 100": "received",
                        "max(shanliu_reporting_promised_fen) / 100": "promised",
                        "max(shanliu_reporting_disbursed_fen) / 100": "disbursed",
                    },
                    "currencyCNY",
                ),
                Panel(
                    "Unread by group",
                    "Age of the oldest record that a consumer group has not read",
                    {"group:shanliu_consumer_oldest_unread_seconds:max": "{{group}}"},
                    "s",
                    Limits(10, 60),
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "On the way to the screen",
                    "The slowest hundredth of each step",
                    {
                        "job:shanliu_intake_request_seconds:p99_2m": "accepted ({{job}})",
                        "job:shanliu_reporting_counted_lag_seconds:p99_1m": "counted ({{job}})",
                        "job:shanliu_reporting_frame_lag_seconds:p99_1m": "frame ({{job}})",
                        "job:shanliu_reporting_shown_lag_seconds:p99_1m": "all, to the screen ({{job}})",
                    },
                    "s",
                    Limits(0.3, 3),
                    width=12,
                ),
                Panel(
                    "Refused by channel",
                    "Part of the requests answered with 5xx, and with 429",
                    {
                        "channel:shanliu_intake_errors:ratio2m": "5xx {{channel}}",
                        "channel:shanliu_intake_limited:ratio2m": "429 {{channel}}",
                    },
                    "percentunit",
                    Limits(0.01, 0.05),
                    width=12,
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Needs a hand",
                    "Held, and differences of the last proof; conflicts and dead letters of 15 minutes",
                    {
                        "sum(max by (channel) (shanliu_reporting_held_donations))": "held",
                        f"sum(increase({CONFLICTED}[15m])) or vector(0)": "conflicts",
                        "sum(increase(shanliu_dead_letters_total[15m])) or vector(0)": "dead letters",
                        "max(shanliu_verify_differences)": "proof differs",
                    },
                    "short",
                ),
                Panel(
                    "Gaps and outbox",
                    "How long a mark has stood behind, and an event in the outbox",
                    {
                        "max by (job) (shanliu_mark_behind_seconds)": "gap {{job}}",
                        "max by (job) (shanliu_outbox_oldest_seconds)": "outbox {{job}}",
                    },
                    "s",
                    Limits(10, 30),
                ),
                Panel(
                    "Processes",
                    "How many of each answer",
                    {"sum by (job) (up)": "{{job}}"},
                    "short",
                    Limits(amber=1, falling=True),
                    kind="stat",
                ),
            ],
        ),
    ],
)

SERVICES: Final = Board(
    "shanliu-services",
    "Shanliu: services",
    "Processes, their parts and how long their work takes.",
    [
        (
            4,
            [
                stat(
                    "Processes up",
                    "That answer Prometheus",
                    'sum(up{job=~"$job"})',
                    "short",
                    Limits(1, falling=True),
                ),
                stat(
                    "Parts missing",
                    "Parts that did not answer /readyz",
                    'sum(shanliu_ready{job=~"$job"} == bool 0)',
                    "short",
                    Limits(red=1),
                ),
                stat(
                    "Starts in an hour",
                    "Processes started anew",
                    'sum(changes(process_start_time_seconds{job=~"$job"}[1h]))',
                    "short",
                    Limits(1, 3),
                ),
                stat(
                    "Fullest pool",
                    "Part of a pool's connections at work",
                    'max(pool:shanliu_database_connections:used_ratio{job=~"$job"})',
                    "percentunit",
                    Limits(0.8, 1),
                ),
                stat(
                    "Publishes failed",
                    "In five minutes, not acknowledged by the broker",
                    'sum(increase(shanliu_publish_failures_total{job=~"$job"}[5m])) or vector(0)',
                    "short",
                    Limits(1, 4),
                ),
                stat(
                    "Batches failed",
                    "In five minutes, and came again",
                    'sum(increase(shanliu_batch_failures_total{job=~"$job"}[5m])) or vector(0)',
                    "short",
                    Limits(1, 10),
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Processor",
                    "Cores at work",
                    {rate("process_cpu_seconds_total", "job", OF_JOB): "{{job}}"},
                    "short",
                ),
                Panel(
                    "Memory",
                    "Resident",
                    {'sum by (job) (process_resident_memory_bytes{job=~"$job"})': "{{job}}"},
                    "bytes",
                ),
                Panel(
                    "Open files",
                    "Part of what a process may open",
                    {f"max by (job) (process_open_fds{OF_JOB} / process_max_fds{OF_JOB})": "{{job}}"},
                    "percentunit",
                    Limits(0.7, 0.9),
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Batches (p99)",
                    "The slowest hundredth, from the first statement to the commit",
                    {
                        p99("shanliu_intake_batch_seconds", "part, le"): "donation {{part}}",
                        p99("shanliu_campaign_batch_seconds", "le"): "campaign",
                        p99("shanliu_reporting_batch_seconds", "le"): "reporting",
                    },
                    "s",
                    Limits(0.5, 2.5),
                ),
                Panel(
                    "Publishing (p99)",
                    "Until all replicas have it",
                    {p99("shanliu_publish_seconds", "job, le"): "{{job}}"},
                    "s",
                    Limits(0.25, 1),
                ),
                Panel(
                    "Database connections",
                    "Part of each pool at work",
                    {'max by (pool) (pool:shanliu_database_connections:used_ratio{job=~"$job"})': "{{pool}}"},
                    "percentunit",
                    Limits(0.8, 1),
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Events by verdict",
                    "Read a second: applied, repeated, out of order",
                    {rate("shanliu_events_total", "verdict", OF_JOB): "{{verdict}}"},
                    "cps",
                ),
                Panel(
                    "Unread records",
                    "Of each consumer group",
                    {"group:shanliu_consumer_lag_records:sum": "{{group}}"},
                    "short",
                    Limits(10_000, 50_000),
                ),
                Panel(
                    "Commands",
                    "People's commands a second, by what became of them",
                    {
                        rate("shanliu_commands_total", "outcome", OF_JOB): "{{outcome}}",
                    },
                    "cps",
                ),
            ],
        ),
    ],
    choices=[Choice("job", "Job", "label_values(up, job)")],
)

CHANNELS: Final = Board(
    "shanliu-channels",
    "Shanliu: channels",
    "What each channel offers, how it is answered, and whether it agrees with its bills.",
    [
        (
            4,
            [
                stat(
                    "Offered over HTTP",
                    "Requests a second",
                    'sum(channel:shanliu_intake_requests:rate2m{channel=~"$channel"}) or vector(0)',
                    "cps",
                    width=3,
                ),
                stat(
                    "Worst 5xx",
                    "Of any channel, part of its requests",
                    'max(channel:shanliu_intake_errors:ratio2m{channel=~"$channel"}) or vector(0)',
                    "percentunit",
                    Limits(0.001, 0.01),
                    width=3,
                ),
                stat(
                    "Worst 429",
                    "Of any channel, part of its requests",
                    'max(channel:shanliu_intake_limited:ratio2m{channel=~"$channel"}) or vector(0)',
                    "percentunit",
                    Limits(0.01, 0.05),
                    width=3,
                ),
                stat(
                    "Held",
                    "Money of donations that are held and not released",
                    'sum(max by (channel) (shanliu_reporting_held_fen{channel=~"$channel"})) / 100',
                    "currencyCNY",
                    Limits(0.01),
                    width=3,
                ),
                stat(
                    "Not reconciled",
                    "Of the last 31 days due: money that does not agree with bills",
                    f"sum(max by (channel) ({UNMATCHED_FEN}{OF_CHANNEL})) / 100 or vector(0)",
                    "currencyCNY",
                    Limits(0.01),
                    width=3,
                ),
                stat(
                    "Oldest break",
                    "That nobody has resolved",
                    "max(shanliu_reconciliation_oldest_break_seconds)",
                    "s",
                    Limits(86_400, 259_200),
                    width=3,
                ),
                stat(
                    "Reversals waiting",
                    "For a donation that is not here, or was refused while it was held",
                    f"sum(max by (state) (shanliu_reversals_waiting{WITHOUT_A_DONATION}))",
                    "short",
                    Limits(1, 10),
                    width=3,
                ),
                stat(
                    "Oldest reversal",
                    "Of those that wait for a donation; from an hour on somebody is told (ReversalsWaiting)",
                    f"max(shanliu_reversals_oldest_waiting_seconds{WITHOUT_A_DONATION})",
                    "s",
                    Limits(600, 3_600),
                    width=3,
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Requests by channel",
                    "Offered over HTTP, a second",
                    {'channel:shanliu_intake_requests:rate2m{channel=~"$channel"}': "{{channel}}"},
                    "cps",
                    stacked=True,
                ),
                Panel(
                    "Answers",
                    "By HTTP status, a second",
                    {rate("shanliu_intake_requests_total", "status", OF_CHANNEL): "{{status}}"},
                    "cps",
                ),
                Panel(
                    "Time to accept",
                    "Until the broker has acknowledged, all channels",
                    quantiles("shanliu_intake_request_seconds", "accepted"),
                    "s",
                    Limits(0.1, 0.5),
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "What became of records",
                    "Read from the intake topics, a second",
                    {rate("shanliu_intake_records_total", "outcome", OF_CHANNEL): "{{outcome}}"},
                    "cps",
                ),
                Panel(
                    "Unread by topic",
                    "Age of the oldest record that the donation worker has not read",
                    {f"max by (topic) ({OLDEST_UNREAD})": "{{topic}}"},
                    "s",
                    Limits(5, 10),
                ),
                Panel(
                    "Payment companies' notices",
                    "By what was made of them, a second",
                    {rate("shanliu_notices_total", "outcome", OF_CHANNEL): "{{outcome}}"},
                    "cps",
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Reconciled",
                    "Part of the money of the last 31 days due that agrees with the bills",
                    {f"min by (channel) (shanliu_reconciliation_matched_ratio{OF_CHANNEL})": "{{channel}}"},
                    "percentunit",
                    Limits(1, 0.999, falling=True),
                ),
                Panel(
                    "Bills missing",
                    "Days of the last 31 due whose bill has not come",
                    {'max by (channel) (shanliu_bills_missing{channel=~"$channel"})': "{{channel}}"},
                    "short",
                    Limits(1, 3),
                ),
                Panel(
                    "Open breaks",
                    "By kind",
                    {"max by (kind) (shanliu_reconciliation_open_breaks)": "{{kind}}"},
                    "short",
                ),
            ],
        ),
    ],
    choices=[Choice("channel", "Channel", "label_values(shanliu_intake_records_total, channel)")],
)

PARTNERS: Final = Board(
    "shanliu-partners",
    "Shanliu: partners and messages",
    "Thanks to donors and calls to partners: do they arrive?",
    [
        (
            4,
            [
                stat(
                    "Mail server",
                    "Takes connections; off until the first mail is sent",
                    "min(shanliu_notification_relay_up)",
                    "bool_on_off",
                    Limits(amber=1, falling=True),
                ),
                stat(
                    "Messages to go",
                    "Pending, sending or to be tried again",
                    'sum(max by (state) (shanliu_notification_messages{state=~"pending|sending|retry"}))',
                ),
                stat(
                    "In doubt",
                    "May have arrived; a person decides",
                    'max(shanliu_notification_messages{state="uncertain"})',
                    "short",
                    Limits(1),
                ),
                stat(
                    "Messages failing",
                    "Part of the attempts of ten minutes",
                    "max(job:shanliu_notification_failed:ratio10m) or vector(0)",
                    "percentunit",
                    Limits(0.05, 0.2),
                ),
                stat(
                    "Endpoints slowed",
                    "Of partners, called less often",
                    'max(shanliu_webhook_endpoints{state="slowed"})',
                    "short",
                    Limits(1),
                ),
                stat(
                    "Endpoints disabled",
                    "Nothing is written for them",
                    'max(shanliu_webhook_endpoints{state="disabled"})',
                    "short",
                    Limits(1),
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Messages sent",
                    "Attempts by outcome, a second",
                    {rate("shanliu_notification_attempts_total", "outcome"): "{{outcome}}"},
                    "cps",
                ),
                Panel(
                    "Time of a message",
                    "From its claim to the provider's answer",
                    quantiles("shanliu_notification_attempt_seconds", "message"),
                    "s",
                    Limits(3, 30),
                ),
                Panel(
                    "Messages by state",
                    "That did not arrive (yet)",
                    {"max by (state) (shanliu_notification_messages)": "{{state}}"},
                    "short",
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Oldest message",
                    "By state",
                    {'max by (state) (shanliu_notification_oldest_seconds{state!="failed"})': "{{state}}"},
                    "s",
                    Limits(3_600, 43_200),
                ),
                Panel(
                    "Mail server's failures",
                    "Connections that failed, a second, by reason",
                    {rate("shanliu_notification_relay_failures_total", "reason"): "{{reason}}"},
                    "cps",
                ),
                Panel(
                    "Contacts held",
                    "Each is deleted after seven days at most",
                    {"max(shanliu_notification_contacts)": "contacts"},
                    "short",
                ),
            ],
        ),
        (
            7,
            [
                Panel(
                    "Partners called",
                    "Calls by outcome, a second",
                    {rate("shanliu_webhook_attempts_total", "outcome"): "{{outcome}}"},
                    "cps",
                ),
                Panel(
                    "Time to a partner",
                    "Of a call, and until the first attempt has ended",
                    quantiles("shanliu_webhook_attempt_seconds", "call")
                    | quantiles("shanliu_webhook_first_attempt_seconds", "first attempt"),
                    "s",
                    Limits(3, 30),
                ),
                Panel(
                    "Deliveries by state",
                    "That are not delivered",
                    {"max by (state) (shanliu_webhook_deliveries)": "{{state}}"},
                    "short",
                ),
            ],
        ),
    ],
)

BOARDS: Final = (GALA, SERVICES, CHANNELS, PARTNERS)


def rendered() -> dict[str, str]:
    """File name → text."""
    return {
        f"{board.uid.removeprefix('shanliu-')}.json": json.dumps(board.json(), indent=2, ensure_ascii=False)
        + "\n"
        for board in BOARDS
    }


if __name__ == "__main__":
    for name, text in rendered().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
