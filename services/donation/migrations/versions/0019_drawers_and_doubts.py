"""Open drawers are found without reading the evenings before; a doubtful bill is taken by a person's word."""

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.execute("CREATE INDEX desk_entries_open ON desk_entries (hall) WHERE closing_id IS NULL")
    op.execute("ALTER TABLE bills ADD COLUMN doubts jsonb")
    op.execute("COMMENT ON COLUMN bills.doubts IS 'what was odd about it; a person took it all the same'")
