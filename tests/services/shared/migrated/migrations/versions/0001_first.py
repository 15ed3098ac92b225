"""A table, made slowly, so that two processes meet."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE TABLE made (at timestamptz NOT NULL DEFAULT clock_timestamp())")
    op.execute("INSERT INTO made SELECT FROM pg_sleep(0.5)")


def downgrade() -> None:
    op.execute("DROP TABLE made")
