"""Donors are told of their receipts."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = (
    """
    CREATE TABLE receipt_mails (
        mail_id uuid PRIMARY KEY,
        kind text NOT NULL,
        number text NOT NULL,
        replaces text,
        organisation text NOT NULL,
        licence text NOT NULL,
        purpose text NOT NULL,
        amount_fen bigint NOT NULL,
        check_address text NOT NULL,
        at timestamptz NOT NULL,
        created_at timestamptz NOT NULL,
        written_at timestamptz,
        CONSTRAINT receipt_mails_kind CHECK (kind IN ('issued', 'replaced', 'voided')),
        CONSTRAINT receipt_mails_replaces CHECK ((kind = 'replaced') = (replaces IS NOT NULL)),
        CONSTRAINT receipt_mails_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000)
    )
    """,
    "COMMENT ON COLUMN receipt_mails.mail_id IS 'of the mail, and of the notice it becomes'",
    "COMMENT ON COLUMN receipt_mails.at IS 'when it was issued, or voided'",
    "COMMENT ON COLUMN receipt_mails.written_at IS 'NULL: its address has not come yet'",
    "CREATE INDEX receipt_mails_of_receipt ON receipt_mails (number, at)",
    "CREATE INDEX receipt_mails_unwritten ON receipt_mails (mail_id) WHERE written_at IS NULL",
    """
    CREATE TABLE receipt_contacts (
        mail_id uuid PRIMARY KEY,
        email text NOT NULL,
        name text,
        expires_at timestamptz NOT NULL,
        CONSTRAINT receipt_contacts_email CHECK (length(email) <= 320),
        CONSTRAINT receipt_contacts_name CHECK (length(name) BETWEEN 1 AND 200)
    )
    """,
    "CREATE INDEX receipt_contacts_age ON receipt_contacts (expires_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
