"""Tables of what was shown. A rebuild leaves them alone: what was on a screen was there."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Table,
    Text,
    text,
)

from services.reporting.models import UTC_TIME, metadata

shown_sources: Final = Table(
    "shown_sources",
    metadata,
    Column("sources_id", Text, primary_key=True, comment="SHA-256 of the names"),
    Column("sources", ARRAY(Text), nullable=False),
)
"""The names that positions are of: some hundreds of bytes that ten rows a second would repeat."""

shown_states: Final = Table(
    "shown_states",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("digest", Text(collation="C"), CheckConstraint("digest ~ '^[0-9a-f]{64}$'"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("as_of", UTC_TIME, nullable=False),
    Column("received_fen", BigInteger, nullable=False),
    Column("reversed_fen", BigInteger, nullable=False),
    Column("promised_fen", BigInteger, nullable=False),
    Column("disbursed_fen", BigInteger, nullable=False),
    Column("returned_fen", BigInteger, nullable=False),
    Column("donations", BigInteger, nullable=False),
    Column("sources_id", Text, ForeignKey("shown_sources.sources_id"), nullable=False),
    Column("sequences", ARRAY(BigInteger), nullable=False),
    Column("pinned", Boolean, nullable=False, server_default=text("false")),
    Index("shown_states_by_age", "as_of", postgresql_where=text("NOT pinned")),
)
"""One row for each number with its proof. Pinned: a screen was frozen or held at it; kept for ever."""
