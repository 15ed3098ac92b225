"""What sandboxes send lies in a table of its own, apart from all money."""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS = (
    """
    CREATE TABLE sandbox_messages (
        message_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        channel text NOT NULL REFERENCES channels,
        kind text NOT NULL CHECK (kind IN ('donation', 'reversal')),
        subject uuid NOT NULL UNIQUE,
        donation_id uuid NOT NULL,
        amount_fen bigint NOT NULL CHECK (amount_fen BETWEEN 1 AND 10000000000000),
        digest bytea NOT NULL,
        state text NOT NULL CHECK (state IN ('taken', 'held', 'asked-again')),
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX sandbox_messages_of ON sandbox_messages (channel, message_id)",
    "CREATE INDEX sandbox_messages_donation ON sandbox_messages (donation_id)",
    "COMMENT ON TABLE sandbox_messages IS 'no money: what partners try out; pruned'",
    "COMMENT ON COLUMN sandbox_messages.subject IS 'donation_id or reversal_id'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
