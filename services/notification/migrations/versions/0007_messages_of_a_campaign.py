"""The console lists the messages of one campaign."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("CREATE INDEX messages_of_campaign ON messages (campaign_id, state, created_at, donation_id)")
