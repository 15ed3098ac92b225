"""The tables of organisations. No circle can be written: each stands one level below the one above it."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

from services.campaign.models import UTC_TIME, metadata
from services.campaign.organisations.hierarchy import MAX_DEPTH

organisations: Final = Table(
    "organisations",
    metadata,
    Column("organisation_id", Text, primary_key=True),
    Column("parent_id", Text),
    Column("depth", SmallInteger, nullable=False),
    Column("parent_depth", SmallInteger),
    Column("version", BigInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("name_en", Text),
    Column("licence", Text),
    Column("contact", Text),
    Column("query_method", Text),
    Column("registered_at", UTC_TIME, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    UniqueConstraint("name", name="organisations_name"),
    UniqueConstraint("organisation_id", "depth", name="organisations_place"),
    ForeignKeyConstraint(
        ["parent_id", "parent_depth"],
        ["organisations.organisation_id", "organisations.depth"],
        name="organisations_parent",
    ),
    CheckConstraint(f"depth BETWEEN 1 AND {MAX_DEPTH}", name="organisations_depth"),
    CheckConstraint(
        "CASE WHEN parent_id IS NULL THEN depth = 1 AND parent_depth IS NULL"
        " ELSE parent_depth IS NOT NULL AND depth = parent_depth + 1 END",
        name="organisations_one_level_below",
    ),
    CheckConstraint("version >= 1", name="organisations_version"),
    Index("organisations_below", "parent_id"),
)

organisation_changes: Final = Table(
    "organisation_changes",
    metadata,
    Column("organisation_id", Text, ForeignKey("organisations.organisation_id"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_en", Text),
    Column("licence", Text),
    Column("contact", Text),
    Column("query_method", Text),
    Column("person", Text, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
)
"""What the register said in each version, and who wrote it."""
