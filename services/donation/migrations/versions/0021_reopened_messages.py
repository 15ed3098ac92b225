"""A moderator's decision about a message can be taken back: a verdict of its own."""

from alembic import op

revision = "0021"
down_revision = "0020"

STATEMENTS = (
    """
    ALTER TABLE message_decisions
        DROP CONSTRAINT message_decisions_verdict_check,
        DROP CONSTRAINT message_decisions_state_check,
        DROP CONSTRAINT message_decisions_state,
        ADD COLUMN told boolean NOT NULL DEFAULT true,
        ADD CONSTRAINT message_decisions_verdict_check CHECK (verdict IN ('approve','refuse','reopen')),
        ADD CONSTRAINT message_decisions_state_check CHECK (
            state IN ('approved','refused','withdrawn','waiting','refused_by_rule')),
        ADD CONSTRAINT message_decisions_state CHECK (
            CASE verdict WHEN 'approve' THEN state = 'approved'
            WHEN 'refuse' THEN state IN ('refused','withdrawn') ELSE decided_by IS NOT NULL END)
    """,
    """
    COMMENT ON COLUMN message_decisions.told IS 'the screens must know: it was shown, or is from now on'
    """,
    "UPDATE message_decisions SET told = false WHERE state = 'refused'",
    "DROP INDEX message_decisions_unsent",
    """
    CREATE INDEX message_decisions_unsent ON message_decisions (decided_at)
        WHERE sent_at IS NULL AND told
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
