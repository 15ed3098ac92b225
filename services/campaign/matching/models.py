"""The tables of the matching gifts. One that counts and was seen by one person can't be written."""

from typing import Final, get_args

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)

from services.campaign.matching.rules import MatchState
from services.campaign.models import UTC_TIME, amount, metadata, one_of
from services.campaign.pledges.rules import Display

matches: Final = Table(
    "matches",
    metadata,
    Column("match_id", Uuid, primary_key=True),
    # The campaign that what is matched is promised to.
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("company", Text, nullable=False),
    Column("display", Text, nullable=False),
    Column("shown_name", Text, nullable=False),
    Column("ratio_bp", Integer, nullable=False),
    Column("cap_fen", BigInteger, nullable=False),
    Column("window_start", UTC_TIME, nullable=False),
    Column("window_end", UTC_TIME, nullable=False),
    Column("agreement", Text, nullable=False),
    Column("agreed_on", Date, nullable=False),
    Column("entered_by", Text, nullable=False),
    Column("entered_at", UTC_TIME, nullable=False),
    Column("confirmed_by", Text),
    Column("confirmed_at", UTC_TIME),
    Column("cancelled_by", Text),
    Column("cancelled_at", UTC_TIME),
    Column("cancel_reason", Text),
    Column("due_on", Date),
    Column("closing_by", Text),
    Column("closing_at", UTC_TIME),
    Column("closed_by", Text),
    Column("closed_at", UTC_TIME),
    # What it came to when it was closed, and the pledge that this became; no pledge of nothing.
    Column("closed_fen", BigInteger),
    Column("pledge_id", Uuid, ForeignKey("pledges.pledge_id"), unique=True),
    CheckConstraint(one_of("state", MatchState), name="matches_state"),
    CheckConstraint("version >= 1", name="matches_version"),
    CheckConstraint(one_of("display", get_args(Display)), name="matches_display"),
    CheckConstraint("ratio_bp BETWEEN 1 AND 100000", name="matches_ratio"),
    CheckConstraint(amount("cap_fen"), name="matches_cap"),
    CheckConstraint("window_end > window_start", name="matches_window"),
    CheckConstraint(
        "(state IN ('confirmed', 'closing', 'closed')) = (confirmed_by IS NOT NULL)"
        " AND (confirmed_by IS NULL) = (confirmed_at IS NULL)",
        name="matches_confirmed",
    ),
    CheckConstraint(
        "num_nonnulls(cancelled_by, cancelled_at, cancel_reason)"
        " = CASE state WHEN 'cancelled' THEN 3 ELSE 0 END",
        name="matches_cancelled",
    ),
    CheckConstraint(
        "num_nonnulls(closing_by, closing_at, due_on)"
        " = CASE WHEN state IN ('closing', 'closed') THEN 3 ELSE 0 END"
        " AND num_nonnulls(closed_by, closed_at, closed_fen)"
        " = CASE state WHEN 'closed' THEN 3 ELSE 0 END",
        name="matches_closed",
    ),
    CheckConstraint(
        "confirmed_by <> entered_by AND closed_by <> closing_by AND closed_at >= window_end",
        name="matches_two_people",
    ),
    CheckConstraint(
        "closed_fen BETWEEN 0 AND cap_fen AND (coalesce(closed_fen, 0) > 0) = (pledge_id IS NOT NULL)",
        name="matches_capped",
    ),
    Index("matches_of_campaign", "campaign_id", "match_id"),
)
"""What a company adds to what others give. Its terms are never changed: a wrong one is cancelled."""

match_campaigns: Final = Table(
    "match_campaigns",
    metadata,
    Column("match_id", Uuid, ForeignKey("matches.match_id"), primary_key=True),
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), primary_key=True),
    Index("match_campaigns_matched", "campaign_id", "match_id"),
)
"""The campaigns whose donations are matched."""

match_sums: Final = Table(
    "match_sums",
    metadata,
    Column("match_id", Uuid, ForeignKey("matches.match_id"), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("received_fen", BigInteger, nullable=False),
    Column("reversed_fen", BigInteger, nullable=False),
    CheckConstraint("received_fen >= 0 AND reversed_fen >= 0", name="match_sums_sums"),
)
"""What was given in a match's window, and what of that went back: a row a source, workers never meet."""
