"""The tables of receipts' mails, beside the service's others. An address stands in `receipt_contacts` until
its mail is written, seven days at most, and from then on in the mail until that has ended (notices.letter).
"""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, Text, Uuid, text

from services.notification.contacts import EMAIL_MAX, NAME_MAX
from services.notification.models import UTC_TIME, metadata, one_of
from services.notification.receipts.letters import Kind
from shared.money import MAX_AMOUNT_FEN

receipt_mails: Final = Table(
    "receipt_mails",
    metadata,
    Column("mail_id", Uuid, primary_key=True, comment="of the mail, and of the notice it becomes"),
    Column("kind", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("replaces", Text),
    Column("organisation", Text, nullable=False),
    Column("licence", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("amount_fen", BigInteger, nullable=False),
    Column("check_address", Text, nullable=False),
    Column("at", UTC_TIME, nullable=False, comment="when it was issued, or voided"),
    Column("created_at", UTC_TIME, nullable=False),
    Column("written_at", UTC_TIME, comment="NULL: its address has not come yet"),
    CheckConstraint(one_of("kind", Kind), name="receipt_mails_kind"),
    CheckConstraint("(kind = 'replaced') = (replaces IS NOT NULL)", name="receipt_mails_replaces"),
    CheckConstraint(f"amount_fen BETWEEN 1 AND {MAX_AMOUNT_FEN}", name="receipt_mails_amount"),
    Index("receipt_mails_of_receipt", "number", "at"),
    Index("receipt_mails_unwritten", "mail_id", postgresql_where=text("written_at IS NULL")),
)

receipt_contacts: Final = Table(
    "receipt_contacts",
    metadata,
    # No foreign key: an address may come before the event that makes its mail.
    Column("mail_id", Uuid, primary_key=True),
    Column("email", Text, nullable=False),
    Column("name", Text),
    Column("expires_at", UTC_TIME, nullable=False),
    CheckConstraint(f"length(email) <= {EMAIL_MAX}", name="receipt_contacts_email"),
    CheckConstraint(f"length(name) BETWEEN 1 AND {NAME_MAX}", name="receipt_contacts_name"),
    Index("receipt_contacts_age", "expires_at"),
)
