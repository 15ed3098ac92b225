"""Charity insurance: policies, whom they cover by group, claims within the cap."""

from alembic import op

revision = "0014"
down_revision = "0013"

TABLES = """
CREATE TABLE insurance_policies (
    policy_id uuid NOT NULL,
    campaign_id text NOT NULL,
    state text NOT NULL,
    version bigint NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    reason text,
    void_asked_by text,
    void_asked_at timestamptz,
    voided_by text,
    voided_at timestamptz,
    title text NOT NULL,
    insurer text NOT NULL,
    policy_number text NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    premium_fen bigint NOT NULL,
    cap_fen bigint NOT NULL,
    limit_fen bigint,
    renewed boolean NOT NULL,
    renews uuid,
    disbursement_id uuid,
    PRIMARY KEY (policy_id),
    CONSTRAINT insurance_policies_decided CHECK ((state = 'entered') = (decided_by IS NULL) AND (decided_by
        IS NULL) = (decided_at IS NULL)),
    CONSTRAINT insurance_policies_two_people CHECK (state <> 'confirmed' OR decided_by <> asked_by),
    CONSTRAINT insurance_policies_state CHECK (state IN ('entered', 'confirmed', 'voiding', 'voided',
        'withdrawn')),
    CONSTRAINT insurance_policies_version CHECK (version >= 1),
    CONSTRAINT insurance_policies_seen_by_two CHECK (NOT state IN ('confirmed', 'voiding', 'voided') OR
        decided_by <> asked_by),
    CONSTRAINT insurance_policies_reason CHECK ((state IN ('withdrawn', 'voiding', 'voided')) = (reason IS
        NOT NULL)),
    CONSTRAINT insurance_policies_voided CHECK (num_nonnulls(void_asked_by, void_asked_at) = CASE WHEN state
        IN ('voiding', 'voided') THEN 2 ELSE 0 END AND num_nonnulls(voided_by, voided_at) = CASE state
        WHEN 'voided' THEN 2 ELSE 0 END AND voided_by <> void_asked_by),
    CONSTRAINT insurance_policies_period CHECK (starts_on <= ends_on),
    CONSTRAINT insurance_policies_premium CHECK (premium_fen BETWEEN 1 AND 10000000000000),
    CONSTRAINT insurance_policies_cap CHECK (cap_fen BETWEEN 1 AND 10000000000000),
    CONSTRAINT insurance_policies_limit CHECK (limit_fen BETWEEN 1 AND 10000000000000 AND limit_fen >=
        cap_fen),
    CONSTRAINT insurance_policies_renews CHECK (renewed OR renews IS NULL),
    CONSTRAINT insurance_policies_paid CHECK ((state IN ('confirmed', 'voiding', 'voided')) =
        (disbursement_id IS NOT NULL)),
    CONSTRAINT insurance_policies_terms UNIQUE (policy_id, cap_fen, starts_on, ends_on),
    FOREIGN KEY (campaign_id) REFERENCES campaigns (campaign_id),
    FOREIGN KEY (renews) REFERENCES insurance_policies (policy_id),
    FOREIGN KEY (disbursement_id) REFERENCES disbursements (disbursement_id)
);
CREATE INDEX insurance_policies_of_campaign ON insurance_policies (campaign_id, policy_id);
CREATE UNIQUE INDEX insurance_policies_once ON insurance_policies (insurer, policy_number) WHERE state IN
    ('entered', 'confirmed', 'voiding');
CREATE INDEX insurance_policies_premiums ON insurance_policies (disbursement_id);
CREATE UNIQUE INDEX insurance_policies_renewed_once ON insurance_policies (renews) WHERE state IN
    ('entered', 'confirmed', 'voiding');
CREATE TABLE insurance_covered (
    policy_id uuid NOT NULL,
    group_name text NOT NULL,
    people bigint NOT NULL,
    PRIMARY KEY (policy_id, group_name),
    CONSTRAINT insurance_covered_people CHECK (people BETWEEN 1 AND 2000000000),
    FOREIGN KEY (policy_id) REFERENCES insurance_policies (policy_id)
);
CREATE TABLE insurance_claims (
    claim_id uuid NOT NULL,
    policy_id uuid NOT NULL,
    state text NOT NULL,
    version bigint NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by text,
    decided_at timestamptz,
    reason text,
    void_asked_by text,
    void_asked_at timestamptz,
    voided_by text,
    voided_at timestamptz,
    claim_number text NOT NULL,
    group_name text NOT NULL,
    amount_fen bigint NOT NULL,
    occurred_on date NOT NULL,
    paid_on date NOT NULL,
    cap_fen bigint NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL,
    PRIMARY KEY (claim_id),
    CONSTRAINT insurance_claims_decided CHECK ((state = 'entered') = (decided_by IS NULL) AND (decided_by IS
        NULL) = (decided_at IS NULL)),
    CONSTRAINT insurance_claims_two_people CHECK (state <> 'confirmed' OR decided_by <> asked_by),
    CONSTRAINT insurance_claims_state CHECK (state IN ('entered', 'confirmed', 'voiding', 'voided',
        'withdrawn')),
    CONSTRAINT insurance_claims_version CHECK (version >= 1),
    CONSTRAINT insurance_claims_seen_by_two CHECK (NOT state IN ('confirmed', 'voiding', 'voided') OR
        decided_by <> asked_by),
    CONSTRAINT insurance_claims_reason CHECK ((state IN ('withdrawn', 'voiding', 'voided')) = (reason IS NOT
        NULL)),
    CONSTRAINT insurance_claims_voided CHECK (num_nonnulls(void_asked_by, void_asked_at) = CASE WHEN state
        IN ('voiding', 'voided') THEN 2 ELSE 0 END AND num_nonnulls(voided_by, voided_at) = CASE state
        WHEN 'voided' THEN 2 ELSE 0 END AND voided_by <> void_asked_by),
    CONSTRAINT insurance_claims_terms FOREIGN KEY (policy_id, cap_fen, starts_on, ends_on) REFERENCES
        insurance_policies (policy_id, cap_fen, starts_on, ends_on),
    CONSTRAINT insurance_claims_group FOREIGN KEY (policy_id, group_name) REFERENCES insurance_covered
        (policy_id, group_name),
    CONSTRAINT insurance_claims_cap CHECK (amount_fen BETWEEN 1 AND cap_fen),
    CONSTRAINT insurance_claims_period CHECK (occurred_on BETWEEN starts_on AND ends_on),
    CONSTRAINT insurance_claims_paid_on CHECK (paid_on >= occurred_on),
    CONSTRAINT insurance_claims_number CHECK (claim_number ~ '^[A-Za-z0-9._/-]{1,40}$')
);
CREATE INDEX insurance_claims_of_policy ON insurance_claims (policy_id, claim_id);
CREATE UNIQUE INDEX insurance_claims_once ON insurance_claims (policy_id, claim_number) WHERE state IN
    ('entered', 'confirmed', 'voiding')
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
