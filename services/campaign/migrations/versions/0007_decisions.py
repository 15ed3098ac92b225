"""Recorded decisions about a campaign's money: other uses (art. 56), what is left over (art. 58)."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = """
CREATE TABLE campaign_decisions (
    decision_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    decided_on DATE NOT NULL,
    resolution TEXT NOT NULL,
    reason TEXT NOT NULL,
    bureau_reference TEXT,
    public_statement TEXT NOT NULL,
    uses_before TEXT[],
    uses_after TEXT[],
    to_campaign_id TEXT,
    moved_fen BIGINT,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    withdraw_reason TEXT,
    PRIMARY KEY (decision_id),
    CONSTRAINT campaign_decisions_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND
        (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT campaign_decisions_two_people CHECK (state <> 'decided' OR decided_by <> asked_by),
    CONSTRAINT campaign_decisions_kind CHECK (kind IN ('change_of_use', 'remainder')),
    CONSTRAINT campaign_decisions_state CHECK (state IN ('asked', 'decided', 'withdrawn')),
    CONSTRAINT campaign_decisions_version CHECK (version >= 1),
    CONSTRAINT campaign_decisions_uses CHECK ((kind = 'change_of_use') = (uses_after IS NOT NULL) AND
        (uses_before IS NULL) = (uses_after IS NULL) AND cardinality(uses_after) > 0 IS NOT FALSE AND (kind <>
        'change_of_use' OR bureau_reference IS NOT NULL)),
    CONSTRAINT campaign_decisions_to CHECK ((kind = 'remainder') = (to_campaign_id IS NOT NULL) AND
        (to_campaign_id <> campaign_id) IS NOT FALSE),
    CONSTRAINT campaign_decisions_moved CHECK ((kind = 'remainder' AND state = 'decided') = (moved_fen
        IS NOT NULL) AND (moved_fen BETWEEN 1 AND 10000000000000) IS NOT FALSE),
    CONSTRAINT campaign_decisions_withdrawn CHECK ((state = 'withdrawn') = (withdraw_reason IS NOT NULL)),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (campaign_id),
    FOREIGN KEY(to_campaign_id) REFERENCES campaigns (campaign_id)
);
CREATE INDEX campaign_decisions_of_campaign ON campaign_decisions (campaign_id, decision_id);
CREATE UNIQUE INDEX campaign_decisions_one_waits ON campaign_decisions (campaign_id, kind) WHERE state =
    'asked';
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
