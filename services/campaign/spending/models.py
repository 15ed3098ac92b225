"""The table of the disbursements. One that was approved by whoever asked for it can't be written."""

from typing import Final, get_args

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    Uuid,
)

from services.campaign.models import UTC_TIME, amount, metadata, one_of
from services.campaign.spending.rules import DisbursementState
from shared.events.campaigns import BeneficiaryUnit

disbursements: Final = Table(
    "disbursements",
    metadata,
    Column("disbursement_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("fund_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("use", Text, nullable=False),
    Column("payee", Text, nullable=False),
    Column("beneficiaries", Integer, nullable=False),
    Column("beneficiary_unit", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", UTC_TIME, nullable=False),
    Column("approved_by", Text),
    Column("approved_at", UTC_TIME),
    Column("paid_by", Text),
    Column("paid_at", UTC_TIME),
    ForeignKeyConstraint(
        ["campaign_id", "fund_id"], ["funds.campaign_id", "funds.fund_id"], name="disbursements_fund"
    ),
    CheckConstraint(one_of("state", DisbursementState), name="disbursements_state"),
    CheckConstraint("version >= 1", name="disbursements_version"),
    CheckConstraint(amount("amount_fen"), name="disbursements_amount"),
    CheckConstraint(one_of("beneficiary_unit", get_args(BeneficiaryUnit)), name="disbursements_unit"),
    CheckConstraint("beneficiaries BETWEEN 1 AND 2000000000", name="disbursements_beneficiaries"),
    CheckConstraint("approved_by <> requested_by", name="disbursements_two_people"),
    CheckConstraint(
        "(state = 'requested') = (approved_by IS NULL) AND (approved_by IS NULL) = (approved_at IS NULL)",
        name="disbursements_approved",
    ),
    CheckConstraint(
        "(state = 'paid') = (paid_by IS NOT NULL) AND (paid_by IS NULL) = (paid_at IS NULL)",
        name="disbursements_paid",
    ),
    Index("disbursements_of_campaign", "campaign_id", "disbursement_id"),
    Index("disbursements_spent", "fund_id", "state", postgresql_include=["amount_fen"]),
)
