"""The promise that a donation fulfils, as the donor says."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE donations ADD pledge_id UUID")
    op.execute("COMMENT ON COLUMN donations.pledge_id IS 'the promise it fulfils, as the donor says'")
