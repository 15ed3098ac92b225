"""What of a promise is no longer asked for (Charity Law art. 41), apart from what was promised."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE pledges ADD released_fen BIGINT DEFAULT '0' NOT NULL CHECK (released_fen >= 0)")
