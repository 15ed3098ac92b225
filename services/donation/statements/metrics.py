"""What statements measure, in the processes that check and import them. Labels are listed here."""

from prometheus_client import Counter, Gauge

from shared.measured import Measured

FILES = Gauge(
    "shanliu_statements",
    "Statements by state: uploaded, checked (waits for a person), refused, importing, imported, discarded",
    ["state"],
)
LINES = Counter(
    "shanliu_statement_lines_total",
    "Lines of statements by outcome: checked_good, checked_bad, checked_passed_over when a file was checked;"
    " sent, known (in the books already), refused when it was imported",
    ["outcome"],
)
OLDEST_UNCONFIRMED_SECONDS = Measured(
    "shanliu_statements_oldest_unconfirmed_seconds",
    "Age of the oldest statement that is checked and that nobody has confirmed or discarded, in seconds;"
    " 0: none waits",
)
