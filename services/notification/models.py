"""The tables of the notification service. A state that must not exist can't be written.

Personal data (address, name) stand in `contacts` alone, which holds a row only until its mail is delivered or
seven days have passed. Amounts are BIGINT fen, times are UTC.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.notification.contacts import EMAIL_MAX, NAME_MAX, OPENID_MAX, PHONE_MAX
from services.notification.couriers.ways import Way
from services.notification.delivery import Outcome, State
from shared.idempotency import idempotency_keys_table
from shared.money import MAX_AMOUNT_FEN
from shared.outbox import outbox_table
from shared.positions import marks_table

metadata: Final = MetaData()

UTC_TIME: Final = DateTime(timezone=True)


def one_of(column: str, values: Iterable[str]) -> str:
    """The CHECK of a column that holds one of a few words."""
    quoted = ", ".join(f"'{value!s}'" for value in values)
    return f"{column} IN ({quoted})"


contacts: Final = Table(
    "contacts",
    metadata,
    # No foreign key: a contact may come before the event that makes its message.
    Column("donation_id", Uuid, primary_key=True),
    Column("email", Text),
    Column("name", Text),
    Column("received_at", UTC_TIME, nullable=False),
    Column("expires_at", UTC_TIME, nullable=False),
    Column("phone", Text),
    Column("wechat_openid", Text),
    Column("wechat_app_id", Text),
    Column("language", Text),
    Column("way", Text),
    CheckConstraint(one_of("way", Way), name="contacts_way"),
    CheckConstraint(f"length(email) <= {EMAIL_MAX}", name="contacts_email"),
    CheckConstraint(f"length(phone) <= {PHONE_MAX}", name="contacts_phone"),
    CheckConstraint(
        f"length(wechat_openid) <= {OPENID_MAX} AND length(wechat_app_id) <= {OPENID_MAX}",
        name="contacts_wechat",
    ),
    CheckConstraint("(wechat_openid IS NULL) = (wechat_app_id IS NULL)", name="contacts_wechat_pair"),
    CheckConstraint("num_nonnulls(email, phone, wechat_openid) > 0", name="contacts_some_way"),
    CheckConstraint("language IN ('zh', 'en')", name="contacts_language"),
    CheckConstraint(f"length(name) BETWEEN 1 AND {NAME_MAX}", name="contacts_name"),
    CheckConstraint("expires_at > received_at", name="contacts_expiry"),
    Index("contacts_age", "expires_at"),
)

messages: Final = Table(
    "messages",
    metadata,
    # The donation is the key: two messages for one donation can't exist.
    Column("donation_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("attempts_left", Integer, nullable=False),
    Column("next_attempt_at", UTC_TIME),
    Column("lease_until", UTC_TIME),
    Column("reason", Text),
    Column("requested_by", Text),
    Column("created_at", UTC_TIME, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    Column("way", Text, nullable=False, server_default=text("'mail'")),
    CheckConstraint(one_of("state", State), name="messages_state"),
    CheckConstraint(one_of("way", Way), name="messages_way"),
    CheckConstraint(f"amount_fen BETWEEN 1 AND {MAX_AMOUNT_FEN}", name="messages_amount"),
    CheckConstraint("attempts >= 0 AND attempts_left >= 0", name="messages_attempts"),
    CheckConstraint(
        "(state IN ('pending', 'retry')) = (next_attempt_at IS NOT NULL)", name="messages_next_attempt"
    ),
    CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="messages_lease"),
    CheckConstraint(
        "state NOT IN ('sending', 'retry', 'delivered', 'uncertain') OR attempts >= 1",
        name="messages_tried",
    ),
    CheckConstraint(
        "state NOT IN ('failed', 'uncertain', 'dropped') OR reason IS NOT NULL", name="messages_reason"
    ),
    Index(
        "messages_due",
        "way",
        "next_attempt_at",
        "donation_id",
        postgresql_where=text("state IN ('pending', 'retry')"),
    ),
    Index("messages_leases", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("messages_by_state", "state", "created_at", "donation_id"),
    Index("messages_of_campaign", "campaign_id", "state", "created_at", "donation_id"),
)
"""One thank-you for one donation that counts and whose donor left a contact. `requested_by` is the operator
who had it sent again; `way` the one by which it goes, chosen once, when it is ready.
"""

attempts: Final = Table(
    "attempts",
    metadata,
    Column("donation_id", Uuid, ForeignKey("messages.donation_id"), primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("started_at", UTC_TIME, nullable=False),
    Column("ended_at", UTC_TIME),
    Column("outcome", Text),
    Column("reason", Text),
    Column("requested_by", Text),
    Column("provider_id", Text),
    Column("arrived", Boolean, comment="as the company reports it; NULL: no report"),
    Column("report", Text),
    Column("reported_at", UTC_TIME),
    CheckConstraint("attempt >= 1", name="attempts_number"),
    CheckConstraint("num_nonnulls(arrived, report, reported_at) IN (0, 3)", name="attempts_report"),
    Index("attempts_at_provider", "provider_id", postgresql_where=text("provider_id IS NOT NULL")),
    CheckConstraint(one_of("outcome", Outcome), name="attempts_outcome"),
    CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="attempts_ended"),
)
"""Every attempt, written before the provider is spoken to."""

reversals: Final = Table(
    "reversals",
    metadata,
    Column("reversal_id", Uuid, primary_key=True),
    Column("donation_id", Uuid, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    CheckConstraint(f"amount_fen BETWEEN 1 AND {MAX_AMOUNT_FEN}", name="reversals_amount"),
    Index("reversals_of_donation", "donation_id"),
)
"""What went back; it may come before its donation, for the two have different sources."""

campaigns: Final = Table(
    "campaigns",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("title_en", Text),
    Column("organisation", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("filing_number", Text),
    Column("contact", Text, nullable=False),
    Column("query_method", Text, nullable=False),
)
"""Each campaign as its newest event tells it: what the mail has to name (Charity Law art. 25)."""

unsubscribed: Final = Table(
    "unsubscribed",
    metadata,
    Column("address_hash", LargeBinary, primary_key=True),
    Column("how", Text, nullable=False),
    Column("since", UTC_TIME, nullable=False),
    CheckConstraint("octet_length(address_hash) = 16", name="unsubscribed_hash"),
    CheckConstraint("how IN ('link', 'reply')", name="unsubscribed_how"),
)
"""Who is not written to any more: keyed hashes (addressees.py), never addresses. Kept for good."""

daily_counts: Final = Table(
    "daily_counts",
    metadata,
    Column("address_hash", LargeBinary, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("messages", Integer, nullable=False),
    CheckConstraint("octet_length(address_hash) = 16", name="daily_counts_hash"),
    CheckConstraint("messages >= 1", name="daily_counts_messages"),
    Index("daily_counts_age", "day"),
)
"""How many messages each address has had on a day of Shanghai; deleted two days later."""

pace: Final = Table(
    "pace",
    metadata,
    Column("way", Text, primary_key=True),
    Column("next_at", UTC_TIME, nullable=False),
    CheckConstraint(one_of("way", Way), name="pace_way"),
)
"""When the next thank-you of each way may leave, for all processes together."""

templates: Final = Table(
    "templates",
    metadata,
    Column("template_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("way", Text, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("retired", Boolean, nullable=False),
    Column("written_by", Text, nullable=False),
    Column("written_at", UTC_TIME, nullable=False),
    Column("replaced_at", UTC_TIME),
    UniqueConstraint("campaign_id", "way", "app_id", "language", "version", name="templates_versions"),
    CheckConstraint(one_of("way", Way), name="templates_way"),
    CheckConstraint("language IN ('zh', 'en')", name="templates_language"),
    CheckConstraint("version >= 1", name="templates_version"),
    CheckConstraint("(way = 'wechat') = (app_id <> '')", name="templates_app"),
    Index(
        "templates_current",
        "way",
        "app_id",
        "campaign_id",
        "language",
        unique=True,
        postgresql_where=text("replaced_at IS NULL"),
    ),
)
"""What operators have written, each version for good; `campaign_id` "" serves every campaign."""

notices: Final = Table(
    "notices",
    metadata,
    Column("notice_id", Uuid, primary_key=True),
    Column("way", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("letter", LargeBinary),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_attempt_at", UTC_TIME),
    Column("lease_until", UTC_TIME),
    Column("reason", Text),
    Column("provider_id", Text),
    Column("requested_by", Text, nullable=False),
    Column("created_at", UTC_TIME, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
    CheckConstraint(one_of("way", Way), name="notices_way"),
    CheckConstraint(
        "state IN ('pending', 'sending', 'retry', 'delivered', 'failed', 'uncertain')", name="notices_state"
    ),
    CheckConstraint(
        "(state IN ('pending', 'retry')) = (next_attempt_at IS NOT NULL)", name="notices_next_attempt"
    ),
    CheckConstraint("(state = 'sending') = (lease_until IS NOT NULL)", name="notices_lease"),
    CheckConstraint(
        "(state IN ('pending', 'sending', 'retry')) = (letter IS NOT NULL)", name="notices_letter"
    ),
    Index(
        "notices_due",
        "way",
        "next_attempt_at",
        "notice_id",
        postgresql_where=text("state IN ('pending', 'retry')"),
    ),
    Index("notices_leases", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("notices_of_person", "requested_by", "created_at"),
)
"""Operational messages, which wait behind no thanks. `letter` has an address: it is gone when it is ended."""

erased: Final = Table(
    "erased",
    metadata,
    Column("subject", Uuid, primary_key=True, comment="of a donation, or of the mail about a receipt"),
)
"""Of whom no address is kept any more (erasing.py)."""

idempotency_keys: Final = idempotency_keys_table(metadata)
outbox: Final = outbox_table(metadata)
marks: Final = marks_table(metadata)
