"""Channels have a scheme, several keys with overlap, campaigns they may give to; a sandbox is no money."""

from alembic import op

revision = "0007"
down_revision = "0006"

SCHEMES = "'webhooks','wechatpay','alipay','unionpay','files','kafka','desk'"
STATEMENTS = (
    f"""
    ALTER TABLE channels
        ADD COLUMN scheme text NOT NULL DEFAULT 'webhooks' CHECK (scheme IN ({SCHEMES})),
        ADD COLUMN settings jsonb NOT NULL DEFAULT '{{}}',
        ADD COLUMN sandbox boolean NOT NULL DEFAULT false,
        ADD COLUMN campaigns text[],
        ADD COLUMN organisation_id text,
        ADD COLUMN contact text
    """,
    """
    CREATE TABLE channel_keys (
        channel text NOT NULL REFERENCES channels,
        purpose text NOT NULL CHECK (purpose IN ('signing','platform','apiv3')),
        key_id text NOT NULL,
        sealed bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        valid_until timestamptz,
        PRIMARY KEY (channel, purpose, key_id)
    )
    """,
    """
    INSERT INTO channel_keys (channel, purpose, key_id, sealed, created_at)
    SELECT channel, 'signing', '1', secret, created_at FROM channels
    """,
    "ALTER TABLE channels DROP COLUMN secret",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
