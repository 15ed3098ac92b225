"""An invoice's own number and amount, beside the name of its file."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute("""
    ALTER TABLE disbursement_invoices ADD COLUMN invoice_number TEXT, ADD COLUMN amount_fen BIGINT,
        ADD CONSTRAINT disbursement_invoices_invoice_number
            CHECK (invoice_number ~ '^[0-9A-Za-z][0-9A-Za-z-]{0,39}$'),
        ADD CONSTRAINT disbursement_invoices_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000)
    """)
    op.execute("""
    CREATE INDEX disbursement_invoices_by_invoice_number ON disbursement_invoices (invoice_number)
        WHERE invoice_number IS NOT NULL
    """)
