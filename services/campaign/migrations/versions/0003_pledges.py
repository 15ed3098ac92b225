"""Pledges: read back by a second person, corrected with a trace, kept, reminded of, released.

What was promised before by one person's word stays promised: it was announced. Its second person is "0003".
"""

from alembic import op

revision = "0003"
down_revision = "0002"

CHANGES = """
ALTER TABLE pledges RENAME made_by TO entered_by;
ALTER TABLE pledges RENAME made_at TO entered_at;
ALTER TABLE pledges
    ADD state TEXT NOT NULL DEFAULT 'confirmed',
    ADD version BIGINT NOT NULL DEFAULT 1,
    ADD display TEXT NOT NULL DEFAULT 'name',
    ADD placard TEXT,
    ADD goods TEXT,
    ADD quantity BIGINT,
    ADD unit TEXT,
    ADD basis TEXT,
    ADD written_by TEXT,
    ADD confirmed_by TEXT,
    ADD confirmed_at timestamptz,
    ADD cancelled_by TEXT,
    ADD cancelled_at timestamptz,
    ADD cancel_reason TEXT,
    ADD paid_fen BIGINT DEFAULT 0 NOT NULL,
    ADD returned_fen BIGINT DEFAULT 0 NOT NULL,
    ADD delivered_fen BIGINT DEFAULT 0 NOT NULL,
    ADD delivered_quantity BIGINT DEFAULT 0 NOT NULL,
    ADD released_fen BIGINT DEFAULT 0 NOT NULL,
    ADD fulfilled_at timestamptz;
UPDATE pledges SET written_by = entered_by, confirmed_by = '0003', confirmed_at = entered_at,
    display = CASE shown_name WHEN company THEN 'name' WHEN '爱心企业' THEN 'anonymous' ELSE 'alias' END;
ALTER TABLE pledges ALTER state DROP DEFAULT, ALTER version DROP DEFAULT, ALTER display DROP DEFAULT,
    ALTER written_by SET NOT NULL;
ALTER TABLE pledges
    ADD CONSTRAINT pledges_display CHECK (display IN ('name', 'alias', 'anonymous')),
    ADD CONSTRAINT pledges_quantity CHECK (quantity BETWEEN 1 AND 2147483647),
    ADD CONSTRAINT pledges_basis CHECK (basis IN ('invoice', 'appraisal', 'agreed')),
    ADD CONSTRAINT pledges_goods CHECK (num_nonnulls(goods, quantity, unit, basis) IN (0, 4)),
    ADD CONSTRAINT pledges_state CHECK (state IN ('entered', 'confirmed', 'released', 'cancelled')),
    ADD CONSTRAINT pledges_version CHECK (version >= 1),
    ADD CONSTRAINT pledges_two_people CHECK (confirmed_by <> written_by),
    ADD CONSTRAINT pledges_confirmed CHECK ((state IN ('confirmed', 'released')) = (confirmed_by IS NOT
        NULL) AND (confirmed_by IS NULL) = (confirmed_at IS NULL)),
    ADD CONSTRAINT pledges_cancelled CHECK (num_nonnulls(cancelled_by, cancelled_at, cancel_reason) =
        CASE state WHEN 'cancelled' THEN 3 ELSE 0 END),
    ADD CONSTRAINT pledges_kept CHECK (paid_fen >= 0 AND returned_fen >= 0 AND delivered_fen >= 0 AND
        delivered_quantity >= 0),
    ADD CONSTRAINT pledges_released CHECK (released_fen BETWEEN 0 AND amount_fen AND (state =
        'released') = (released_fen > 0)),
    ADD CONSTRAINT pledges_fulfilled CHECK (fulfilled_at IS NULL OR confirmed_at IS NOT NULL);
CREATE INDEX pledges_due ON pledges (due_on, pledge_id) WHERE state = 'confirmed';
CREATE UNIQUE INDEX pledges_placard ON pledges (campaign_id, placard) WHERE state <> 'cancelled';
CREATE TABLE pledge_versions (
    pledge_id UUID NOT NULL,
    version BIGINT NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL,
    company TEXT NOT NULL,
    display TEXT NOT NULL,
    shown_name TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    due_on DATE NOT NULL,
    placard TEXT,
    goods TEXT,
    quantity BIGINT,
    unit TEXT,
    basis TEXT,
    reason TEXT,
    person TEXT NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (pledge_id, version),
    CONSTRAINT pledge_versions_display CHECK (display IN ('name', 'alias', 'anonymous')),
    CONSTRAINT pledge_versions_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    CONSTRAINT pledge_versions_quantity CHECK (quantity BETWEEN 1 AND 2147483647),
    CONSTRAINT pledge_versions_basis CHECK (basis IN ('invoice', 'appraisal', 'agreed')),
    CONSTRAINT pledge_versions_goods CHECK (num_nonnulls(goods, quantity, unit, basis) IN (0, 4)),
    CONSTRAINT pledge_versions_action CHECK (action IN ('enter', 'rewrite', 'confirm', 'cancel',
        'ask_correction', 'correct', 'withdraw_correction', 'ask_delivery', 'deliver',
        'withdraw_delivery', 'ask_release', 'release', 'withdraw_release')),
    CONSTRAINT pledge_versions_state CHECK (state IN ('entered', 'confirmed', 'released', 'cancelled')),
    FOREIGN KEY(pledge_id) REFERENCES pledges (pledge_id)
);
CREATE TABLE pledge_corrections (
    step_id UUID NOT NULL,
    pledge_id UUID NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    company TEXT NOT NULL,
    display TEXT NOT NULL,
    shown_name TEXT NOT NULL,
    amount_fen BIGINT NOT NULL,
    due_on DATE NOT NULL,
    placard TEXT,
    goods TEXT,
    quantity BIGINT,
    unit TEXT,
    basis TEXT,
    from_version BIGINT NOT NULL,
    PRIMARY KEY (step_id),
    CONSTRAINT pledge_corrections_state CHECK (state IN ('asked', 'done', 'withdrawn')),
    CONSTRAINT pledge_corrections_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND
        (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT pledge_corrections_two_people CHECK (state <> 'done' OR decided_by <> asked_by),
    CONSTRAINT pledge_corrections_display CHECK (display IN ('name', 'alias', 'anonymous')),
    CONSTRAINT pledge_corrections_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    CONSTRAINT pledge_corrections_quantity CHECK (quantity BETWEEN 1 AND 2147483647),
    CONSTRAINT pledge_corrections_basis CHECK (basis IN ('invoice', 'appraisal', 'agreed')),
    CONSTRAINT pledge_corrections_goods CHECK (num_nonnulls(goods, quantity, unit, basis) IN (0, 4)),
    CONSTRAINT pledge_corrections_from CHECK (from_version >= 1),
    FOREIGN KEY(pledge_id) REFERENCES pledges (pledge_id)
);
CREATE INDEX pledge_corrections_of_pledge ON pledge_corrections (pledge_id, step_id);
CREATE UNIQUE INDEX pledge_corrections_one_waits ON pledge_corrections (pledge_id) WHERE state = 'asked';
CREATE TABLE pledge_deliveries (
    step_id UUID NOT NULL,
    pledge_id UUID NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    quantity BIGINT NOT NULL,
    value_fen BIGINT NOT NULL,
    delivered_on DATE NOT NULL,
    PRIMARY KEY (step_id),
    CONSTRAINT pledge_deliveries_state CHECK (state IN ('asked', 'done', 'withdrawn')),
    CONSTRAINT pledge_deliveries_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by
        IS NULL) = (decided_at IS NULL)),
    CONSTRAINT pledge_deliveries_two_people CHECK (state <> 'done' OR decided_by <> asked_by),
    CONSTRAINT pledge_deliveries_quantity CHECK (quantity BETWEEN 1 AND 2147483647),
    CONSTRAINT pledge_deliveries_value CHECK (value_fen BETWEEN 1 AND 10000000000000),
    FOREIGN KEY(pledge_id) REFERENCES pledges (pledge_id)
);
CREATE INDEX pledge_deliveries_of_pledge ON pledge_deliveries (pledge_id, step_id);
CREATE UNIQUE INDEX pledge_deliveries_one_waits ON pledge_deliveries (pledge_id) WHERE state = 'asked';
CREATE TABLE pledge_releases (
    step_id UUID NOT NULL,
    pledge_id UUID NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    report_reference TEXT NOT NULL,
    reported_to TEXT NOT NULL,
    reported_on DATE NOT NULL,
    public_statement TEXT NOT NULL,
    PRIMARY KEY (step_id),
    CONSTRAINT pledge_releases_state CHECK (state IN ('asked', 'done', 'withdrawn')),
    CONSTRAINT pledge_releases_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by
        IS NULL) = (decided_at IS NULL)),
    CONSTRAINT pledge_releases_two_people CHECK (state <> 'done' OR decided_by <> asked_by),
    FOREIGN KEY(pledge_id) REFERENCES pledges (pledge_id)
);
CREATE INDEX pledge_releases_of_pledge ON pledge_releases (pledge_id, step_id);
CREATE UNIQUE INDEX pledge_releases_once ON pledge_releases (pledge_id) WHERE state = 'done';
CREATE UNIQUE INDEX pledge_releases_one_waits ON pledge_releases (pledge_id) WHERE state = 'asked';
CREATE TABLE pledge_payments (
    source TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    pledge_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    donation_id UUID NOT NULL,
    paid_fen BIGINT NOT NULL,
    returned_fen BIGINT NOT NULL,
    problem TEXT,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (source, sequence),
    CONSTRAINT pledge_payments_problem CHECK (problem IN ('unknown', 'other_campaign', 'cancelled')),
    CONSTRAINT pledge_payments_amount CHECK (paid_fen >= 0 AND returned_fen >= 0 AND (paid_fen = 0) <>
        (returned_fen = 0))
);
CREATE INDEX pledge_payments_of_pledge ON pledge_payments (pledge_id);
CREATE INDEX pledge_payments_to_look_at ON pledge_payments (campaign_id, source, sequence) WHERE problem
    IS NOT NULL;
CREATE TABLE pledge_reminders (
    pledge_id UUID NOT NULL,
    due_on DATE NOT NULL,
    stage SMALLINT NOT NULL,
    reminded_at timestamptz NOT NULL,
    PRIMARY KEY (pledge_id, due_on, stage),
    CONSTRAINT pledge_reminders_stage CHECK (stage IN (-7, 0, 7, 30)),
    FOREIGN KEY(pledge_id) REFERENCES pledges (pledge_id)
);
INSERT INTO pledge_versions (pledge_id, version, action, state, company, display, shown_name, amount_fen,
    due_on, person, changed_at)
    SELECT pledge_id, 1, 'confirm', 'confirmed', company, display, shown_name, amount_fen, due_on,
        entered_by, entered_at FROM pledges;
"""


def upgrade() -> None:
    for statement in CHANGES.split(";\n"):
        if statement.strip():
            op.execute(statement)
