"""Donors who have withdrawn the consent to be named."""

from alembic import op

revision = "0023"
down_revision = "0022"

STATEMENTS = (
    """
    CREATE TABLE consent_withdrawals (
        donation_id uuid PRIMARY KEY REFERENCES donations (donation_id),
        reason text NOT NULL,
        withdrawn_by text NOT NULL,
        withdrawn_at timestamptz NOT NULL,
        sent_at timestamptz,
        source text,
        sequence bigint,
        booked_at timestamptz,
        CONSTRAINT consent_withdrawals_position UNIQUE (source, sequence),
        CONSTRAINT consent_withdrawals_whole_position CHECK (
            (source IS NULL) = (sequence IS NULL) AND (source IS NULL) = (booked_at IS NULL)
        )
    )
    """,
    "CREATE INDEX consent_withdrawals_unsent ON consent_withdrawals (withdrawn_at) WHERE sent_at IS NULL",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
