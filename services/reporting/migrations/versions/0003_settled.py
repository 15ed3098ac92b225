"""Settled campaigns, and the last day for an emergency appeal to file (Charity Law art. 73)."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE campaigns ADD filing_due_on DATE")
    op.execute(
        "ALTER TABLE campaigns DROP CONSTRAINT campaigns_status, ADD CONSTRAINT campaigns_status"
        " CHECK (status IN ('filed', 'launched', 'paused', 'closed', 'settled'))"
    )
