"""Tables of the console: who may come in, who is in, who tries, and what was done. No number lies here."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata: Final = MetaData()
UTC_TIME: Final = DateTime(timezone=True)

accounts: Final = Table(
    "accounts",
    metadata,
    Column("account_id", Uuid, primary_key=True),
    Column("person", Text, nullable=False),
    # Of a local account (argon2id); null: comes in by the identity provider alone.
    Column("password_hash", Text),
    # Who the identity provider says it is: its own name of itself, and its name of the person.
    Column("issuer", Text),
    Column("subject", Text),
    Column("roles", ARRAY(Text), nullable=False),
    # Organisation → roles there and below.
    Column("grants", JSONB, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", UTC_TIME, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
)

sessions: Final = Table(
    "sessions",
    metadata,
    # SHA-256 of the cookie's key: whoever reads the table is not signed in by it.
    Column("key_hash", LargeBinary, primary_key=True),
    Column("account_id", Uuid, ForeignKey("accounts.account_id"), nullable=False),
    Column("way", Text, nullable=False),
    Column("opened_at", UTC_TIME, nullable=False),
    Column("seen_at", UTC_TIME, nullable=False),
    Column("ends_at", UTC_TIME, nullable=False),
)

attempts: Final = Table(
    "attempts",
    metadata,
    # Hashed: people type their password into the field for the name.
    Column("subject_hash", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", UTC_TIME, nullable=False),
    Column("blocked_until", UTC_TIME),
)

audit: Final = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UTC_TIME, nullable=False),
    Column("kind", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("address", Text, nullable=False),
    Column("method", Text),
    Column("service", Text),
    Column("path", Text),
    Column("status", SmallInteger),
    Column("idempotency_key", Text),
    Column("summary", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

audit_head: Final = Table(
    "audit_head",
    metadata,
    Column("one", Boolean, primary_key=True),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)
