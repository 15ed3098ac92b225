"""Tables of the themes. A rebuild leaves them alone: they are decided here and counted from no topic."""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from services.reporting.models import UTC_TIME, metadata

themes: Final = Table(
    "themes",
    metadata,
    Column("campaign_id", Text, CheckConstraint("campaign_id <> ''"), primary_key=True),
    Column("version", BigInteger, CheckConstraint("version >= 1"), primary_key=True),
    Column("theme", JSONB, nullable=False),
    Column("changed_by", Text, CheckConstraint("changed_by <> ''"), nullable=False),
    Column("changed_at", UTC_TIME, nullable=False, server_default=text("now()")),
)
"""Every theme there was: a row is added and never changed. The highest version holds."""

theme_pictures: Final = Table(
    "theme_pictures",
    metadata,
    Column("campaign_id", Text, CheckConstraint("campaign_id <> ''"), primary_key=True),
    Column("digest", Text, CheckConstraint("digest ~ '^[0-9a-f]{64}$'"), primary_key=True),
    Column("media_type", Text, nullable=False),
    Column("content", LargeBinary, CheckConstraint("octet_length(content) <= 200000"), nullable=False),
    Column("sent_by", Text, CheckConstraint("sent_by <> ''"), nullable=False),
    Column("sent_at", UTC_TIME, nullable=False, server_default=text("now()")),
    CheckConstraint("media_type IN ('image/png', 'image/jpeg', 'image/webp')", name="theme_pictures_type"),
)
"""Background pictures by the hash of their bytes."""
