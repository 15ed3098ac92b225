"""The table of the reports. One that was published stays as it is; the trigger is in the migration."""

from typing import Final, get_args

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)

from services.campaign.disclosure.rules import ReportState
from services.campaign.models import metadata, one_of
from services.campaign.two_people import asked_and_decided
from shared.events.documents import ReportKind

reports: Final = Table(
    "reports",
    metadata,
    Column("report_id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("campaign_id", Text, ForeignKey("campaigns.campaign_id")),
    Column("organisation_id", Text),
    Column("period_from", Date, nullable=False),
    Column("period_to", Date, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("corrects", Uuid, ForeignKey("reports.report_id")),
    Column("reason", Text),
    Column("state", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("title", Text, nullable=False),
    # The document's own bytes, and so neither JSON nor JSONB, which would write them again.
    Column("content", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("withdraw_reason", Text),
    CheckConstraint(one_of("kind", get_args(ReportKind)), name="reports_kind"),
    CheckConstraint(
        "CASE kind WHEN 'annual' THEN campaign_id IS NULL AND organisation_id IS NOT NULL"
        " ELSE campaign_id IS NOT NULL AND organisation_id IS NULL END",
        name="reports_subject",
    ),
    CheckConstraint("period_to >= period_from", name="reports_period"),
    CheckConstraint(
        "(revision = 1) = (corrects IS NULL) AND (corrects IS NULL) = (reason IS NULL) AND revision >= 1",
        name="reports_revision",
    ),
    CheckConstraint(one_of("state", ReportState), name="reports_state"),
    CheckConstraint("version >= 1", name="reports_version"),
    CheckConstraint("digest = sha256(convert_to(content, 'UTF8'))", name="reports_digest"),
    *asked_and_decided("reports", waiting="drafted", done="published"),
    CheckConstraint("(state = 'withdrawn') = (withdraw_reason IS NOT NULL)", name="reports_withdrawn"),
    Index(
        "reports_once",
        text("coalesce(campaign_id, organisation_id)"),
        "kind",
        "period_from",
        "revision",
        unique=True,
        postgresql_where=text("state <> 'withdrawn'"),
    ),
    Index(
        "reports_corrected_once",
        "corrects",
        unique=True,
        postgresql_where=text("state <> 'withdrawn'"),
    ),
)
"""Reports as they were frozen when they were drafted, and what became of them."""
