"""Donors who were erased, and the mails about their receipts."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("CREATE TABLE erased (subject uuid PRIMARY KEY)")
    op.execute("COMMENT ON COLUMN erased.subject IS 'of a donation, or of the mail about a receipt'")
