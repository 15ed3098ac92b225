"""Named funds: their terms, written by one person and confirmed by another, in all their versions."""

from alembic import op

revision = "0009"
down_revision = "0008"

CHANGES = """
CREATE TABLE named_funds (
    campaign_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    state TEXT NOT NULL,
    name TEXT NOT NULL,
    donor TEXT NOT NULL,
    wish TEXT NOT NULL,
    agreement TEXT NOT NULL,
    signed_on DATE NOT NULL,
    idle_after_days INTEGER NOT NULL,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    PRIMARY KEY (campaign_id, version),
    CONSTRAINT named_funds_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by IS NULL)
        = (decided_at IS NULL)),
    CONSTRAINT named_funds_two_people CHECK (state <> 'confirmed' OR decided_by <> asked_by),
    CONSTRAINT named_funds_state CHECK (state IN ('asked', 'confirmed', 'withdrawn')),
    CONSTRAINT named_funds_version CHECK (version >= 1),
    CONSTRAINT named_funds_idle CHECK (idle_after_days BETWEEN 1 AND 3660),
    FOREIGN KEY(campaign_id) REFERENCES funds (campaign_id)
);
CREATE UNIQUE INDEX named_funds_one_waits ON named_funds (campaign_id) WHERE state = 'asked';
"""


def upgrade() -> None:
    for statement in CHANGES.split(";\n"):
        if statement.strip():
            op.execute(statement)
