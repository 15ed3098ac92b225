"""Donors who were erased."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("CREATE TABLE erased_donors (donation_id uuid PRIMARY KEY)")
