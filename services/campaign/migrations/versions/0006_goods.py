"""Goods given in kind: gifts, what lies in the store, movements; accounts and a kind of entry of their own.

Who writes on the ledger by hand may not touch a campaign's store either.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

CHANGES = """
CREATE TABLE goods_gifts (
    gift_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    donor TEXT NOT NULL,
    donor_kind TEXT NOT NULL,
    display TEXT NOT NULL,
    shown_name TEXT,
    received_on DATE NOT NULL,
    value_fen BIGINT NOT NULL,
    note TEXT,
    entered_by TEXT NOT NULL,
    entered_at timestamptz NOT NULL,
    written_by TEXT NOT NULL,
    confirmed_by TEXT,
    confirmed_at timestamptz,
    cancelled_by TEXT,
    cancelled_at timestamptz,
    cancel_reason TEXT,
    PRIMARY KEY (gift_id),
    CONSTRAINT goods_gifts_of_campaign UNIQUE (campaign_id, gift_id),
    CONSTRAINT goods_gifts_state CHECK (state IN ('entered', 'confirmed', 'cancelled')),
    CONSTRAINT goods_gifts_version CHECK (version >= 1),
    CONSTRAINT goods_gifts_donor_kind CHECK (donor_kind IN ('person', 'company')),
    CONSTRAINT goods_gifts_display CHECK (display IN ('name', 'alias', 'anonymous')),
    CONSTRAINT goods_gifts_consent CHECK ((display = 'anonymous') = (shown_name IS NULL)),
    CONSTRAINT goods_gifts_value CHECK (value_fen BETWEEN 1 AND 10000000000000),
    CONSTRAINT goods_gifts_two_people CHECK (confirmed_by <> written_by),
    CONSTRAINT goods_gifts_confirmed CHECK ((state = 'confirmed') = (confirmed_by IS NOT NULL) AND
        (confirmed_by IS NULL) = (confirmed_at IS NULL)),
    CONSTRAINT goods_gifts_cancelled CHECK (num_nonnulls(cancelled_by, cancelled_at, cancel_reason) =
        CASE state WHEN 'cancelled' THEN 3 ELSE 0 END),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (campaign_id)
);
CREATE TABLE goods_gift_changes (
    gift_id UUID NOT NULL,
    version BIGINT NOT NULL,
    action TEXT NOT NULL,
    value_fen BIGINT NOT NULL,
    person TEXT NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (gift_id, version),
    CONSTRAINT goods_gift_changes_action CHECK (action IN ('enter', 'rewrite', 'confirm', 'cancel')),
    FOREIGN KEY(gift_id) REFERENCES goods_gifts (gift_id)
);
CREATE TABLE goods_items (
    item_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    gift_id UUID NOT NULL,
    line INTEGER NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    unit TEXT NOT NULL,
    value_fen BIGINT NOT NULL,
    basis TEXT NOT NULL,
    document TEXT NOT NULL,
    batch TEXT,
    expires_on DATE,
    store TEXT NOT NULL,
    left_quantity BIGINT DEFAULT '0' NOT NULL,
    left_fen BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (item_id),
    CONSTRAINT goods_items_gift FOREIGN KEY(campaign_id, gift_id) REFERENCES goods_gifts (campaign_id,
        gift_id),
    CONSTRAINT goods_items_of_campaign UNIQUE (campaign_id, item_id),
    CONSTRAINT goods_items_line UNIQUE (gift_id, line),
    CONSTRAINT goods_items_order CHECK (line >= 1),
    CONSTRAINT goods_items_category CHECK (category IN ('medicine', 'medical_supplies', 'food',
        'clothing', 'books', 'daily_goods', 'relief_goods', 'equipment', 'other')),
    CONSTRAINT goods_items_quantity CHECK (quantity BETWEEN 1 AND 2147483647),
    CONSTRAINT goods_items_value CHECK (value_fen BETWEEN 1 AND 10000000000000 AND value_fen >= quantity),
    CONSTRAINT goods_items_basis CHECK (basis IN ('invoice', 'appraisal', 'agreed')),
    CONSTRAINT goods_items_batch CHECK (category <> 'medicine' OR (batch IS NOT NULL AND expires_on IS
        NOT NULL)),
    CONSTRAINT goods_items_left_quantity CHECK (left_quantity BETWEEN 0 AND quantity),
    CONSTRAINT goods_items_left_fen CHECK (left_fen BETWEEN left_quantity AND value_fen AND
        (left_quantity > 0 OR left_fen = 0))
);
CREATE INDEX goods_items_expiring ON goods_items (expires_on, item_id) WHERE left_quantity > 0 AND
    expires_on IS NOT NULL;
CREATE INDEX goods_items_left ON goods_items (campaign_id, item_id) WHERE left_quantity > 0;
CREATE TABLE goods_movements (
    movement_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    happened_on DATE NOT NULL,
    reason TEXT,
    use TEXT,
    recipient TEXT,
    beneficiaries BIGINT,
    beneficiary_unit TEXT,
    cause TEXT,
    distribution_id UUID,
    gift_id UUID,
    value_fen BIGINT,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    decision TEXT,
    PRIMARY KEY (movement_id),
    CONSTRAINT goods_movements_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by
        IS NULL) = (decided_at IS NULL)),
    CONSTRAINT goods_movements_two_people CHECK (state <> 'done' OR decided_by <> asked_by),
    CONSTRAINT goods_movements_campaign FOREIGN KEY(campaign_id) REFERENCES campaigns (campaign_id),
    CONSTRAINT goods_movements_distribution FOREIGN KEY(campaign_id, distribution_id) REFERENCES
        goods_movements (campaign_id, movement_id),
    CONSTRAINT goods_movements_gift FOREIGN KEY(campaign_id, gift_id) REFERENCES goods_gifts
        (campaign_id, gift_id),
    CONSTRAINT goods_movements_of_campaign UNIQUE (campaign_id, movement_id),
    CONSTRAINT goods_movements_kind CHECK (kind IN ('distribution', 'return', 'write_off', 'reversal')),
    CONSTRAINT goods_movements_state CHECK (state IN ('asked', 'done', 'withdrawn')),
    CONSTRAINT goods_movements_version CHECK (version >= 1),
    CONSTRAINT goods_movements_use CHECK (num_nonnulls(use, recipient, beneficiaries,
        beneficiary_unit) = CASE kind WHEN 'distribution' THEN 4 ELSE 0 END),
    CONSTRAINT goods_movements_beneficiaries CHECK (beneficiaries BETWEEN 1 AND 2147483647),
    CONSTRAINT goods_movements_unit CHECK (beneficiary_unit IN ('person_times', 'households', 'schools')),
    CONSTRAINT goods_movements_reason CHECK (kind = 'distribution' OR reason IS NOT NULL),
    CONSTRAINT goods_movements_cause CHECK (CASE kind WHEN 'write_off' THEN cause IS NOT NULL AND
        cause IN ('expired', 'damaged', 'lost') WHEN 'reversal' THEN cause IS NOT NULL AND cause IN
        ('sent_back', 'mistake') ELSE cause IS NULL END),
    CONSTRAINT goods_movements_about CHECK ((kind = 'return') = (distribution_id IS NOT NULL) AND
        (kind = 'reversal') = (gift_id IS NOT NULL)),
    CONSTRAINT goods_movements_value CHECK ((state = 'done') = (value_fen IS NOT NULL) AND value_fen > 0)
);
CREATE INDEX goods_movements_in_order ON goods_movements (campaign_id, kind, movement_id);
CREATE TABLE goods_movement_items (
    movement_id UUID NOT NULL,
    item_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    value_fen BIGINT,
    left_quantity BIGINT,
    left_fen BIGINT,
    PRIMARY KEY (movement_id, item_id),
    CONSTRAINT goods_movement_items_movement FOREIGN KEY(campaign_id, movement_id) REFERENCES
        goods_movements (campaign_id, movement_id),
    CONSTRAINT goods_movement_items_item FOREIGN KEY(campaign_id, item_id) REFERENCES goods_items
        (campaign_id, item_id),
    CONSTRAINT goods_movement_items_quantity CHECK (quantity BETWEEN 1 AND 2147483647),
    CONSTRAINT goods_movement_items_value CHECK (value_fen >= quantity),
    CONSTRAINT goods_movement_items_left CHECK ((left_quantity IS NULL) = (left_fen IS NULL) AND
        left_quantity BETWEEN 0 AND quantity AND left_fen BETWEEN left_quantity AND value_fen AND
        (left_quantity > 0 OR left_fen = 0))
);
CREATE INDEX goods_movement_items_of_item ON goods_movement_items (item_id);
ALTER TABLE ledger_postings DROP CONSTRAINT ledger_postings_account, ADD CONSTRAINT ledger_postings_account
    CHECK (account IN ('1001', '1002', '112201', '1201', '2209', '3101', '3102', '410101', '410102',
        '410103', '4901', '5101', '510101', '510109', '5201', '520101', '5301', '5401'));
ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_kind, ADD CONSTRAINT ledger_entries_kind
    CHECK (kind IN ('donations', 'carried', 'disbursement', 'transfer', 'goods', 'opening', 'voucher',
        'reversal'));
"""

BY_HAND = """
CREATE FUNCTION ledger_require_no_store() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger_entries WHERE journal = NEW.journal AND sequence = NEW.sequence
        AND kind IN ('opening', 'voucher', 'reversal'))
    THEN
        RAISE EXCEPTION 'entry % of % changes a campaign''s goods by hand', NEW.sequence, NEW.journal
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_store';
    END IF;
    RETURN NULL;
END $$
"""

GUARD = """
CREATE CONSTRAINT TRIGGER ledger_postings_no_store AFTER INSERT ON ledger_postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.account = '1201' AND NEW.campaign_id IS NOT NULL)
    EXECUTE FUNCTION ledger_require_no_store()
"""


def upgrade() -> None:
    for statement in (*CHANGES.split(";\n"), BY_HAND, GUARD):
        if statement.strip():
            op.execute(statement)
