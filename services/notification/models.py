"""The tables of the notification service. A state that must not exist can't be written.

Personal data (address, name) stand in `contacts` alone, which holds a row only until its mail is delivered or
seven days have passed. Amounts are BIGINT fen, times are UTC.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    text,
)

from services.notification.contacts import EMAIL_MAX, NAME_MAX, OPENID_MAX, PHONE_MAX
from services.notification.delivery import Outcome, State
from shared.money import MAX_AMOUNT_FEN
from shared.outbox import outbox_table
from shared.positions import marks_table

metadata: Final = MetaData()

UTC_TIME: Final = DateTime(timezone=True)


def _one_of(column: str, values: Iterable[str]) -> str:
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
    CheckConstraint(_one_of("state", State), name="messages_state"),
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
    CheckConstraint("state NOT IN ('failed', 'uncertain') OR reason IS NOT NULL", name="messages_reason"),
    Index(
        "messages_due",
        "next_attempt_at",
        "donation_id",
        postgresql_where=text("state IN ('pending', 'retry')"),
    ),
    Index("messages_leases", "lease_until", postgresql_where=text("state = 'sending'")),
    Index("messages_by_state", "state", "created_at", "donation_id"),
)
"""One thank-you for one donation that counts and whose donor left a contact. `requested_by` is the operator
who had it sent again.
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
    CheckConstraint("attempt >= 1", name="attempts_number"),
    CheckConstraint(_one_of("outcome", Outcome), name="attempts_outcome"),
    CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="attempts_ended"),
)
"""Every attempt, written before the mail server is spoken to."""

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

outbox: Final = outbox_table(metadata)
marks: Final = marks_table(metadata)
