"""The tables of the campaign service. A state that must not exist can't be written.

Amounts are BIGINT fen, times are UTC. The constraints repeat the rules of lifecycle.py and plan.py on
purpose: a repair by hand is held to them as well.
"""

from collections.abc import Iterable
from typing import Final, get_args

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.campaign.lifecycle import State
from services.campaign.milestones import ThresholdKind
from services.campaign.parts.rules import PartKind
from services.campaign.plan import REQUIRED_FIELDS
from shared.events.campaigns import CampaignKind
from shared.idempotency import idempotency_keys_table
from shared.money import MAX_AMOUNT_FEN
from shared.outbox import outbox_table
from shared.positions import marks_table

metadata: Final = MetaData()

UTC_TIME: Final = DateTime(timezone=True)


def one_of(column: str, values: Iterable[str]) -> str:
    """The condition that a column has one of the values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return f"{column} IN ({listed})"


def amount(column: str, least: int = 1) -> str:
    """A condition: the column is an amount in fen, `least` or more."""
    return f"{column} BETWEEN {least} AND {MAX_AMOUNT_FEN}"


campaigns: Final = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("title_en", Text),
    Column(
        "organisation_id", Text, ForeignKey("organisations.organisation_id", name="campaigns_organisation")
    ),
    Column("organisation", Text),
    Column("licence", Text),
    Column("filing_number", Text),
    Column("goal_fen", BigInteger),
    Column("milestones_fen", ARRAY(BigInteger), nullable=False),
    Column("purpose", Text),
    Column("window_start", UTC_TIME),
    Column("window_end", UTC_TIME),
    Column("area", Text),
    Column("responsible_person", Text),
    Column("account", Text),
    Column("beneficiaries", Text),
    Column("uses", ARRAY(Text), nullable=False),
    Column("cost_fen", BigInteger),
    Column("remainder", Text),
    Column("contact", Text),
    Column("query_method", Text),
    Column("created_at", UTC_TIME, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    Column("filed_at", UTC_TIME),
    Column("first_launched_at", UTC_TIME),
    Column("closed_at", UTC_TIME),
    Column("settled_at", UTC_TIME),
    # The days of the same facts in Asia/Shanghai, which may lie before their recording.
    Column("filed_on", Date),
    Column("launched_on", Date),
    Column("closed_on", Date),
    Column("settled_on", Date),
    Index("campaigns_of_organisation", "organisation_id", "campaign_id"),
    # A part (分活动) of another campaign. The two computed columns hold the depth: a parent is no part.
    Column("parent_id", Text),
    Column("part_kind", Text),
    Column("is_part", Boolean, Computed("parent_id IS NOT NULL", persisted=True), nullable=False),
    Column(
        "parent_is_part", Boolean, Computed("CASE WHEN parent_id IS NOT NULL THEN false END", persisted=True)
    ),
    UniqueConstraint("campaign_id", "is_part", name="campaigns_place"),
    ForeignKeyConstraint(
        ["parent_id", "parent_is_part"],
        ["campaigns.campaign_id", "campaigns.is_part"],
        name="campaigns_parent",
    ),
    CheckConstraint(
        "(parent_id IS NULL) = (part_kind IS NULL) AND (state <> 'filed' OR parent_id IS NULL)"
        f" AND ({one_of('part_kind', PartKind)}) IS NOT FALSE",
        name="campaigns_part",
    ),
    # A part runs under its parent's number.
    Index(
        "campaigns_filing_number", "filing_number", unique=True, postgresql_where=text("parent_id IS NULL")
    ),
    Index("campaigns_parts", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    CheckConstraint(one_of("kind", get_args(CampaignKind)), name="campaigns_kind"),
    CheckConstraint(one_of("state", State), name="campaigns_state"),
    CheckConstraint("version >= 1", name="campaigns_version"),
    CheckConstraint(amount("goal_fen"), name="campaigns_goal"),
    CheckConstraint(amount("cost_fen", 0), name="campaigns_cost"),
    CheckConstraint("window_end > window_start", name="campaigns_window"),
    CheckConstraint("(filing_number IS NULL) = (filed_at IS NULL)", name="campaigns_filed"),
    CheckConstraint(
        "CASE state WHEN 'draft' THEN filing_number IS NULL"
        " ELSE filing_number IS NOT NULL OR (kind = 'emergency_appeal' AND state <> 'filed') END",
        name="campaigns_no_launch_without_filing",
    ),
    CheckConstraint(
        "(state IN ('draft', 'filed')) = (first_launched_at IS NULL)", name="campaigns_first_launched"
    ),
    CheckConstraint("(state IN ('closed', 'settled')) = (closed_at IS NOT NULL)", name="campaigns_closed"),
    CheckConstraint(
        "(state = 'settled') = (settled_at IS NOT NULL)"
        " AND (state <> 'settled' OR filing_number IS NOT NULL)",
        name="campaigns_settled",
    ),
    CheckConstraint(
        "(filed_at IS NULL) = (filed_on IS NULL) AND (first_launched_at IS NULL) = (launched_on IS NULL)"
        " AND (closed_at IS NULL) = (closed_on IS NULL) AND (settled_at IS NULL) = (settled_on IS NULL)",
        name="campaigns_recorded_on",
    ),
    CheckConstraint("closed_on >= launched_on AND settled_on >= closed_on", name="campaigns_days"),
    CheckConstraint(
        "state = 'draft' OR (cardinality(uses) > 0 AND "
        + " AND ".join(f"{name} IS NOT NULL" for name in REQUIRED_FIELDS if name != "uses")
        + ")",
        name="campaigns_plan_complete",
    ),
)

campaign_changes: Final = Table(
    "campaign_changes",
    metadata,
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("action", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    # The day it happened, which may lie before its recording. NULL: from before days were kept.
    Column("happened_on", Date),
    Column("reason", Text),
    CheckConstraint(one_of("state", State), name="campaign_changes_state"),
)
"""Who brought a campaign to which version: the record that an audit asks for."""

funds: Final = Table(
    "funds",
    metadata,
    Column("fund_id", Uuid, primary_key=True),
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("created_at", UTC_TIME, nullable=False),
    UniqueConstraint("campaign_id", name="funds_one_a_campaign"),
    UniqueConstraint("campaign_id", "fund_id", name="funds_of_campaign"),
)
"""The money restricted to a campaign. Its row is the lock that the guardrail decides under."""

fund_receipts: Final = Table(
    "fund_receipts",
    metadata,
    # No foreign key: a sum for a campaign that isn't known here must not stop the money of all others.
    Column("campaign_id", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("received_fen", BigInteger, nullable=False),
    Column("reversed_fen", BigInteger, nullable=False),
    Column("donations", BigInteger, nullable=False),
    Column("reversals", BigInteger, nullable=False),
    CheckConstraint("received_fen >= 0 AND reversed_fen >= 0", name="fund_receipts_sums"),
    CheckConstraint("donations >= 0 AND reversals >= 0", name="fund_receipts_counts"),
)

thresholds: Final = Table(
    "thresholds",
    metadata,
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("threshold_fen", BigInteger, primary_key=True),
    Column("reached_at", UTC_TIME),
    CheckConstraint(one_of("kind", ThresholdKind), name="thresholds_kind"),
    CheckConstraint(amount("threshold_fen"), name="thresholds_amount"),
    Index("thresholds_one_goal", "campaign_id", unique=True, postgresql_where=text("kind = 'goal'")),
)
"""Goal and milestones of launched campaigns, and when each was announced."""

idempotency_keys: Final = idempotency_keys_table(metadata)
outbox: Final = outbox_table(metadata)
marks: Final = marks_table(metadata)
