"""Donors' messages that were approved."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE messages (
            message_id UUID NOT NULL PRIMARY KEY,
            campaign_id TEXT NOT NULL,
            shown_name TEXT,
            text TEXT NOT NULL CHECK (text <> ''),
            approved_at TIMESTAMP WITH TIME ZONE NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX messages_newest ON messages (campaign_id, approved_at, message_id)")
