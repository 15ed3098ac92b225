"""The tables of channels, their keys, and who changed what of them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from services.donation.models import metadata

channels = Table(
    "channels",
    metadata,
    Column("channel", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column(
        "scheme",
        Text,
        CheckConstraint("scheme IN ('webhooks','wechatpay','alipay','unionpay','files','kafka','desk')"),
        nullable=False,
        server_default="webhooks",
    ),
    Column("settings", JSONB, nullable=False, server_default=text("'{}'"), comment="the scheme's, no secret"),
    Column("limit_per_second", Integer, CheckConstraint("limit_per_second > 0"), nullable=False),
    Column("state", Text, CheckConstraint("state IN ('active', 'paused')"), nullable=False),
    Column("sandbox", Boolean, nullable=False, server_default=text("false")),
    Column("campaigns", ARRAY(Text), comment="those it may give to; NULL: all"),
    Column("organisation_id", Text),
    Column("contact", Text, comment="whom the federation calls"),
    Column("paused_reason", Text),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    CheckConstraint("state = 'paused' OR paused_reason IS NULL", name="channels_paused_reason"),
)

channel_keys = Table(
    "channel_keys",
    metadata,
    Column("channel", Text, ForeignKey("channels.channel"), primary_key=True),
    Column("purpose", Text, CheckConstraint("purpose IN ('signing','platform','apiv3')"), primary_key=True),
    Column("key_id", Text, primary_key=True, comment="the scheme's own name of it"),
    Column(
        "sealed", LargeBinary, nullable=False, comment="AES-256-GCM, see shared/secret_box.py; empty: ended"
    ),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column(
        "valid_until", DateTime(timezone=True), comment="set when another replaces it, or by its certificate"
    ),
    Column("fingerprint", Text, comment="to tell keys apart; says nothing of a secret"),
    Column("created_by", Text),
)

sandbox_messages = Table(
    "sandbox_messages",
    metadata,
    Column("message_id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel", Text, ForeignKey("channels.channel"), nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('donation', 'reversal')"), nullable=False),
    Column("subject", Uuid, nullable=False, unique=True, comment="donation_id or reversal_id"),
    Column("donation_id", Uuid, nullable=False),
    Column(
        "amount_fen", BigInteger, CheckConstraint("amount_fen BETWEEN 1 AND 10000000000000"), nullable=False
    ),
    Column("digest", LargeBinary, nullable=False),
    Column("state", Text, CheckConstraint("state IN ('taken', 'held', 'asked-again')"), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Index("sandbox_messages_of", "channel", "message_id"),
    Index("sandbox_messages_donation", "donation_id"),
    comment="no money: what partners try out; pruned",
)

channel_changes = Table(
    "channel_changes",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel", Text, ForeignKey("channels.channel"), nullable=False),
    Column("person", Text, nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column(
        "what",
        Text,
        CheckConstraint("what IN ('registered','changed','paused','resumed','key-added','key-revoked')"),
        nullable=False,
    ),
    Column("detail", JSONB, nullable=False, comment="from what to what; never a secret"),
    Index("channel_changes_of", "channel", "change_id"),
    comment="append-only: a trigger refuses UPDATE and DELETE",
)
