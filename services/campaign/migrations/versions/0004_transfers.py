"""Transfers: money that changes its fund by two people, or leaves the books to a charitable trust."""

from alembic import op

revision = "0004"
down_revision = "0003"

CHANGES = """
CREATE TABLE fund_transfers (
    transfer_id UUID NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    from_campaign_id TEXT NOT NULL,
    to_campaign_id TEXT,
    amount_fen BIGINT NOT NULL,
    decided_on DATE NOT NULL,
    reason TEXT NOT NULL,
    reference TEXT,
    trustee TEXT,
    trust TEXT,
    decision_id UUID,
    split_id UUID,
    donation_id UUID,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    withdraw_reason TEXT,
    PRIMARY KEY (transfer_id),
    CONSTRAINT fund_transfers_kind CHECK (kind IN ('split', 'remainder', 'trust', 'correction')),
    CONSTRAINT fund_transfers_state CHECK (state IN ('asked', 'approved', 'withdrawn')),
    CONSTRAINT fund_transfers_version CHECK (version >= 1),
    CONSTRAINT fund_transfers_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    CONSTRAINT fund_transfers_two_funds CHECK (to_campaign_id <> from_campaign_id),
    CONSTRAINT fund_transfers_trust CHECK ((kind = 'trust') = (to_campaign_id IS NULL) AND
        num_nonnulls(trustee, trust) = CASE kind WHEN 'trust' THEN 2 ELSE 0 END),
    CONSTRAINT fund_transfers_remainder CHECK (kind <> 'remainder' OR decision_id IS NOT NULL),
    CONSTRAINT fund_transfers_split CHECK ((kind <> 'split' OR split_id IS NOT NULL) AND (split_id IS NULL)
        = (donation_id IS NULL)),
    CONSTRAINT fund_transfers_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by IS
        NULL) = (decided_at IS NULL)),
    CONSTRAINT fund_transfers_two_people CHECK (state <> 'approved' OR decided_by <> asked_by),
    CONSTRAINT fund_transfers_withdrawn CHECK ((state = 'withdrawn') = (withdraw_reason IS NOT NULL)),
    FOREIGN KEY(from_campaign_id) REFERENCES funds (campaign_id),
    FOREIGN KEY(to_campaign_id) REFERENCES funds (campaign_id)
);
CREATE INDEX fund_transfers_out ON fund_transfers (from_campaign_id, state) INCLUDE (amount_fen);
CREATE INDEX fund_transfers_in ON fund_transfers (to_campaign_id, state) INCLUDE (amount_fen);
CREATE UNIQUE INDEX fund_transfers_decision ON fund_transfers (decision_id) WHERE state <> 'withdrawn';
CREATE INDEX fund_transfers_of_split ON fund_transfers (split_id) WHERE split_id IS NOT NULL;
ALTER TABLE ledger_entries
    DROP CONSTRAINT ledger_entries_kind,
    DROP CONSTRAINT ledger_entries_two_people,
    ADD CONSTRAINT ledger_entries_kind CHECK (kind IN ('donations', 'carried', 'disbursement', 'transfer',
        'opening', 'voucher', 'reversal')),
    ADD CONSTRAINT ledger_entries_two_people CHECK (CASE WHEN kind IN ('opening', 'voucher', 'reversal',
        'transfer') THEN note IS NOT NULL AND confirmed_by IS NOT NULL AND confirmed_by <> recorded_by
        ELSE confirmed_by IS NULL END);
ALTER TABLE ledger_postings
    DROP CONSTRAINT ledger_postings_account,
    ADD CONSTRAINT ledger_postings_account CHECK (account IN ('1001', '1002', '112201', '2209', '3101',
        '3102', '410101', '410102', '4901', '5101', '510109', '5201', '5301', '5401'));
"""


def upgrade() -> None:
    for statement in CHANGES.split(";\n"):
        if statement.strip():
            op.execute(statement)
