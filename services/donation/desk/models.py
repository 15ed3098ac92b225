"""The desk's tables, beside the service's others. A state that must not exist can't be written.

An entry is a donation to be: its id is the donation's. What the donor said of themselves is in the message
alone, and that is emptied as soon as the broker has it.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.donation.models import metadata

UTC_TIME: Final = DateTime(timezone=True)

desk_halls: Final = Table(
    "desk_halls",
    metadata,
    Column("hall", Text, primary_key=True),
    Column("last_number", Integer, CheckConstraint("last_number >= 0"), nullable=False),
)

desk_closings: Final = Table(
    "desk_closings",
    metadata,
    Column("closing_id", BigInteger, Identity(always=True), primary_key=True),
    Column("hall", Text, ForeignKey(desk_halls.c.hall), nullable=False),
    Column("closed_by", Text, nullable=False),
    Column("closed_at", UTC_TIME, nullable=False),
    Column("note", Text),
    Index("desk_closings_hall", "hall", "closing_id"),
)

desk_counts: Final = Table(
    "desk_counts",
    metadata,
    Column("closing_id", BigInteger, ForeignKey(desk_closings.c.closing_id), primary_key=True),
    Column("method", Text, CheckConstraint("method IN ('cash','cheque','placard')"), primary_key=True),
    Column("entries", Integer, CheckConstraint("entries >= 0"), nullable=False),
    Column("entered_fen", BigInteger, CheckConstraint("entered_fen >= 0"), nullable=False),
    Column("counted_fen", BigInteger, CheckConstraint("counted_fen >= 0"), nullable=False),
)

desk_entries: Final = Table(
    "desk_entries",
    metadata,
    Column("entry_id", Uuid, primary_key=True, comment="the donation's id"),
    Column("hall", Text, ForeignKey(desk_halls.c.hall), nullable=False),
    Column("method", Text, CheckConstraint("method IN ('cash','cheque','placard')"), nullable=False),
    Column("number", Text, nullable=False, comment="the placard's, or the hall's next"),
    Column("cheque_number", Text),
    Column("transaction_id", Text, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column(
        "amount_fen", BigInteger, CheckConstraint("amount_fen BETWEEN 1 AND 10000000000000"), nullable=False
    ),
    Column("digest", LargeBinary, nullable=False, comment="of all that was typed: to tell a repeat"),
    Column("note", Text),
    Column("entered_by", Text, nullable=False),
    Column("entered_at", UTC_TIME, nullable=False),
    Column("undo_until", UTC_TIME, nullable=False),
    Column("undone_at", UTC_TIME),
    Column("undone_by", Text),
    Column("undo_reason", Text),
    Column("closing_id", BigInteger, ForeignKey(desk_closings.c.closing_id)),
    UniqueConstraint("transaction_id", name="desk_entries_transaction"),
    CheckConstraint("(method = 'cheque') = (cheque_number IS NOT NULL)", name="desk_entries_cheque"),
    CheckConstraint(
        "(undone_at IS NULL) = (undone_by IS NULL) AND (undone_at IS NULL) = (undo_reason IS NULL)",
        name="desk_entries_undone",
    ),
    Index(
        "desk_entries_placard",
        "hall",
        "number",
        unique=True,
        postgresql_where=text("method = 'placard' AND undone_at IS NULL"),
    ),
    Index(
        "desk_entries_cheque_once",
        "hall",
        "cheque_number",
        unique=True,
        postgresql_where=text("method = 'cheque' AND undone_at IS NULL"),
    ),
    Index("desk_entries_of_hall", "hall", "entered_at"),
    Index("desk_entries_open", "hall", postgresql_where=text("closing_id IS NULL")),
)

desk_messages: Final = Table(
    "desk_messages",
    metadata,
    Column("message_id", BigInteger, Identity(always=True), primary_key=True),
    Column("entry_id", Uuid, ForeignKey(desk_entries.c.entry_id), nullable=False),
    Column("body", LargeBinary, comment="as it goes to the topic; emptied when it is there"),
    Column("written_at", UTC_TIME, nullable=False),
    Column("sent_at", UTC_TIME),
    CheckConstraint("(sent_at IS NULL) = (body IS NOT NULL)", name="desk_messages_sent"),
    Index("desk_messages_unsent", "message_id", postgresql_where=text("sent_at IS NULL")),
)
