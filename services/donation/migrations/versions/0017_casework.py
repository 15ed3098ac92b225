"""Single donations are found, taken back, let go on or refused by people; conflicts are resolved."""

from alembic import op

revision = "0017"
down_revision = "0016"

STATEMENTS = (
    "ALTER TABLE donations DROP CONSTRAINT donations_status_check",
    """
    ALTER TABLE donations ADD CONSTRAINT donations_status_check
        CHECK (status IN ('received', 'held', 'refused'))
    """,
    "CREATE INDEX donations_by_tail ON donations (right(transaction_id, 4))",
    "CREATE INDEX donations_by_amount ON donations (amount_fen, occurred_at)",
    "CREATE INDEX donations_newest ON donations (occurred_at)",
    "DROP INDEX donations_held_open",
    """
    CREATE INDEX donations_held_open ON donations (campaign_id, occurred_at, donation_id)
        WHERE status = 'held'
    """,
    """
    CREATE INDEX donations_held_by_reason ON donations (held_reason, occurred_at, donation_id)
        WHERE status = 'held'
    """,
    "CREATE INDEX donations_held_longest ON donations (occurred_at, donation_id) WHERE status = 'held'",
    """
    ALTER TABLE conflicts ADD COLUMN resolved_at timestamptz, ADD COLUMN resolved_by text,
        ADD COLUMN resolution text,
        ADD CONSTRAINT conflicts_resolved CHECK (
            (resolved_at IS NULL) = (resolved_by IS NULL) AND (resolved_at IS NULL) = (resolution IS NULL)
        )
    """,
    "CREATE INDEX conflicts_newest ON conflicts (received_at, source, sequence)",
    "CREATE INDEX conflicts_open ON conflicts (received_at, source, sequence) WHERE resolved_at IS NULL",
    """
    CREATE TABLE held_decisions (
        donation_id uuid PRIMARY KEY REFERENCES donations (donation_id),
        decision text NOT NULL CHECK (decision IN ('release','refuse')),
        reason text NOT NULL,
        decided_by text NOT NULL,
        decided_at timestamptz NOT NULL,
        open boolean NOT NULL,
        CONSTRAINT held_decisions_open_release CHECK (decision = 'release' OR NOT open)
    )
    """,
    "COMMENT ON COLUMN held_decisions.open IS 'a release that the worker has not booked yet'",
    "CREATE INDEX held_decisions_open ON held_decisions (donation_id) WHERE open",
    """
    CREATE TABLE operator_reversals (
        reversal_id uuid PRIMARY KEY,
        donation_id uuid NOT NULL REFERENCES donations (donation_id),
        channel text NOT NULL,
        channel_reversal_id text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('refund', 'chargeback', 'void')),
        amount_fen bigint NOT NULL CHECK (amount_fen BETWEEN 1 AND 10000000000000),
        occurred_at timestamptz NOT NULL,
        reason text NOT NULL,
        asked_by text NOT NULL,
        asked_at timestamptz NOT NULL,
        sent_at timestamptz
    )
    """,
    "COMMENT ON COLUMN operator_reversals.reversal_id IS 'the reversal''s id, derived'",
    "COMMENT ON COLUMN operator_reversals.channel_reversal_id IS 'under which it goes on the topic'",
    "COMMENT ON COLUMN operator_reversals.sent_at IS 'when the broker had it'",
    "CREATE INDEX operator_reversals_donation ON operator_reversals (donation_id)",
    "CREATE INDEX operator_reversals_unsent ON operator_reversals (asked_at) WHERE sent_at IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
