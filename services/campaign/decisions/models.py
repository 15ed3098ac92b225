"""The table of the decisions. One that has an effect and was made by one person can't be written."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Table,
    Text,
    Uuid,
    text,
)

from services.campaign.decisions.rules import DecisionKind, DecisionState
from services.campaign.models import amount, metadata, one_of
from services.campaign.two_people import asked_and_decided

campaign_decisions: Final = Table(
    "campaign_decisions",
    metadata,
    Column("decision_id", Uuid, primary_key=True),
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("decided_on", Date, nullable=False),
    Column("resolution", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("bureau_reference", Text),
    Column("public_statement", Text, nullable=False),
    Column("uses_before", ARRAY(Text)),
    Column("uses_after", ARRAY(Text)),
    Column("to_campaign_id", Text, ForeignKey("campaigns.campaign_id")),
    Column("moved_fen", BigInteger),
    *asked_and_decided("campaign_decisions", waiting=DecisionState.ASKED, done=DecisionState.DECIDED),
    Column("withdraw_reason", Text),
    CheckConstraint(one_of("kind", DecisionKind), name="campaign_decisions_kind"),
    CheckConstraint(one_of("state", DecisionState), name="campaign_decisions_state"),
    CheckConstraint("version >= 1", name="campaign_decisions_version"),
    CheckConstraint(
        "(kind = 'change_of_use') = (uses_after IS NOT NULL)"
        " AND (uses_before IS NULL) = (uses_after IS NULL) AND cardinality(uses_after) > 0 IS NOT FALSE"
        " AND (kind <> 'change_of_use' OR bureau_reference IS NOT NULL)",
        name="campaign_decisions_uses",
    ),
    CheckConstraint(
        "(kind = 'remainder') = (to_campaign_id IS NOT NULL)"
        " AND (to_campaign_id <> campaign_id) IS NOT FALSE",
        name="campaign_decisions_to",
    ),
    CheckConstraint(
        "(kind = 'remainder' AND state = 'decided') = (moved_fen IS NOT NULL)"
        f" AND ({amount('moved_fen')}) IS NOT FALSE",
        name="campaign_decisions_moved",
    ),
    CheckConstraint(
        "(state = 'withdrawn') = (withdraw_reason IS NOT NULL)", name="campaign_decisions_withdrawn"
    ),
    Index("campaign_decisions_of_campaign", "campaign_id", "decision_id"),
    Index(
        "campaign_decisions_one_waits",
        "campaign_id",
        "kind",
        unique=True,
        postgresql_where=text("state = 'asked'"),
    ),
)
"""What was decided about a campaign's money, by whom, on what day and why: the trace of art. 56 and 58."""
