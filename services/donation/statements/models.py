"""The tables of statements and their files."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
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

from services.donation.models import metadata

statements: Final = Table(
    "statements",
    metadata,
    Column("statement_id", BigInteger, Identity(always=True), primary_key=True),
    Column("channel", Text, ForeignKey("channels.channel"), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("origin", Text, nullable=False),
    Column("profile", JSONB, nullable=False, comment="as it was when the file came"),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it is refused"),
    Column("preview", JSONB, comment="counts, sums, numbers of lines: never their content"),
    Column("outcome", JSONB, comment="the same of the import, so far"),
    Column("done_line", Integer, nullable=False, server_default=text("0"), comment="the last that is in"),
    Column("uploaded_by", Text, nullable=False),
    Column("uploaded_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("decided_by", Text, comment="who confirmed or discarded it"),
    Column("decided_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    Column("claim", Uuid, comment="of the process that works at it"),
    Column("claimed_until", DateTime(timezone=True)),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0"), comment="without progress"),
    CheckConstraint("octet_length(sha256) = 32", name="statements_sha256"),
    CheckConstraint("origin IN ('upload', 'folder')", name="statements_origin"),
    CheckConstraint(
        "state IN ('uploaded', 'checked', 'refused', 'importing', 'imported', 'discarded')",
        name="statements_state",
    ),
    CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="statements_reason"),
    CheckConstraint(
        "state NOT IN ('checked', 'importing', 'imported') OR preview IS NOT NULL", name="statements_preview"
    ),
    CheckConstraint(
        "(state IN ('importing', 'imported', 'discarded')) = (decided_by IS NOT NULL)",
        name="statements_decided",
    ),
    CheckConstraint("(decided_by IS NULL) = (decided_at IS NULL)", name="statements_decided_at"),
    CheckConstraint("(claim IS NULL) = (claimed_until IS NULL)", name="statements_claim"),
    Index(
        "statements_once",
        "channel",
        "sha256",
        unique=True,
        postgresql_where=text("state NOT IN ('refused', 'discarded')"),
    ),
    Index("statements_open", "uploaded_at", postgresql_where=text("state IN ('uploaded', 'importing')")),
)

statement_files: Final = Table(
    "statement_files",
    metadata,
    Column("statement_id", BigInteger, ForeignKey("statements.statement_id"), primary_key=True),
    Column("what", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="AES-256-GCM, see shared/secret_box.py"),
    Column("delete_after", DateTime(timezone=True), nullable=False),
    CheckConstraint("what IN ('original', 'bad_lines')", name="statement_files_what"),
    Index("statement_files_age", "delete_after"),
)
