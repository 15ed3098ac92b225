"""What people decided about single donations, beside the service's other tables."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.donation.models import metadata

UTC_TIME: Final = DateTime(timezone=True)

held_decisions: Final = Table(
    "held_decisions",
    metadata,
    Column("donation_id", Uuid, ForeignKey("donations.donation_id"), primary_key=True),
    Column("decision", Text, CheckConstraint("decision IN ('release','refuse')"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("decided_at", UTC_TIME, nullable=False),
    Column("open", Boolean, nullable=False, comment="a release that the worker has not booked yet"),
    CheckConstraint("decision = 'release' OR NOT open", name="held_decisions_open_release"),
    Index("held_decisions_open", "donation_id", postgresql_where=text("open")),
)
"""A person's word on a held donation. Written once: a decision is not taken back."""

operator_reversals: Final = Table(
    "operator_reversals",
    metadata,
    Column("reversal_id", Uuid, primary_key=True, comment="the reversal's id, derived"),
    Column("donation_id", Uuid, ForeignKey("donations.donation_id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("channel_reversal_id", Text, nullable=False, comment="under which it goes on the topic"),
    Column("kind", Text, CheckConstraint("kind IN ('refund', 'chargeback', 'void')"), nullable=False),
    Column(
        "amount_fen", BigInteger, CheckConstraint("amount_fen BETWEEN 1 AND 10000000000000"), nullable=False
    ),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UTC_TIME, nullable=False),
    Column("sent_at", UTC_TIME, comment="when the broker had it"),
    Index("operator_reversals_donation", "donation_id"),
    Index("operator_reversals_unsent", "asked_at", postgresql_where=text("sent_at IS NULL")),
)
"""What went back by a person's word: written down first, then put on the channel's topic (sending.py)."""

consent_withdrawals: Final = Table(
    "consent_withdrawals",
    metadata,
    Column("donation_id", Uuid, ForeignKey("donations.donation_id"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("withdrawn_by", Text, nullable=False),
    Column("withdrawn_at", UTC_TIME, nullable=False),
    Column("sent_at", UTC_TIME),
    Column("source", Text),
    Column("sequence", BigInteger),
    Column("booked_at", UTC_TIME),
    UniqueConstraint("source", "sequence", name="consent_withdrawals_position"),
    CheckConstraint(
        "(source IS NULL) = (sequence IS NULL) AND (source IS NULL) = (booked_at IS NULL)",
        name="consent_withdrawals_whole_position",
    ),
    Index("consent_withdrawals_unsent", "withdrawn_at", postgresql_where=text("sent_at IS NULL")),
)
"""Whose donor is not to be named any more, by whose word (consent.py). Never taken back."""
