"""Disbursements of all campaigns are listed by their state."""

from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.execute("CREATE INDEX disbursements_by_state ON disbursements (state, disbursement_id)")
