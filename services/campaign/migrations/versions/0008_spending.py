"""Spending: rejected, withdrawn, and what comes back; line items, further counts, categories, days.

What was asked for and paid before was for programmes, and has the day of its recording.
"""

from alembic import op

revision = "0008"
down_revision = "0007"

CHANGES = """
CREATE FUNCTION items_fen(items jsonb) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT AS
    'SELECT coalesce(sum((item ->> ''amount_fen'')::bigint), 0) FROM jsonb_array_elements(items) AS item';
ALTER TABLE disbursements
    ADD title TEXT,
    ADD category TEXT NOT NULL DEFAULT 'programme',
    ADD items JSONB NOT NULL DEFAULT '[]',
    ADD also_helped JSONB NOT NULL DEFAULT '[]',
    ADD requested_on DATE,
    ADD paid_on DATE,
    ADD returned_fen BIGINT DEFAULT 0 NOT NULL,
    ADD ended_by TEXT,
    ADD ended_at timestamptz,
    ADD end_reason TEXT;
UPDATE disbursements SET requested_on = (requested_at AT TIME ZONE 'Asia/Shanghai')::date,
    paid_on = (paid_at AT TIME ZONE 'Asia/Shanghai')::date;
ALTER TABLE disbursements ALTER category DROP DEFAULT, ALTER items DROP DEFAULT,
    ALTER also_helped DROP DEFAULT, ALTER requested_on SET NOT NULL,
    DROP CONSTRAINT disbursements_state, DROP CONSTRAINT disbursements_beneficiaries,
    DROP CONSTRAINT disbursements_approved, DROP CONSTRAINT disbursements_paid;
ALTER TABLE disbursements
    ADD CONSTRAINT disbursements_state CHECK (state IN ('requested', 'approved', 'paid', 'rejected',
        'withdrawn')),
    ADD CONSTRAINT disbursements_category CHECK (category IN ('programme', 'management', 'fundraising')),
    ADD CONSTRAINT disbursements_items CHECK (items = '[]' OR items_fen(items) = amount_fen),
    ADD CONSTRAINT disbursements_beneficiaries CHECK (beneficiaries BETWEEN CASE category WHEN 'programme'
        THEN 1 ELSE 0 END AND 2000000000),
    ADD CONSTRAINT disbursements_approved CHECK (CASE WHEN state IN ('requested', 'rejected') THEN
        approved_by IS NULL WHEN state IN ('approved', 'paid') THEN approved_by IS NOT NULL ELSE true END
        AND (approved_by IS NULL) = (approved_at IS NULL)),
    ADD CONSTRAINT disbursements_paid CHECK (num_nonnulls(paid_by, paid_at, paid_on) = CASE state
        WHEN 'paid' THEN 3 ELSE 0 END),
    ADD CONSTRAINT disbursements_ended CHECK (num_nonnulls(ended_by, ended_at, end_reason) = CASE WHEN
        state IN ('rejected', 'withdrawn') THEN 3 ELSE 0 END),
    ADD CONSTRAINT disbursements_returned CHECK (returned_fen BETWEEN 0 AND CASE state WHEN 'paid' THEN
        amount_fen ELSE 0 END);
DROP INDEX disbursements_spent;
CREATE INDEX disbursements_spent ON disbursements (fund_id, state, use) INCLUDE (amount_fen, returned_fen);
CREATE TABLE disbursement_returns (
    return_id UUID NOT NULL,
    disbursement_id UUID NOT NULL,
    state TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    returned_on DATE NOT NULL,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    PRIMARY KEY (return_id),
    CONSTRAINT disbursement_returns_state CHECK (state IN ('asked', 'done', 'withdrawn')),
    CONSTRAINT disbursement_returns_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    CONSTRAINT disbursement_returns_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND
        (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT disbursement_returns_two_people CHECK (state <> 'done' OR decided_by <> asked_by),
    FOREIGN KEY(disbursement_id) REFERENCES disbursements (disbursement_id)
);
CREATE INDEX disbursement_returns_of_disbursement ON disbursement_returns (disbursement_id, return_id);
CREATE UNIQUE INDEX disbursement_returns_one_waits ON disbursement_returns (disbursement_id)
    WHERE state = 'asked';
ALTER TABLE ledger_entries
    DROP CONSTRAINT ledger_entries_kind,
    DROP CONSTRAINT ledger_entries_two_people,
    ADD CONSTRAINT ledger_entries_kind CHECK (kind IN ('donations', 'carried', 'disbursement', 'return',
        'transfer', 'goods', 'opening', 'voucher', 'reversal')),
    ADD CONSTRAINT ledger_entries_two_people CHECK (CASE WHEN kind IN ('opening', 'voucher', 'reversal',
        'transfer', 'return') THEN note IS NOT NULL AND confirmed_by IS NOT NULL AND confirmed_by <>
        recorded_by ELSE confirmed_by IS NULL END);
"""


def upgrade() -> None:
    for statement in CHANGES.split(";\n"):
        if statement.strip():
            op.execute(statement)
