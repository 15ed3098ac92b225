"""The tables of reconciliation, beside the service's others. A state that must not exist can't be written.

A bill is never edited: a corrected one supersedes it, and its lines stay. What became of a break is written
down line by line; a trigger (migration) refuses to change or delete a line of its history.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
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
from sqlalchemy.dialects.postgresql import JSONB

from services.donation.channels.models import channels
from services.donation.models import metadata

UTC_TIME: Final = DateTime(timezone=True)

bill_terms: Final = Table(
    "bill_terms",
    metadata,
    Column("channel", Text, ForeignKey(channels.c.channel), primary_key=True),
    Column(
        "format", Text, CheckConstraint("format IN ('wechatpay','alipay','plain','profile')"), nullable=False
    ),
    Column("daily", Boolean, nullable=False, comment="it owes a bill of every day"),
    Column("due_from", Date, nullable=False, comment="the first day that it owes a bill of"),
    Column("campaign_id", Text, comment="what late donations are given to when their bill does not say"),
    Column("set_by", Text, nullable=False),
    Column("set_at", UTC_TIME, nullable=False),
)

bills: Final = Table(
    "bills",
    metadata,
    Column("bill_id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel", Text, ForeignKey(channels.c.channel), nullable=False),
    Column("day", Date, nullable=False, comment="in Asia/Shanghai"),
    Column("sha256", LargeBinary, nullable=False),
    Column("format", Text, nullable=False),
    Column("state", Text, CheckConstraint("state IN ('current','superseded')"), nullable=False),
    Column("payments", Integer, nullable=False),
    Column("payments_fen", BigInteger, nullable=False),
    Column("refunds", Integer, nullable=False),
    Column("refunds_fen", BigInteger, nullable=False),
    Column("fees_fen", BigInteger, nullable=False),
    Column("imported_by", Text, nullable=False),
    Column("imported_at", UTC_TIME, nullable=False),
    Column("judged_at", UTC_TIME),
    Column(
        "doubts",
        JSONB(none_as_null=True),
        comment="what was odd about it; a person took it all the same",
    ),
    CheckConstraint("octet_length(sha256) = 32", name="bills_hash"),
    UniqueConstraint("channel", "day", "sha256", name="bills_once"),
    Index("bills_current", "channel", "day", unique=True, postgresql_where=text("state = 'current'")),
)

bill_lines: Final = Table(
    "bill_lines",
    metadata,
    Column("bill_id", BigInteger, ForeignKey(bills.c.bill_id), primary_key=True),
    Column("number", Integer, primary_key=True, comment="of the line in the file"),
    Column("kind", Text, CheckConstraint("kind IN ('payment','refund')"), nullable=False),
    Column("subject", Uuid, nullable=False, comment="the donation's or the reversal's id, derived"),
    Column("transaction_id", Text, nullable=False),
    Column("reversal_id", Text),
    Column("amount_fen", BigInteger, CheckConstraint("amount_fen > 0"), nullable=False),
    Column("fee_fen", BigInteger),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("campaign_id", Text),
    Column("said", Text, comment="what the donor chose; kept while the donation is missing here"),
    CheckConstraint("(kind = 'refund') = (reversal_id IS NOT NULL)", name="bill_lines_refund"),
    UniqueConstraint("bill_id", "subject", name="bill_lines_once"),
)

breaks: Final = Table(
    "breaks",
    metadata,
    Column("break_id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel", Text, ForeignKey(channels.c.channel), nullable=False),
    Column("day", Date, nullable=False),
    Column(
        "kind",
        Text,
        CheckConstraint(
            "kind IN ('missing_here','missing_there','amount_differs','refund_missing_here',"
            "'refund_missing_there','fee_differs')"
        ),
        nullable=False,
    ),
    Column("subject", Uuid, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("reversal_id", Text),
    Column("ours_fen", BigInteger, comment="NULL: nothing here"),
    Column("theirs_fen", BigInteger, comment="NULL: nothing there"),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("fee_fen", BigInteger, comment="what a missing donation's line says of its fee"),
    Column("campaign_id", Text, comment="what a missing donation is booked for"),
    Column("said", Text, comment="what the donor chose, as the bill has it; while it is open"),
    Column("asked_at", UTC_TIME, comment="when it was put on the channel's topic"),
    Column("state", Text, CheckConstraint("state IN ('open','settled','resolved')"), nullable=False),
    Column("opened_at", UTC_TIME, nullable=False),
    Column("closed_at", UTC_TIME),
    Column("closed_by", Text),
    Column("reason", Text),
    UniqueConstraint("channel", "subject", "kind", name="breaks_once"),
    CheckConstraint(
        "(state = 'open') = (closed_at IS NULL) AND (state = 'open') = (closed_by IS NULL)"
        " AND (state = 'open') = (reason IS NULL)",
        name="breaks_closed",
    ),
    CheckConstraint("said IS NULL OR state = 'open'", name="breaks_said"),
    CheckConstraint("ours_fen IS NOT NULL OR theirs_fen IS NOT NULL", name="breaks_something"),
    Index("breaks_open", "channel", "day", postgresql_where=text("state = 'open'")),
)

break_history: Final = Table(
    "break_history",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("break_id", BigInteger, ForeignKey(breaks.c.break_id), nullable=False),
    Column("at", UTC_TIME, nullable=False),
    Column("who", Text, nullable=False),
    Column(
        "what",
        Text,
        CheckConstraint("what IN ('opened','reopened','asked','not_taken','settled','resolved')"),
        nullable=False,
    ),
    Column("reason", Text),
    Column("ours_fen", BigInteger),
    Column("theirs_fen", BigInteger),
    Index("break_history_break", "break_id"),
)

reconciled_days: Final = Table(
    "reconciled_days",
    metadata,
    Column("channel", Text, ForeignKey(channels.c.channel), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("ours", Integer, nullable=False),
    Column("ours_fen", BigInteger, nullable=False),
    Column("held", Integer, nullable=False),
    Column("held_fen", BigInteger, nullable=False),
    Column("conflicted", Integer, nullable=False),
    Column("matched", Integer, nullable=False),
    Column("matched_fen", BigInteger, nullable=False),
    Column("judged_at", UTC_TIME, nullable=False),
    CheckConstraint("matched_fen <= ours_fen", name="reconciled_days_part"),
)
