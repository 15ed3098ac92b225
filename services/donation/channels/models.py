"""The tables of channels and their keys."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    Text,
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
    Column("contact", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)

channel_keys = Table(
    "channel_keys",
    metadata,
    Column("channel", Text, ForeignKey("channels.channel"), primary_key=True),
    Column("purpose", Text, CheckConstraint("purpose IN ('signing','platform','apiv3')"), primary_key=True),
    Column("key_id", Text, primary_key=True, comment="the scheme's own name of it"),
    Column("sealed", LargeBinary, nullable=False, comment="AES-256-GCM, see shared/secret_box.py"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("valid_until", DateTime(timezone=True), comment="set when another replaces it"),
)
