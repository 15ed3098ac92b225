"""Companies report whether short messages arrived."""

from alembic import op

revision = "0008"
down_revision = "0007"

STATEMENTS = (
    """
    ALTER TABLE attempts ADD COLUMN arrived boolean, ADD COLUMN report text,
        ADD COLUMN reported_at timestamptz,
        ADD CONSTRAINT attempts_report CHECK (num_nonnulls(arrived, report, reported_at) IN (0, 3))
    """,
    "COMMENT ON COLUMN attempts.arrived IS 'as the company reports it; NULL: no report'",
    "CREATE INDEX attempts_at_provider ON attempts (provider_id) WHERE provider_id IS NOT NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
