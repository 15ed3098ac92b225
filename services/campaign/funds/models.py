"""The tables of the funds. Money that moved and was decided by one person can't be written."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.campaign.funds.named import TermsState
from services.campaign.funds.splitting import WHOLE_BP, SplitState
from services.campaign.funds.transfers import TransferKind, TransferState
from services.campaign.models import UTC_TIME, amount, metadata, one_of
from services.campaign.two_people import asked_and_decided

fund_transfers: Final = Table(
    "fund_transfers",
    metadata,
    Column("transfer_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("from_campaign_id", Text, ForeignKey("funds.campaign_id"), nullable=False),
    # NULL: the money left the books, to a trustee.
    Column("to_campaign_id", Text, ForeignKey("funds.campaign_id")),
    Column("amount_fen", BigInteger, nullable=False),
    Column("decided_on", Date, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reference", Text),
    Column("trustee", Text),
    Column("trust", Text),
    # What it belongs to: the decision on a remainder, or the split of a donation.
    Column("decision_id", Uuid),
    Column("split_id", Uuid),
    Column("donation_id", Uuid),
    *asked_and_decided("fund_transfers", waiting=TransferState.ASKED, done=TransferState.APPROVED),
    Column("withdraw_reason", Text),
    CheckConstraint(one_of("kind", TransferKind), name="fund_transfers_kind"),
    CheckConstraint(one_of("state", TransferState), name="fund_transfers_state"),
    CheckConstraint("version >= 1", name="fund_transfers_version"),
    CheckConstraint(amount("amount_fen"), name="fund_transfers_amount"),
    CheckConstraint("to_campaign_id <> from_campaign_id", name="fund_transfers_two_funds"),
    CheckConstraint(
        "(kind = 'trust') = (to_campaign_id IS NULL)"
        " AND num_nonnulls(trustee, trust) = CASE kind WHEN 'trust' THEN 2 ELSE 0 END",
        name="fund_transfers_trust",
    ),
    CheckConstraint("kind <> 'remainder' OR decision_id IS NOT NULL", name="fund_transfers_remainder"),
    CheckConstraint(
        "(kind <> 'split' OR split_id IS NOT NULL) AND (split_id IS NULL) = (donation_id IS NULL)",
        name="fund_transfers_split",
    ),
    CheckConstraint("(state = 'withdrawn') = (withdraw_reason IS NOT NULL)", name="fund_transfers_withdrawn"),
    # The guardrail sums these in each approval.
    Index("fund_transfers_out", "from_campaign_id", "state", postgresql_include=["amount_fen"]),
    Index("fund_transfers_in", "to_campaign_id", "state", postgresql_include=["amount_fen"]),
    Index(
        "fund_transfers_decision", "decision_id", unique=True, postgresql_where=text("state <> 'withdrawn'")
    ),
    Index("fund_transfers_of_split", "split_id", postgresql_where=text("split_id IS NOT NULL")),
)
"""Money that changed its fund, or is asked to. It is corrected by another transfer, never changed."""

named_funds: Final = Table(
    "named_funds",
    metadata,
    Column("campaign_id", Text, ForeignKey("funds.campaign_id"), primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("state", Text, nullable=False),
    Column("name", Text, nullable=False),
    # The donor stays in this service; the name of the fund is what is shown.
    Column("donor", Text, nullable=False),
    Column("wish", Text, nullable=False),
    Column("agreement", Text, nullable=False),
    Column("signed_on", Date, nullable=False),
    Column("idle_after_days", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    *asked_and_decided("named_funds", waiting=TermsState.ASKED, done=TermsState.CONFIRMED),
    CheckConstraint(one_of("state", TermsState), name="named_funds_state"),
    CheckConstraint("version >= 1", name="named_funds_version"),
    CheckConstraint("idle_after_days BETWEEN 1 AND 3660", name="named_funds_idle"),
    Index("named_funds_one_waits", "campaign_id", unique=True, postgresql_where=text("state = 'asked'")),
)
"""Every version of a named fund's terms. The newest confirmed one stands."""

split_donations: Final = Table(
    "split_donations",
    metadata,
    Column("donation_id", Uuid, primary_key=True),
    # The day on which it came in, as whoever asks says: from there the log is read.
    Column("received_on", Date, nullable=False),
    Column("asked_at", UTC_TIME, nullable=False),
    Column("searched_at", UTC_TIME),
    Column("source", Text),
    Column("sequence", BigInteger),
    Column("campaign_id", Text),
    Column("amount_fen", BigInteger),
    CheckConstraint(
        "num_nonnulls(source, sequence, campaign_id, amount_fen) IN (0, 4)", name="split_donations_read"
    ),
    CheckConstraint(amount("amount_fen"), name="split_donations_amount"),
    Index("split_donations_wanted", "searched_at", postgresql_where=text("source IS NULL")),
)
"""Donations that are, or were, to be split, as the log of donation events says them."""

split_reversals: Final = Table(
    "split_reversals",
    metadata,
    Column("source", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
    Column("donation_id", Uuid, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("reversed_on", Date, nullable=False),
    Column("noted_at", UTC_TIME, nullable=False),
    CheckConstraint(amount("amount_fen"), name="split_reversals_amount"),
    Index("split_reversals_of_donation", "donation_id", postgresql_include=["amount_fen"]),
)
"""Every reversal of such a donation, by its position. No foreign key: money must not wait for one."""

donation_splits: Final = Table(
    "donation_splits",
    metadata,
    Column("split_id", Uuid, primary_key=True),
    Column("donation_id", Uuid, ForeignKey("split_donations.donation_id"), nullable=False),
    Column("campaign_id", Text, ForeignKey("funds.campaign_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("decided_on", Date, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reference", Text),
    # What was left of the donation at the approval; the parts add up to it (trigger donation_splits_whole).
    Column("left_fen", BigInteger),
    # Reversals of the donation, in fen, that the parts have taken account of.
    Column("settled_fen", BigInteger),
    *asked_and_decided("donation_splits", waiting=SplitState.ASKED, done=SplitState.APPROVED),
    Column("withdraw_reason", Text),
    CheckConstraint(one_of("state", SplitState), name="donation_splits_state"),
    CheckConstraint("version >= 1", name="donation_splits_version"),
    CheckConstraint(amount("left_fen"), name="donation_splits_left"),
    CheckConstraint("settled_fen >= 0", name="donation_splits_settled"),
    CheckConstraint(
        "num_nonnulls(left_fen, settled_fen) = CASE state WHEN 'approved' THEN 2 ELSE 0 END",
        name="donation_splits_approved",
    ),
    CheckConstraint(
        "(state = 'withdrawn') = (withdraw_reason IS NOT NULL)", name="donation_splits_withdrawn"
    ),
    Index("donation_splits_once", "donation_id", unique=True, postgresql_where=text("state <> 'withdrawn'")),
    Index("donation_splits_of_campaign", "campaign_id", "split_id"),
)
"""Donations that are split over several funds, or asked to be; one split each."""

donation_split_parts: Final = Table(
    "donation_split_parts",
    metadata,
    Column("split_id", Uuid, ForeignKey("donation_splits.split_id"), primary_key=True),
    Column("place", SmallInteger, primary_key=True, autoincrement=False),
    Column("campaign_id", Text, ForeignKey("funds.campaign_id"), nullable=False),
    Column("amount_fen", BigInteger),
    Column("share_bp", Integer),
    Column("given_fen", BigInteger),
    CheckConstraint("num_nonnulls(amount_fen, share_bp) = 1", name="donation_split_parts_one"),
    CheckConstraint(amount("amount_fen"), name="donation_split_parts_amount"),
    CheckConstraint(f"share_bp BETWEEN 1 AND {WHOLE_BP}", name="donation_split_parts_share"),
    CheckConstraint("given_fen >= 0", name="donation_split_parts_given"),
    UniqueConstraint("split_id", "campaign_id", name="donation_split_parts_once"),
)
"""What each fund is to have of a donation, and since the approval has."""
