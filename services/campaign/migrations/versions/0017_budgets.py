"""Budgets by use, changed by two people."""

from alembic import op

revision = "0017"
down_revision = "0016"

TABLES = """
CREATE TABLE budgets (
    campaign_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    in_force BOOLEAN NOT NULL,
    spend_until DATE,
    PRIMARY KEY (campaign_id),
    CONSTRAINT budgets_version CHECK (version >= 1),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (campaign_id)
);
CREATE TABLE budget_lines (
    campaign_id TEXT NOT NULL,
    use TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, use),
    CONSTRAINT budget_lines_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    FOREIGN KEY(campaign_id) REFERENCES budgets (campaign_id)
);
CREATE TABLE budget_changes (
    change_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    state TEXT NOT NULL,
    lines JSONB NOT NULL,
    spend_until DATE,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    PRIMARY KEY (change_id),
    CONSTRAINT budget_changes_state CHECK (state IN ('asked', 'done', 'withdrawn')),
    CONSTRAINT budget_changes_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by IS
        NULL) = (decided_at IS NULL)),
    CONSTRAINT budget_changes_two_people CHECK (state <> 'done' OR decided_by <> asked_by),
    FOREIGN KEY(campaign_id) REFERENCES budgets (campaign_id)
);
CREATE INDEX budget_changes_of_campaign ON budget_changes (campaign_id, change_id);
CREATE UNIQUE INDEX budget_changes_one_waits ON budget_changes (campaign_id) WHERE state = 'asked'
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
