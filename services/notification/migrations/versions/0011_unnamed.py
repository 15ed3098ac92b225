"""Donations whose donors are not to be named any more."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        "CREATE TABLE webhook_unnamed (donation_id uuid PRIMARY KEY, withdrawn_at timestamptz NOT NULL)"
    )
