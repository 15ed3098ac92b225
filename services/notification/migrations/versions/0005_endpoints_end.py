"""Endpoints say why they are paused or disabled, and can be deleted."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    "ALTER TABLE webhook_endpoints ADD COLUMN reason text, ADD COLUMN deleted_at timestamptz",
    """
    COMMENT ON COLUMN webhook_endpoints.reason IS
    'why it is paused, in a person''s words; why it is disabled: a notice'
    """,
    """
    ALTER TABLE webhook_endpoints
        ALTER COLUMN secret DROP NOT NULL,
        DROP CONSTRAINT webhook_endpoints_state,
        ADD CONSTRAINT webhook_endpoints_state
            CHECK (state IN ('active', 'paused', 'disabled', 'deleted')),
        ADD CONSTRAINT webhook_endpoints_deleted CHECK ((state = 'deleted') = (deleted_at IS NOT NULL)),
        ADD CONSTRAINT webhook_endpoints_secret CHECK (
            (state = 'deleted') = (secret IS NULL) AND (state <> 'deleted' OR previous_secret IS NULL)
        ),
        ADD CONSTRAINT webhook_endpoints_reason CHECK (state <> 'active' OR reason IS NULL)
    """,
    """
    ALTER TABLE webhook_deliveries DROP CONSTRAINT webhook_deliveries_state,
        ADD CONSTRAINT webhook_deliveries_state CHECK (
            state IN ('pending', 'sending', 'retry', 'delivered', 'exhausted', 'cancelled')
        )
    """,
    "DROP INDEX webhook_deliveries_ended",
    """
    CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (changed_at)
    WHERE state IN ('delivered', 'exhausted', 'cancelled')
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
