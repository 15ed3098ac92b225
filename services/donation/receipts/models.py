"""The tables of receipts, beside the service's others. A state that must not exist can't be written.

A gap in the numbers can't be written either: a receipt names the one before it in its series. Two valid
receipts of one donation can't: `receipt_items.valid` follows its receipt, and is unique for a donation. What
was issued is never edited and never deleted: a trigger (migration 0002) lets only the voiding through.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from services.donation.models import metadata
from shared.money import MAX_AMOUNT_FEN

UTC_TIME: Final = DateTime(timezone=True)
MAX_SERIAL: Final = 9_999_999
"""Receipts of one organisation in one year: what seven digits can number."""

receipt_campaigns: Final = Table(
    "receipt_campaigns",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column(
        "sequence",
        BigInteger,
        nullable=False,
        comment="of the newest event of the campaign, all of one source",
    ),
)
"""What a receipt has to say of a campaign: its purpose, and who received the money."""

receipt_organisations: Final = Table(
    "receipt_organisations",
    metadata,
    Column("organisation", Text, primary_key=True),
    Column("code", Text, nullable=False),
    Column("registered_by", Text, nullable=False),
    Column("registered_at", UTC_TIME, nullable=False),
    CheckConstraint("code ~ '^[A-Z][A-Z0-9]{1,11}$'", name="receipt_organisations_code"),
    UniqueConstraint("code", name="receipt_organisations_one_code"),
)

receipt_series: Final = Table(
    "receipt_series",
    metadata,
    Column("code", Text, ForeignKey("receipt_organisations.code"), primary_key=True),
    Column("year", SmallInteger, primary_key=True, autoincrement=False),
    Column("last_serial", Integer, nullable=False),
    Column("last_issued_at", UTC_TIME, nullable=False),
    CheckConstraint("year BETWEEN 2000 AND 2199", name="receipt_series_year"),
    CheckConstraint(f"last_serial BETWEEN 1 AND {MAX_SERIAL}", name="receipt_series_serial"),
)
"""One row an organisation and year: the lock that a number is taken under."""

receipts: Final = Table(
    "receipts",
    metadata,
    Column(
        "number",
        Text,
        Computed(
            "code || '-' || CAST(year AS text) || '-' || lpad(CAST(serial AS text), 7, '0')", persisted=True
        ),
        primary_key=True,
    ),
    Column("code", Text, nullable=False),
    Column("year", SmallInteger, nullable=False),
    Column("serial", Integer, nullable=False),
    Column(
        "previous_serial",
        Integer,
        Computed("nullif(serial - 1, 0)", persisted=True),
        comment="a number can only be written after the one before it",
    ),
    Column("organisation", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("donor_kind", Text, nullable=False),
    Column("donor_name", Text, comment="NULL: an anonymous gift"),
    Column("shown_name", Text, comment="what the donor agreed to be shown"),
    Column("amount_fen", BigInteger, nullable=False),
    Column("donations", SmallInteger, nullable=False),
    Column("donated_from", UTC_TIME, nullable=False),
    Column("donated_to", UTC_TIME, nullable=False),
    Column("handler", Text, nullable=False),
    Column("issued_by", Text, nullable=False),
    Column("issued_at", UTC_TIME, nullable=False),
    Column("check_code", Text, nullable=False),
    Column("check_address", Text, nullable=False),
    Column("replaces", Text),
    Column("valid", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("void_reason", Text),
    Column("voided_by", Text),
    Column("voided_at", UTC_TIME),
    CheckConstraint(f"serial BETWEEN 1 AND {MAX_SERIAL}", name="receipts_serial"),
    CheckConstraint("donor_kind IN ('person', 'company')", name="receipts_donor_kind"),
    CheckConstraint(f"amount_fen BETWEEN 1 AND {MAX_AMOUNT_FEN}", name="receipts_amount"),
    CheckConstraint("donations BETWEEN 1 AND 100", name="receipts_donations"),
    UniqueConstraint("code", "year", "serial", name="receipts_in_series"),
    ForeignKeyConstraint(
        ["code", "year"], ["receipt_series.code", "receipt_series.year"], name="receipts_of_series"
    ),
    ForeignKeyConstraint(
        ["code", "year", "previous_serial"],
        ["receipts.code", "receipts.year", "receipts.serial"],
        name="receipts_no_gap",
    ),
    UniqueConstraint("number", "valid", name="receipts_validity"),
    ForeignKeyConstraint(["replaces"], ["receipts.number"], name="receipts_replaces"),
    UniqueConstraint("replaces", name="receipts_replaced_once"),
    CheckConstraint("donated_from <= donated_to", name="receipts_donated"),
    CheckConstraint("donor_name IS NOT NULL OR shown_name IS NULL", name="receipts_shown_name"),
    CheckConstraint("valid = (version = 1)", name="receipts_state"),
    CheckConstraint("version IN (1, 2)", name="receipts_version"),
    CheckConstraint(
        "valid = (void_reason IS NULL) AND valid = (voided_by IS NULL) AND valid = (voided_at IS NULL)",
        name="receipts_void",
    ),
    CheckConstraint(
        "year = CAST(extract(year FROM issued_at AT TIME ZONE 'Asia/Shanghai') AS smallint)",
        name="receipts_year",
    ),
)

receipt_items: Final = Table(
    "receipt_items",
    metadata,
    Column("number", Text, primary_key=True),
    Column("donation_id", Uuid, ForeignKey("donations.donation_id"), primary_key=True),
    Column("valid", Boolean, nullable=False, comment="follows the receipt"),
    Column("amount_fen", BigInteger, nullable=False, comment="given less what had gone back by then"),
    CheckConstraint(f"amount_fen BETWEEN 1 AND {MAX_AMOUNT_FEN}", name="receipt_items_amount"),
    ForeignKeyConstraint(
        ["number", "valid"],
        ["receipts.number", "receipts.valid"],
        name="receipt_items_validity",
        onupdate="CASCADE",
    ),
    Index("receipt_items_one_valid", "donation_id", unique=True, postgresql_where=text("valid")),
    Index("receipt_items_donation", "donation_id"),
)

receipt_files: Final = Table(
    "receipt_files",
    metadata,
    Column("number", Text, ForeignKey("receipts.number"), primary_key=True),
    Column("pdf", LargeBinary, nullable=False),
    Column("made_at", UTC_TIME, nullable=False),
)
"""The bytes that were given out first; they are what is given out ever after."""

receipt_mails: Final = Table(
    "receipt_mails",
    metadata,
    Column("mail_id", Uuid, primary_key=True, comment="derived from what it tells and the receipt's number"),
    Column("number", Text, ForeignKey("receipts.number"), nullable=False),
    Column("contact_sent_at", UTC_TIME),
    Index("receipt_mails_unsent", "mail_id", postgresql_where=text("contact_sent_at IS NULL")),
)
"""Mails that tell donors of receipts, and when their addresses went to the notification service."""

receipt_waivers: Final = Table(
    "receipt_waivers",
    metadata,
    Column("waiver_id", BigInteger, Identity(), primary_key=True),
    Column("donation_id", Uuid, ForeignKey("donations.donation_id"), nullable=False),
    Column("waived_on", Date, nullable=False),
    Column("note", Text, nullable=False, comment="how the donor said so"),
    Column("recorded_by", Text, nullable=False),
    Column("recorded_at", UTC_TIME, nullable=False),
    Column("withdrawn_by", Text),
    Column("withdrawn_at", UTC_TIME),
    CheckConstraint("(withdrawn_by IS NULL) = (withdrawn_at IS NULL)", name="receipt_waivers_withdrawn"),
    Index(
        "receipt_waivers_one_open", "donation_id", unique=True, postgresql_where=text("withdrawn_at IS NULL")
    ),
)
"""Donors who gave up their receipt (art. 38)."""
