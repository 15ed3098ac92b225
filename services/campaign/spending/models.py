"""The tables of spending. A disbursement that was approved by whoever asked for it can't be written.

The constraint on items calls items_fen (migration 0008), because a table can't look into a list by itself.
"""

from typing import Final, get_args

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.campaign.models import UTC_TIME, amount, metadata, one_of
from services.campaign.spending.budget import BudgetState
from services.campaign.spending.invoices import INVOICE_NUMBER, MAX_BYTES, MAX_INVOICES, SIGNATURES
from services.campaign.spending.rules import DisbursementState, ReturnState
from services.campaign.spending.stated_years import FIRST_YEAR, LAST_YEAR, StatementState
from services.campaign.two_people import asked_and_decided
from shared.events.campaigns import BeneficiaryUnit, SpendingCategory

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
    Column("title", Text),
    Column("category", Text, nullable=False),
    Column("items", JSONB, nullable=False),
    Column("also_helped", JSONB, nullable=False),
    Column("requested_on", Date, nullable=False),
    Column("paid_on", Date),
    Column("returned_fen", BigInteger, nullable=False, server_default="0"),
    Column("ended_by", Text),
    Column("ended_at", UTC_TIME),
    Column("end_reason", Text),
    ForeignKeyConstraint(
        ["campaign_id", "fund_id"], ["funds.campaign_id", "funds.fund_id"], name="disbursements_fund"
    ),
    CheckConstraint(one_of("state", DisbursementState), name="disbursements_state"),
    CheckConstraint("version >= 1", name="disbursements_version"),
    CheckConstraint(amount("amount_fen"), name="disbursements_amount"),
    CheckConstraint(one_of("category", get_args(SpendingCategory)), name="disbursements_category"),
    CheckConstraint("items = '[]' OR items_fen(items) = amount_fen", name="disbursements_items"),
    CheckConstraint(one_of("beneficiary_unit", get_args(BeneficiaryUnit)), name="disbursements_unit"),
    CheckConstraint(
        "beneficiaries BETWEEN CASE category WHEN 'programme' THEN 1 ELSE 0 END AND 2000000000",
        name="disbursements_beneficiaries",
    ),
    CheckConstraint("approved_by <> requested_by", name="disbursements_two_people"),
    CheckConstraint(
        "CASE WHEN state IN ('requested', 'rejected') THEN approved_by IS NULL"
        " WHEN state IN ('approved', 'paid') THEN approved_by IS NOT NULL ELSE true END"
        " AND (approved_by IS NULL) = (approved_at IS NULL)",
        name="disbursements_approved",
    ),
    CheckConstraint(
        "num_nonnulls(paid_by, paid_at, paid_on) = CASE state WHEN 'paid' THEN 3 ELSE 0 END",
        name="disbursements_paid",
    ),
    CheckConstraint(
        "num_nonnulls(ended_by, ended_at, end_reason)"
        " = CASE WHEN state IN ('rejected', 'withdrawn') THEN 3 ELSE 0 END",
        name="disbursements_ended",
    ),
    CheckConstraint(
        "returned_fen BETWEEN 0 AND CASE state WHEN 'paid' THEN amount_fen ELSE 0 END",
        name="disbursements_returned",
    ),
    Index("disbursements_of_campaign", "campaign_id", "disbursement_id"),
    Index("disbursements_by_state", "state", "disbursement_id"),
    Index(
        "disbursements_spent", "fund_id", "state", "use", postgresql_include=["amount_fen", "returned_fen"]
    ),
)

budgets: Final = Table(
    "budgets",
    metadata,
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id"), primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("in_force", Boolean, nullable=False),
    Column("spend_until", Date),
    CheckConstraint("version >= 1", name="budgets_version"),
)
"""A campaign's budget; not in force before the first was decided by two people."""

budget_lines: Final = Table(
    "budget_lines",
    metadata,
    Column("campaign_id", Text, ForeignKey("budgets.campaign_id"), primary_key=True),
    Column("use", Text, primary_key=True),
    Column("amount_fen", BigInteger, nullable=False),
    CheckConstraint(amount("amount_fen"), name="budget_lines_amount"),
)
"""What is in force; what was, is in the changes."""

budget_changes: Final = Table(
    "budget_changes",
    metadata,
    Column("change_id", Uuid, primary_key=True),
    Column("campaign_id", Text, ForeignKey("budgets.campaign_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("spend_until", Date),
    Column("reason", Text, nullable=False),
    *asked_and_decided("budget_changes", waiting=BudgetState.ASKED, done=BudgetState.DONE),
    CheckConstraint(one_of("state", BudgetState), name="budget_changes_state"),
    Index("budget_changes_of_campaign", "campaign_id", "change_id"),
    Index("budget_changes_one_waits", "campaign_id", unique=True, postgresql_where=text("state = 'asked'")),
)

disbursement_invoices: Final = Table(
    "disbursement_invoices",
    metadata,
    Column("disbursement_id", Uuid, ForeignKey("disbursements.disbursement_id"), primary_key=True),
    Column("number", SmallInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_at", UTC_TIME, nullable=False),
    Column("invoice_number", Text),
    Column("amount_fen", BigInteger),
    CheckConstraint(f"number BETWEEN 1 AND {MAX_INVOICES}", name="disbursement_invoices_number"),
    CheckConstraint(one_of("media_type", SIGNATURES), name="disbursement_invoices_type"),
    CheckConstraint("sha256 = sha256(content)", name="disbursement_invoices_hash"),
    CheckConstraint(f"octet_length(content) BETWEEN 1 AND {MAX_BYTES}", name="disbursement_invoices_size"),
    CheckConstraint(f"invoice_number ~ '{INVOICE_NUMBER}'", name="disbursement_invoices_invoice_number"),
    CheckConstraint(amount("amount_fen"), name="disbursement_invoices_amount"),
    Index("disbursement_invoices_once", "sha256", "disbursement_id", unique=True),
    Index(
        "disbursement_invoices_by_invoice_number",
        "invoice_number",
        postgresql_where=text("invoice_number IS NOT NULL"),
    ),
)
"""The files themselves: never changed, never removed. The hash proves that they are what was approved."""

disbursement_returns: Final = Table(
    "disbursement_returns",
    metadata,
    Column("return_id", Uuid, primary_key=True),
    Column("disbursement_id", Uuid, ForeignKey("disbursements.disbursement_id"), nullable=False),
    Column("state", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("returned_on", Date, nullable=False),
    Column("reason", Text, nullable=False),
    *asked_and_decided("disbursement_returns", waiting=ReturnState.ASKED, done=ReturnState.DONE),
    CheckConstraint(one_of("state", ReturnState), name="disbursement_returns_state"),
    CheckConstraint(amount("amount_fen"), name="disbursement_returns_amount"),
    Index("disbursement_returns_of_disbursement", "disbursement_id", "return_id"),
    Index(
        "disbursement_returns_one_waits",
        "disbursement_id",
        unique=True,
        postgresql_where=text("state = 'asked'"),
    ),
)
"""Money that came back of a payment: recorded by one person, counted when another has confirmed it."""

stated_years: Final = Table(
    "stated_years",
    metadata,
    Column("statement_id", Uuid, primary_key=True),
    Column("organisation_id", Text, ForeignKey("organisations.organisation_id"), nullable=False),
    Column("year", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("income_fen", BigInteger, nullable=False),
    Column("programme_fen", BigInteger, nullable=False),
    Column("management_fen", BigInteger, nullable=False),
    Column("spending_fen", BigInteger, nullable=False),
    Column("reference", Text, nullable=False),
    *asked_and_decided("stated_years", waiting=StatementState.ASKED, done=StatementState.DONE),
    CheckConstraint(one_of("state", StatementState), name="stated_years_state"),
    CheckConstraint("version >= 1", name="stated_years_version"),
    CheckConstraint(f"year BETWEEN {FIRST_YEAR} AND {LAST_YEAR}", name="stated_years_year"),
    CheckConstraint(
        "year < EXTRACT(year FROM asked_at AT TIME ZONE 'Asia/Shanghai')", name="stated_years_over"
    ),
    *(
        CheckConstraint(amount(f"{part}_fen", least=0), name=f"stated_years_{part}")
        for part in ("income", "programme", "management", "spending")
    ),
    CheckConstraint("programme_fen + management_fen <= spending_fen", name="stated_years_parts"),
    Index("stated_years_of_organisation", "organisation_id", "statement_id"),
    Index(
        "stated_years_once",
        "organisation_id",
        "year",
        unique=True,
        postgresql_where=text("state <> 'withdrawn'"),
    ),
)
"""Years from before the ledger: of each one statement waits or is confirmed."""
