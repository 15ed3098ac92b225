"""A donation that was split over several funds is followed into each."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("ALTER TABLE trace_movements ADD COLUMN donation_id uuid")
    op.execute("COMMENT ON COLUMN trace_movements.donation_id IS 'of a split: the donation that it divides'")
    op.execute(
        "CREATE INDEX trace_movements_splits ON trace_movements (donation_id) WHERE donation_id IS NOT NULL"
    )
