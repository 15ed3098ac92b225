"""The tables of the donation service.

Whatever makes an event has its own (source, sequence), unique in its table: the position of the intake
record behind it. `previous` of an event is asked of these indexes (queries.previous_positions).
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from shared.idempotency import idempotency_keys_table
from shared.outbox import outbox_table
from shared.positions import marks_table

metadata = MetaData()
marks = marks_table(metadata)
idempotency_keys = idempotency_keys_table(metadata)
outbox = outbox_table(metadata)
"""Of what no intake record stands for: receipts."""

campaigns = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column(
        "status", Text, CheckConstraint("status IN ('filed','launched','paused','closed')"), nullable=False
    ),
    Column("closed_at", DateTime(timezone=True)),
    CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="campaigns_closed_at"),
)

donations = Table(
    "donations",
    metadata,
    Column("donation_id", Uuid, primary_key=True, comment="derived from channel and transaction_id"),
    Column("channel", Text, nullable=False),
    Column("transaction_id", Text, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column(
        "amount_fen", BigInteger, CheckConstraint("amount_fen BETWEEN 1 AND 10000000000000"), nullable=False
    ),
    Column("fee_fen", BigInteger, CheckConstraint("fee_fen BETWEEN 0 AND amount_fen")),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, comment="when the broker took the record"),
    Column("donor_kind", Text, CheckConstraint("donor_kind IN ('person', 'company')"), nullable=False),
    Column("donor_name", Text),
    Column("donor_alias", Text),
    Column(
        "donor_display",
        Text,
        CheckConstraint("donor_display IN ('name','alias','anonymous')"),
        nullable=False,
    ),
    Column("contact_email", Text),
    Column("contact_phone", Text, comment="E.164: +86 and eleven digits"),
    Column(
        "contact_wechat_openid", Text, comment="the donor's name to contact_wechat_app_id, and to no other"
    ),
    Column("contact_wechat_app_id", Text),
    Column(
        "contact_language",
        Text,
        CheckConstraint("contact_language IN ('zh', 'en')", name="donations_language"),
    ),
    Column("message", Text),
    Column("pledge_id", Uuid, comment="the promise it fulfils, as the donor says"),
    Column("source", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("held_reason", Text, comment="why it was held when it came in; stays after the release"),
    Column("status", Text, CheckConstraint("status IN ('received', 'held', 'refused')"), nullable=False),
    Column("erased_at", DateTime(timezone=True), comment="since when nothing is known of its donor"),
    CheckConstraint(
        "erased_at IS NULL OR (donor_display = 'anonymous' AND num_nonnulls(donor_name, donor_alias,"
        " contact_email, contact_phone, contact_wechat_openid, contact_wechat_app_id, contact_language,"
        " message) = 0)",
        name="donations_erased",
    ),
    UniqueConstraint("source", "sequence", name="donations_position"),
    CheckConstraint("status = 'received' OR held_reason IS NOT NULL", name="donations_held"),
    CheckConstraint(
        "(contact_wechat_openid IS NULL) = (contact_wechat_app_id IS NULL)", name="donations_wechat"
    ),
    Index("donations_by_time", "occurred_at", postgresql_using="brin"),
    Index("donations_by_tail", text("right(transaction_id, 4)")),
    Index("donations_by_amount", "amount_fen", "occurred_at"),
    Index("donations_newest", "occurred_at"),
    Index(
        "donations_held_open",
        "campaign_id",
        "occurred_at",
        "donation_id",
        postgresql_where=text("status = 'held'"),
    ),
    Index(
        "donations_held_by_reason",
        "held_reason",
        "occurred_at",
        "donation_id",
        postgresql_where=text("status = 'held'"),
    ),
    Index("donations_held_longest", "occurred_at", "donation_id", postgresql_where=text("status = 'held'")),
)

releases = Table(
    "releases",
    metadata,
    Column("donation_id", Uuid, ForeignKey("donations.donation_id"), primary_key=True),
    Column("source", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("released_at", DateTime(timezone=True), nullable=False),
    UniqueConstraint("source", "sequence", name="releases_position"),
)

reversals = Table(
    "reversals",
    metadata,
    Column("reversal_id", Uuid, primary_key=True, comment="derived from channel and the channel's id of it"),
    Column(
        "donation_id", Uuid, nullable=False, comment="no foreign key: the notice may come before the donation"
    ),
    Column("kind", Text, CheckConstraint("kind IN ('refund', 'chargeback', 'void')"), nullable=False),
    Column(
        "amount_fen", BigInteger, CheckConstraint("amount_fen BETWEEN 1 AND 10000000000000"), nullable=False
    ),
    Column("occurred_at", DateTime(timezone=True), nullable=False),
    Column("reason", Text),
    Column("asked_source", Text, nullable=False),
    Column("asked_sequence", BigInteger, nullable=False),
    Column("status", Text, CheckConstraint("status IN ('pending', 'applied', 'refused')"), nullable=False),
    Column("source", Text, comment="the position of the record that applied it"),
    Column("sequence", BigInteger),
    Column("applied_at", DateTime(timezone=True), comment="when the broker took that record"),
    Column("transaction_id", Text, comment="as the channel gave it; null: asked before this was kept"),
    Column("asked_at", DateTime(timezone=True), comment="when the broker took the record that asked for it"),
    Column("set_aside_by", Text, comment="who has decided that it waits for nothing"),
    Column("set_aside_at", DateTime(timezone=True)),
    Column("set_aside_reason", Text),
    UniqueConstraint("source", "sequence", name="reversals_position"),
    CheckConstraint("(status = 'applied') = (source IS NOT NULL)", name="reversals_source"),
    CheckConstraint(
        "(source IS NULL) = (sequence IS NULL) AND (source IS NULL) = (applied_at IS NULL)",
        name="reversals_whole_position",
    ),
    Index("reversals_donation", "donation_id"),
    Index("reversals_pending", "donation_id", postgresql_where=text("status = 'pending'")),
)

conflicts = Table(
    "conflicts",
    metadata,
    Column("source", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("donation_id", Uuid, nullable=False),
    Column("campaign_id", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column(
        "differs", JSONB, nullable=False, comment="the names of the fields that differ, not their content"
    ),
    Column("resolved_at", DateTime(timezone=True)),
    Column("resolved_by", Text),
    Column("resolution", Text),
    CheckConstraint(
        "(resolved_at IS NULL) = (resolved_by IS NULL) AND (resolved_at IS NULL) = (resolution IS NULL)",
        name="conflicts_resolved",
    ),
    Index("conflicts_donation", "donation_id"),
    Index("conflicts_newest", "received_at", "source", "sequence"),
    Index(
        "conflicts_open", "received_at", "source", "sequence", postgresql_where=text("resolved_at IS NULL")
    ),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("source", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("letter", LargeBinary, nullable=False, comment="the dead letter as it lies on its topic"),
    Column("failed_at", DateTime(timezone=True), nullable=False),
    Column("replayed_at", DateTime(timezone=True)),
    Column("replayed_by", Text),
    Column("set_aside_at", DateTime(timezone=True)),
    Column("set_aside_by", Text),
    Column("set_aside_reason", Text),
    CheckConstraint("(replayed_at IS NULL) = (replayed_by IS NULL)", name="dead_letters_replayed"),
    CheckConstraint(
        "(set_aside_at IS NULL) = (set_aside_by IS NULL)"
        " AND (set_aside_at IS NULL) = (set_aside_reason IS NULL)",
        name="dead_letters_set_aside",
    ),
    Index("dead_letters_by_time", "failed_at", "source", "sequence"),
    Index(
        "dead_letters_open",
        "failed_at",
        "source",
        "sequence",
        postgresql_where=text("replayed_at IS NULL AND set_aside_at IS NULL"),
    ),
)

dead_letter_looks = Table(
    "dead_letter_looks",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("source", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("person", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    ForeignKeyConstraint(
        ["source", "sequence"],
        ["dead_letters.source", "dead_letters.sequence"],
        name="dead_letter_looks_letter",
    ),
    Index("dead_letter_looks_of", "source", "sequence"),
)
"""Who has seen the content of a dead letter, which may hold personal data."""
