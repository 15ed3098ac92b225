"""Moderation's tables, beside the service's others. A state that must not exist can't be written.

What a donor wrote stands in `donations` and nowhere else here; it never changes.
"""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
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
from sqlalchemy.dialects.postgresql import JSONB

from services.donation.models import metadata

UTC_TIME: Final = DateTime(timezone=True)
_AMOUNT: Final = "BETWEEN 1 AND 10000000000000"

donor_messages: Final = Table(
    "donor_messages",
    metadata,
    # The donation's id. No foreign key: its check would lock each donation once more while it is booked.
    Column("message_id", Uuid, primary_key=True),
    Column("campaign_id", Text, nullable=False),
    Column("amount_fen", BigInteger, CheckConstraint(f"amount_fen {_AMOUNT}"), nullable=False),
    Column("received_at", UTC_TIME, nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('new','waiting','refused_by_rule','approved','refused','withdrawn')"),
        nullable=False,
        server_default="new",
    ),
    Column("version", Integer, CheckConstraint("version >= 0"), nullable=False, server_default=text("0")),
    Column("rank", SmallInteger, nullable=False, server_default=text("1"), comment="0: ahead of the others"),
    Column("rule", Text),
    Column("word", Text, comment="the word of the list that was found"),
    Column("personal", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("reversed", Boolean, nullable=False, server_default="false", comment="nothing is left of it"),
    Column(
        "screened",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="which revision of the rules",
    ),
    CheckConstraint("NOT (reversed AND state = 'approved')", name="donor_messages_reversed"),
    CheckConstraint("state <> 'refused_by_rule' OR rule IS NOT NULL", name="donor_messages_rule"),
    # Two orders of one queue, each read from its index: no page is sorted.
    Index(
        "donor_messages_oldest",
        "campaign_id",
        "state",
        "rank",
        "received_at",
        "message_id",
        postgresql_where=text("state <> 'new'"),
    ),
    Index(
        "donor_messages_largest",
        "campaign_id",
        "state",
        "amount_fen",
        "received_at",
        "message_id",
        postgresql_where=text("state <> 'new'"),
    ),
    Index(
        "donor_messages_unscreened",
        "screened",
        postgresql_where=text("state IN ('new','waiting','refused_by_rule')"),
    ),
)
"""One row a message, from when its donation counts. `version`: how many decisions there were."""

message_decisions: Final = Table(
    "message_decisions",
    metadata,
    Column("message_id", Uuid, ForeignKey("donor_messages.message_id"), primary_key=True),
    Column("number", Integer, CheckConstraint("number >= 1"), primary_key=True),
    Column("verdict", Text, CheckConstraint("verdict IN ('approve','refuse','reopen')"), nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('approved','refused','withdrawn','waiting','refused_by_rule')"),
        nullable=False,
    ),
    Column("decided_by", Text, comment="a person; NULL: the rule"),
    Column("rule", Text),
    Column("reason", Text),
    Column("note", Text),
    Column("decided_at", UTC_TIME, nullable=False),
    Column(
        "told",
        Boolean,
        nullable=False,
        server_default="true",
        comment="the screens must know: it was shown, or is from now on",
    ),
    Column("sent_at", UTC_TIME, comment="when the broker had its record, where the screens must know"),
    Column("source", Text, comment="the position of the record that made its event"),
    Column("sequence", BigInteger),
    Column("booked_at", UTC_TIME, comment="when the broker took that record"),
    UniqueConstraint("source", "sequence", name="message_decisions_position"),
    CheckConstraint("(decided_by IS NULL) = (rule IS NOT NULL)", name="message_decisions_by"),
    CheckConstraint(
        "CASE verdict WHEN 'approve' THEN state = 'approved' WHEN 'refuse' THEN"
        " state IN ('refused','withdrawn') ELSE decided_by IS NOT NULL END",
        name="message_decisions_state",
    ),
    CheckConstraint(
        "(source IS NULL) = (sequence IS NULL) AND (source IS NULL) = (booked_at IS NULL)",
        name="message_decisions_whole_position",
    ),
    Index(
        "message_decisions_unsent",
        "decided_at",
        postgresql_where=text("sent_at IS NULL AND told"),
    ),
)
"""Who decided what, and when. Only ever added to; a mistake is taken back by a later decision."""

message_word_lists: Final = Table(
    "message_word_lists",
    metadata,
    Column("version", Integer, CheckConstraint("version >= 1"), primary_key=True, autoincrement=False),
    Column("words", JSONB, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
)
"""Every version of the word list that was ever in force; the highest is."""

message_rules: Final = Table(
    "message_rules",
    metadata,
    Column("campaign_id", Text, primary_key=True),
    Column("version", Integer, CheckConstraint("version >= 1"), primary_key=True),
    Column("automatic", Boolean, nullable=False),
    Column("first_from_fen", BigInteger, CheckConstraint(f"first_from_fen {_AMOUNT}")),
    Column("required_from_fen", BigInteger, CheckConstraint(f"required_from_fen {_AMOUNT}")),
    Column("max_characters", Integer, CheckConstraint("max_characters BETWEEN 1 AND 200"), nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("changed_at", UTC_TIME, nullable=False),
)
"""Every version of what a campaign has set; the highest is in force."""
