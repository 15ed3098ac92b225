"""The tables of the ledger. The constraints repeat the rules of entries.py, periods.py and drafts.py.

What a table alone can't say is said by triggers, which migration 0002 makes: entries and postings are never
updated, deleted or truncated (ledger_append_only); at the commit each entry's debits equal its credits in
each fund (ledger_entries_balanced) and it follows the one before it (ledger_entries_gapless); its day lies
in an open month (ledger_entries_open_month); a closed month stays closed.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

from services.campaign.ledger.accounts import CHART, Side
from services.campaign.ledger.drafts import DraftState
from services.campaign.ledger.entries import BY_HAND, POSTING_MAX_FEN, SUMMARIES, TWO_PEOPLE, Kind
from services.campaign.ledger.periods import PeriodState
from services.campaign.models import UTC_TIME, metadata, one_of
from services.campaign.two_people import decided

_SUMMARY_COLUMNS: Final = "source, first_sequence, last_sequence, donations, reversals"

ledger_journals: Final = Table(
    "ledger_journals",
    metadata,
    Column("journal", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    CheckConstraint("sequence >= 0", name="ledger_journals_sequence"),
    CheckConstraint("octet_length(hash) = 32", name="ledger_journals_hash"),
)
"""The head of each chain: its last entry. The row is the lock under which the next one is decided."""

ledger_entries: Final = Table(
    "ledger_entries",
    metadata,
    Column("journal", Text, ForeignKey("ledger_journals.journal"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("booked_on", Date, nullable=False),
    Column("event_on", Date, nullable=False),
    Column("recorded_at", UTC_TIME, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("confirmed_by", Text),
    Column("source", Text),
    Column("first_sequence", BigInteger),
    Column("last_sequence", BigInteger),
    Column("donations", BigInteger),
    Column("reversals", BigInteger),
    Column("subject", Uuid),
    Column("reverses", BigInteger),
    Column("note", Text),
    Column("hash", LargeBinary, nullable=False),
    CheckConstraint(one_of("kind", Kind), name="ledger_entries_kind"),
    CheckConstraint("sequence >= 1", name="ledger_entries_sequence"),
    CheckConstraint("octet_length(hash) = 32", name="ledger_entries_hash"),
    CheckConstraint("booked_on >= event_on", name="ledger_entries_day"),
    CheckConstraint(
        f"CASE WHEN {one_of('kind', SUMMARIES)} THEN num_nulls({_SUMMARY_COLUMNS}) = 0"
        " AND first_sequence BETWEEN 0 AND last_sequence AND donations >= 0 AND reversals >= 0"
        f" AND subject IS NULL ELSE num_nonnulls({_SUMMARY_COLUMNS}) = 0 AND subject IS NOT NULL END",
        name="ledger_entries_event",
    ),
    CheckConstraint(
        f"CASE WHEN {one_of('kind', TWO_PEOPLE)} THEN note IS NOT NULL AND confirmed_by IS NOT NULL"
        " AND confirmed_by <> recorded_by ELSE confirmed_by IS NULL END",
        name="ledger_entries_two_people",
    ),
    CheckConstraint(
        "(kind = 'reversal') = (reverses IS NOT NULL) AND reverses < sequence", name="ledger_entries_reverses"
    ),
    Index(
        "ledger_entries_one_an_event",
        "kind",
        "subject",
        unique=True,
        postgresql_where=text("subject IS NOT NULL"),
    ),
    Index(
        "ledger_entries_reversed_once",
        "journal",
        "reverses",
        unique=True,
        postgresql_where=text("reverses IS NOT NULL"),
    ),
)

ledger_postings: Final = Table(
    "ledger_postings",
    metadata,
    Column("journal", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("booked_on", Date, nullable=False),
    Column("account", Text, nullable=False),
    Column("campaign_id", Text),
    Column("side", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    ForeignKeyConstraint(
        ["journal", "sequence"],
        ["ledger_entries.journal", "ledger_entries.sequence"],
        name="ledger_postings_entry",
    ),
    CheckConstraint("line >= 1", name="ledger_postings_line"),
    CheckConstraint(one_of("account", CHART), name="ledger_postings_account"),
    CheckConstraint(one_of("side", Side), name="ledger_postings_side"),
    CheckConstraint(f"amount_fen BETWEEN 1 AND {POSTING_MAX_FEN}", name="ledger_postings_amount"),
    Index("ledger_postings_of_account", "account", "booked_on", "journal", "sequence", "line"),
    Index("ledger_postings_of_campaign", "campaign_id", "account", "booked_on"),
)
"""No foreign key to campaigns: money for one that isn't known here must not stop the money of all others."""

ledger_periods: Final = Table(
    "ledger_periods",
    metadata,
    Column("month", Date, primary_key=True),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UTC_TIME, nullable=False),
    Column("confirmed_by", Text),
    Column("confirmed_at", UTC_TIME),
    CheckConstraint("EXTRACT(day FROM month) = 1", name="ledger_periods_month"),
    CheckConstraint(one_of("state", PeriodState), name="ledger_periods_state"),
    CheckConstraint("version >= 1", name="ledger_periods_version"),
    CheckConstraint("confirmed_by <> asked_by", name="ledger_periods_two_people"),
    CheckConstraint(
        "(state = 'closed') = (confirmed_by IS NOT NULL) AND (confirmed_by IS NULL) = (confirmed_at IS NULL)",
        name="ledger_periods_confirmed",
    ),
)
"""Months that are being closed or are closed; one without a row is open, unless a later one is closed."""

ledger_drafts: Final = Table(
    "ledger_drafts",
    metadata,
    Column("draft_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("day", Date, nullable=False),
    Column("note", Text, nullable=False),
    Column("postings", JSON, nullable=False),
    Column("reverses", BigInteger),
    Column("made_by", Text, nullable=False),
    Column("made_at", UTC_TIME, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", UTC_TIME),
    Column("sequence", BigInteger),
    CheckConstraint(one_of("kind", BY_HAND), name="ledger_drafts_kind"),
    CheckConstraint(one_of("state", DraftState), name="ledger_drafts_state"),
    CheckConstraint("version >= 1", name="ledger_drafts_version"),
    CheckConstraint("(kind = 'reversal') = (reverses IS NOT NULL)", name="ledger_drafts_reverses"),
    *decided("ledger_drafts", waiting=DraftState.WAITING, done=DraftState.BOOKED, asked_by="made_by"),
    CheckConstraint("(state = 'booked') = (sequence IS NOT NULL)", name="ledger_drafts_booked"),
    Index("ledger_drafts_of_state", "state", "draft_id"),
)
"""What one person has written and another books."""
