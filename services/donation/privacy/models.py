"""The tables of erasures, beside the service's others. None has personal data: ids and a reference."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.donation.models import metadata

UTC_TIME: Final = DateTime(timezone=True)

erasures: Final = Table(
    "erasures",
    metadata,
    Column("erasure_id", Uuid, primary_key=True),
    Column("reference", Text, nullable=False, comment="the request's own number, where it is filed"),
    Column("donation_ids", ARRAY(Uuid), nullable=False),
    Column("state", Text, CheckConstraint("state IN ('asked', 'done', 'refused')"), nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", UTC_TIME, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", UTC_TIME),
    CheckConstraint("reference ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'", name="erasures_reference"),
    CheckConstraint("cardinality(donation_ids) BETWEEN 1 AND 200", name="erasures_some"),
    CheckConstraint(
        "(state = 'asked') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)",
        name="erasures_decided",
    ),
    CheckConstraint("state <> 'done' OR decided_by <> asked_by", name="erasures_two_people"),
    Index("erasures_newest", "asked_at", "erasure_id"),
)
"""Requests to erase: asked by one person, carried out at the word of another."""

erased_donations: Final = Table(
    "erased_donations",
    metadata,
    # No foreign keys: the record of an erasure may be read before what it is of, when all is read again.
    Column("donation_id", Uuid, primary_key=True),
    Column("erasure_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column("event_ids", ARRAY(Text), nullable=False, comment="of the events that named the donor"),
    Column("receipt_mail_ids", ARRAY(Uuid), nullable=False),
    Column("erased_at", UTC_TIME, nullable=False),
    Column("applied_at", UTC_TIME, comment="when it was done here; NULL: it is not here yet"),
    Column("sent_at", UTC_TIME),
    Column("source", Text, comment="the position of the record that makes its event"),
    Column("sequence", BigInteger),
    Column("booked_at", UTC_TIME),
    UniqueConstraint("source", "sequence", name="erased_donations_position"),
    CheckConstraint(
        "(source IS NULL) = (sequence IS NULL) AND (source IS NULL) = (booked_at IS NULL)",
        name="erased_donations_whole_position",
    ),
    Index("erased_donations_unsent", "erased_at", postgresql_where=text("sent_at IS NULL")),
    Index("erased_donations_awaited", "donation_id", postgresql_where=text("applied_at IS NULL")),
)
"""Donations whose donors were erased. Never taken back."""

restricted_receipts: Final = Table(
    "restricted_receipts",
    metadata,
    Column("number", Text, ForeignKey("receipts.number"), primary_key=True),
    Column("erasure_id", Uuid, nullable=False),
    Column("kept_until", Date, nullable=False, comment="the first day on which the law lets it go"),
)
"""Receipts that name a donor who was erased: the law has them kept, and nobody is shown the name."""

personal_data_looks: Final = Table(
    "personal_data_looks",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("person", Text, nullable=False),
    Column("at", UTC_TIME, nullable=False, server_default=text("now()")),
    Column("act", Text, CheckConstraint("act IN ('find', 'export')"), nullable=False),
    Column("sought_by", Text, nullable=False, comment="the name of the field, not what stood in it"),
    Column("donation_ids", ARRAY(Uuid), nullable=False),
)
"""Who looked for a donor's data or gave it out, and of which donations. Append-only: a trigger refuses
UPDATE and DELETE.
"""
