"""Invoices: the files of a disbursement, with their hashes."""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute("""
    CREATE TABLE disbursement_invoices (
        disbursement_id UUID NOT NULL,
        number SMALLINT NOT NULL,
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        sha256 BYTEA NOT NULL,
        content BYTEA NOT NULL,
        added_by TEXT NOT NULL,
        added_at timestamptz NOT NULL,
        PRIMARY KEY (disbursement_id, number),
        CONSTRAINT disbursement_invoices_number CHECK (number BETWEEN 1 AND 20),
        CONSTRAINT disbursement_invoices_type CHECK (media_type IN ('application/pdf', 'image/png',
            'image/jpeg')),
        CONSTRAINT disbursement_invoices_hash CHECK (sha256 = sha256(content)),
        CONSTRAINT disbursement_invoices_size CHECK (octet_length(content) BETWEEN 1 AND 5242880),
        FOREIGN KEY(disbursement_id) REFERENCES disbursements (disbursement_id)
    )
    """)
    op.execute(
        "CREATE UNIQUE INDEX disbursement_invoices_once ON disbursement_invoices (sha256, disbursement_id)"
    )
