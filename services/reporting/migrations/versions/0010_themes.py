"""Themes of campaigns' screens: a row is added and never changed."""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = (
    """
    CREATE TABLE themes (
        campaign_id TEXT NOT NULL CHECK (campaign_id <> ''),
        version BIGINT NOT NULL CHECK (version >= 1),
        theme JSONB NOT NULL,
        changed_by TEXT NOT NULL CHECK (changed_by <> ''),
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
        PRIMARY KEY (campaign_id, version)
    )
    """,
    """
    CREATE TABLE theme_pictures (
        campaign_id TEXT NOT NULL CHECK (campaign_id <> ''),
        digest TEXT NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
        media_type TEXT NOT NULL,
        content BYTEA NOT NULL CHECK (octet_length(content) <= 200000),
        sent_by TEXT NOT NULL CHECK (sent_by <> ''),
        sent_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
        PRIMARY KEY (campaign_id, digest),
        CONSTRAINT theme_pictures_type CHECK (media_type IN ('image/png', 'image/jpeg', 'image/webp'))
    )
    """,
    """
    CREATE TRIGGER themes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON themes
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
