"""Tables of the screens. A rebuild leaves them alone: they are decided here and counted from no topic."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.reporting.models import UTC_TIME, metadata
from shared.idempotency import idempotency_keys_table

idempotency_keys: Final = idempotency_keys_table(metadata)


def _one_of(name: str, *values: str, table: str, **options: Any) -> list[Any]:
    listed = ", ".join(f"'{value}'" for value in values)
    check = CheckConstraint(f"{name} IN ({listed})", name=f"{table}_{name}")
    return [Column(name, Text, nullable=False, **options), check]


screens: Final = Table(
    "screens",
    metadata,
    Column("screen_id", Text, CheckConstraint("screen_id <> ''"), primary_key=True),
    Column("title", Text, CheckConstraint("title <> ''"), nullable=False),
    # For ever: a page that was opened for one campaign never shows another's number.
    Column("campaign_id", Text, nullable=False),
    *_one_of("layout", "hall", "wide", "lower", "phone", table="screens"),
    *_one_of("format", "full", "wan", table="screens"),
    *_one_of("language", "zh", "en", table="screens"),
    *_one_of("policy", "at_once", "held", table="screens"),
    *_one_of("control", "live", "frozen", "hidden", table="screens", server_default="live"),
    Column("rehearsal", Boolean, nullable=False, server_default=text("false")),
    Column("rehearsal_campaign_id", Text),
    Column("rehearsal_since", UTC_TIME),
    Column("frozen", JSONB(none_as_null=True), comment="the state a frozen screen stays at, without names"),
    Column(
        "kept",
        JSONB(none_as_null=True),
        comment="the highest state on the record of this segment, without names",
    ),
    Column("pending", Boolean, nullable=False, server_default=text("false")),
    Column("segment", BigInteger, nullable=False, server_default="1"),
    Column("sequence", BigInteger, nullable=False, server_default="1"),
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("link_hash", LargeBinary, comment="SHA-256 of the link's token; empty: revoked"),
    Column("link_issued_at", UTC_TIME),
    Column("created_at", UTC_TIME, nullable=False, server_default=text("now()")),
    CheckConstraint("octet_length(link_hash) = 32", name="screens_link"),
    CheckConstraint("(control = 'frozen') = (frozen IS NOT NULL)", name="screens_frozen"),
    CheckConstraint("kept IS NOT NULL OR NOT pending", name="screens_pending"),
    CheckConstraint("rehearsal = (rehearsal_since IS NOT NULL)", name="screens_rehearsing"),
    CheckConstraint("rehearsal OR rehearsal_campaign_id IS NULL", name="screens_rehearsed"),
    Index("screens_links", "link_hash", unique=True),
    Index("screens_by_campaign", "campaign_id"),
)

screen_sightings: Final = Table(
    "screen_sightings",
    metadata,
    Column("screen_id", Text, ForeignKey("screens.screen_id"), primary_key=True),
    Column("seen_at", UTC_TIME, nullable=False),
)
"""When a screen was last connected, by any process."""

screen_changes: Final = Table(
    "screen_changes",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("screen_id", Text, ForeignKey("screens.screen_id"), nullable=False),
    Column("person", Text, nullable=False, comment="shanliu: the on-air policy itself"),
    Column("changed_at", UTC_TIME, nullable=False, server_default=text("now()")),
    Column("action", Text, CheckConstraint("action <> ''"), nullable=False),
    Column("reason", Text, nullable=False),
    Column("version_before", BigInteger),
    Column("version_after", BigInteger),
    Column("net_before_fen", BigInteger),
    Column("net_after_fen", BigInteger),
    Column("detail", JSONB, nullable=False, server_default="{}", comment="never a link"),
    Index("screen_changes_of", "screen_id", "change_id"),
    comment="append-only: a trigger refuses UPDATE and DELETE",
)
"""What was shown before and after each act, who did it and why; for a held reversal both numbers."""
