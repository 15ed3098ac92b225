"""Tables of the projection. Everything here can be counted again from the topics (rebuilding/).

No foreign key joins the totals to `campaigns`: both come from different topics, and a donation may be read
before the launch of its campaign is. Every counting row carries the source it counts, so that two workers
never meet on a row (facts: 79k against 32k updates/s on a hot campaign); readers add the rows up.
"""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)

from shared.positions import marks_table

metadata: Final = MetaData()

marks: Final = marks_table(metadata)

UTC_TIME: Final = DateTime(timezone=True)


def _count(name: str) -> Column[int]:
    """A number of donations or an amount in fen: starts at 0 and only grows."""
    return Column(name, BigInteger, CheckConstraint(f"{name} >= 0"), nullable=False, server_default="0")


def _named(name: str, *values: str, table: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{name} IN ({listed})", name=f"{table}_{name}")


def _filled(name: str, **options: Any) -> Column[str]:
    return Column(name, Text, CheckConstraint(f"{name} <> ''"), nullable=False, **options)


campaigns: Final = Table(
    "campaigns",
    metadata,
    _filled("campaign_id", primary_key=True),
    Column("status", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # What Charity Law art. 25 wants shown prominently: organisation, licence, filing, contact, query method.
    _filled("title"),
    Column("title_en", Text),
    # No foreign key: an organisation's event may be read after its campaign's.
    Column("organisation_id", Text),
    _filled("organisation"),
    _filled("licence"),
    Column("filing_number", Text),
    _filled("contact"),
    _filled("query_method"),
    Column("purpose", Text, nullable=False),
    Column("goal_fen", BigInteger, CheckConstraint("goal_fen >= 0"), nullable=False),
    Column("milestones_fen", ARRAY(BigInteger), nullable=False),
    Column("window_start", UTC_TIME, nullable=False),
    Column("window_end", UTC_TIME, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    Column("filing_due_on", Date),
    Column("parent_id", Text),
    Column("part_kind", Text),
    CheckConstraint("(parent_id IS NULL) = (part_kind IS NULL)", name="campaigns_part"),
    Index("campaigns_parts", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    _named("status", "filed", "launched", "paused", "closed", "settled", table="campaigns"),
)
"""What the screen must show of a campaign (Charity Law art. 25)."""

organisations: Final = Table(
    "organisations",
    metadata,
    _filled("organisation_id", primary_key=True),
    Column("parent_id", Text),
    Column("version", BigInteger, CheckConstraint("version >= 1"), nullable=False),
    _filled("name"),
    Column("name_en", Text),
    Column("licence", Text),
    Column("contact", Text),
    Column("query_method", Text),
)
"""The federation: what its campaigns have rolls up it."""

reached_milestones: Final = Table(
    "reached_milestones",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("milestone_fen", BigInteger, CheckConstraint("milestone_fen > 0"), primary_key=True),
    Column("reached_at", UTC_TIME, nullable=False),
)

campaign_totals: Final = Table(
    "campaign_totals",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    _count("received_fen"),
    _count("reversed_fen"),
    _count("donations"),
    _count("reversals"),
    _count("held"),
    _count("held_fen"),
    _count("released"),
    _count("released_fen"),
    _count("conflicts"),
    # Rows are updated many times a second and never grow: free space keeps the updates on their page (HOT).
    postgresql_with={
        "fillfactor": 50,
        "autovacuum_vacuum_scale_factor": 0,
        "autovacuum_vacuum_threshold": 1000,
    },
)
"""One row per campaign, channel and source. net = received - reversed; open = held - released."""

minute_totals: Final = Table(
    "minute_totals",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("minute", UTC_TIME, CheckConstraint("date_trunc('minute', minute) = minute"), primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    _count("received_fen"),
    _count("reversed_fen"),
    _count("donations"),
    _count("reversals"),
    postgresql_with={"fillfactor": 70},
)
"""By the minute the donor gave (occurred_at); a reversal is booked on its donation's minute."""

arrivals: Final = Table(
    "arrivals",
    metadata,
    Column("minute", UTC_TIME, CheckConstraint("date_trunc('minute', minute) = minute"), primary_key=True),
    Column("campaign_id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    _count("received_fen"),
    _count("donations"),
    postgresql_with={"fillfactor": 70},
)
"""By the minute the donation reached us (received_at): the pace. Kept for two days."""

recent_donors: Final = Table(
    "recent_donors",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("donation_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("donor_kind", Text, nullable=False),
    # NULL: the donor did not agree to be shown (art. 82). No other name ever reaches this service.
    Column("shown_name", Text),
    Column("amount_fen", BigInteger, CheckConstraint("amount_fen > 0"), nullable=False),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    _named("donor_kind", "person", "company", table="recent_donors"),
    postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
)
"""The newest 20 donations of each campaign and source, with the names that may be shown."""

messages: Final = Table(
    "messages",
    metadata,
    Column("message_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    # NULL: the donor did not agree to be shown (art. 82).
    Column("shown_name", Text),
    _filled("text"),
    Column("approved_at", UTC_TIME, nullable=False),
    Index("messages_newest", "campaign_id", "approved_at", "message_id"),
)
"""The newest 200 messages of each campaign that a moderator approved: a screen gets 50, the others follow
when some of these are withdrawn. Touched by their own events only."""

dropped_donors: Final = Table(
    "dropped_donors",
    metadata,
    Column("donation_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("dropped_at", UTC_TIME, nullable=False, server_default=text("now()")),
    Index("dropped_donors_newest", "campaign_id", "dropped_at"),
)
"""Donations that were reversed, or whose donors are not to be named any more, and must leave every list of
names. A table of its own: either may be read before the donation is, and by another worker. Kept for as long
as a donation can be among the newest."""

erased_donors: Final = Table(
    "erased_donors",
    metadata,
    Column("donation_id", Uuid, primary_key=True),
)
"""Donations of whose donors nothing is to be known any more (erasing.py)."""

company_gifts: Final = Table(
    "company_gifts",
    metadata,
    Column("donation_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    # NULL: its reversal was read before it, or it is nobody's who is ranked.
    Column("company", Text, CheckConstraint("company <> ''")),
    Column("received_fen", BigInteger, CheckConstraint("received_fen >= 0"), nullable=False),
    Column("reversed_fen", BigInteger, CheckConstraint("reversed_fen >= 0"), nullable=False),
    Column("withdrawals", BigInteger, CheckConstraint("withdrawals >= 0"), nullable=False),
)
"""Each gift of a company that agreed to be named, with what went back of it; and reversals of others."""

company_totals: Final = Table(
    "company_totals",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("company", Text(collation="C"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("net_fen", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 70},
)
"""As the version before wrote it; what it still writes while it is being replaced a trigger carries over to
company_sums (migration 0015)."""

company_sums: Final = Table(
    "company_sums",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("company", Text(collation="C"), primary_key=True),
    Column("net_fen", BigInteger, nullable=False),
    Index(
        "company_sums_first",
        "campaign_id",
        text("net_fen DESC"),
        "company",
        postgresql_where=text("net_fen > 0"),
    ),
)
"""What the gifts of a company come to. The first of a campaign are read by the index, however many there
are."""

pledges: Final = Table(
    "pledges",
    metadata,
    Column("pledge_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    _filled("company"),
    Column("amount_fen", BigInteger, CheckConstraint("amount_fen > 0"), nullable=False),
    Column("due_on", Date, nullable=False),
    Column("promised_at", UTC_TIME, nullable=False),
    _count("released_fen"),
    Index("pledges_by_campaign", "campaign_id", postgresql_include=["amount_fen"]),
)
"""Promised in public (art. 41). Never added to what was received."""

disbursements: Final = Table(
    "disbursements",
    metadata,
    Column("disbursement_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("amount_fen", BigInteger, CheckConstraint("amount_fen > 0"), nullable=False),
    _filled("use"),
    Column("beneficiaries", BigInteger, CheckConstraint("beneficiaries >= 0"), nullable=False),
    Column("beneficiary_unit", Text, nullable=False),
    Column("paid_at", UTC_TIME, nullable=False),
    _count("returned_fen"),
    _named("beneficiary_unit", "person_times", "households", "schools", table="disbursements"),
    Index("disbursements_by_campaign", "campaign_id", postgresql_include=["amount_fen", "returned_fen"]),
)
"""Money that went out, and what came back of it. Never subtracted from what was received."""

goods_movements: Final = Table(
    "goods_movements",
    metadata,
    Column("movement_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("value_fen", BigInteger, CheckConstraint("value_fen > 0"), nullable=False),
    Column("happened_on", Date, nullable=False),
    # NULL: the donor did not agree to be shown (art. 82), or it is no gift.
    Column("shown_name", Text),
    Column("use", Text),
    Column("beneficiaries", BigInteger, CheckConstraint("beneficiaries >= 0")),
    Column("beneficiary_unit", Text),
    _named("kind", "received", "reversed", "distributed", "returned", "written_off", table="goods_movements"),
    Index("goods_movements_by_campaign", "campaign_id", "kind", postgresql_include=["value_fen"]),
)
"""Goods given in kind, at their stated values. Never added to money."""

dead_letters: Final = Table(
    "dead_letters",
    metadata,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, CheckConstraint("partition >= 0"), primary_key=True),
    Column("record_offset", BigInteger, CheckConstraint("record_offset >= 0"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", UTC_TIME, nullable=False),
    Index("dead_letters_by_time", "at"),
)
"""Where each unusable record lies and why it could not be used; not its content."""

gaps: Final = Table(
    "gaps",
    metadata,
    Column("source", Text, primary_key=True),
    Column("awaited_sequence", BigInteger, nullable=False),
    Column("out_of_order", BigInteger, CheckConstraint("out_of_order > 0"), nullable=False),
    Column("first_seen_at", UTC_TIME, nullable=False),
    Column("last_seen_at", UTC_TIME, nullable=False),
)
"""Events that came too early. A gap is open while the source's mark is below awaited_sequence."""

reports: Final = Table(
    "reports",
    metadata,
    Column("report_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("campaign_id", Text),
    Column("organisation_id", Text),
    _filled("organisation"),
    _filled("title"),
    Column("period_from", Date, nullable=False),
    Column("period_to", Date, nullable=False),
    Column("revision", Integer, CheckConstraint("revision >= 1"), nullable=False),
    Column("corrects", Uuid),
    Column("corrected_by", Uuid),
    Column("reason", Text),
    # The bytes as they were frozen: their SHA-256 is the digest.
    _filled("content"),
    Column("digest", Text, CheckConstraint("digest ~ '^[0-9a-f]{64}$'"), nullable=False),
    Column("published_at", UTC_TIME, nullable=False),
    _named("kind", "emergency", "quarterly", "final", "annual", table="reports"),
    Index("reports_newest", "published_at", "report_id"),
)
"""Published reports (信息公开). One that was corrected stays, and names the one in its place."""

report_files: Final = Table(
    "report_files",
    metadata,
    Column("report_id", Uuid, primary_key=True),
    Column("format", Text, primary_key=True),
    Column("corrected", Boolean, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    _named("format", "xlsx", "pdf", table="report_files"),
)
"""Files made of reports, each once; one that says it was corrected is another."""

PROJECTION: Final = tuple(metadata.sorted_tables)
"""Everything a rebuild makes anew."""
