"""Receipts without gaps, what they stand for, their files; waivers; answers to commands."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
CREATE TABLE idempotency_keys (
    person text NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL CONSTRAINT idempotency_keys_hash CHECK (octet_length(request_hash) = 32),
    refused boolean NOT NULL,
    status smallint NOT NULL CONSTRAINT idempotency_keys_status CHECK (status BETWEEN 200 AND 499),
    answer json NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (person, idempotency_key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
CREATE TABLE receipt_campaigns (
    campaign_id text PRIMARY KEY,
    title text NOT NULL,
    organisation text NOT NULL,
    licence text NOT NULL,
    sequence bigint NOT NULL
);
COMMENT ON COLUMN receipt_campaigns.sequence IS 'of the newest event of the campaign, all of one source';
CREATE TABLE receipt_organisations (
    organisation text PRIMARY KEY,
    code text NOT NULL CONSTRAINT receipt_organisations_code CHECK (code ~ '^[A-Z][A-Z0-9]{1,11}$'),
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL,
    CONSTRAINT receipt_organisations_one_code UNIQUE (code)
);
CREATE TABLE receipt_series (
    code text NOT NULL REFERENCES receipt_organisations (code),
    year smallint NOT NULL CONSTRAINT receipt_series_year CHECK (year BETWEEN 2000 AND 2199),
    last_serial integer NOT NULL CONSTRAINT receipt_series_serial CHECK (last_serial BETWEEN 1 AND 9999999),
    last_issued_at timestamptz NOT NULL,
    PRIMARY KEY (code, year)
);
CREATE TABLE receipts (
    number text GENERATED ALWAYS AS (
        code || '-' || CAST(year AS text) || '-' || lpad(CAST(serial AS text), 7, '0')
    ) STORED PRIMARY KEY,
    code text NOT NULL,
    year smallint NOT NULL,
    serial integer NOT NULL CONSTRAINT receipts_serial CHECK (serial BETWEEN 1 AND 9999999),
    previous_serial integer GENERATED ALWAYS AS (nullif(serial - 1, 0)) STORED,
    organisation text NOT NULL,
    licence text NOT NULL,
    purpose text NOT NULL,
    donor_kind text NOT NULL CONSTRAINT receipts_donor_kind CHECK (donor_kind IN ('person', 'company')),
    donor_name text,
    shown_name text,
    amount_fen bigint NOT NULL CONSTRAINT receipts_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    donations smallint NOT NULL CONSTRAINT receipts_donations CHECK (donations BETWEEN 1 AND 100),
    donated_from timestamptz NOT NULL,
    donated_to timestamptz NOT NULL,
    handler text NOT NULL,
    issued_by text NOT NULL,
    issued_at timestamptz NOT NULL,
    check_code text NOT NULL,
    check_address text NOT NULL,
    replaces text,
    valid boolean NOT NULL,
    version integer NOT NULL,
    void_reason text,
    voided_by text,
    voided_at timestamptz,
    CONSTRAINT receipts_in_series UNIQUE (code, year, serial),
    CONSTRAINT receipts_of_series FOREIGN KEY (code, year) REFERENCES receipt_series (code, year),
    CONSTRAINT receipts_no_gap FOREIGN KEY (code, year, previous_serial)
        REFERENCES receipts (code, year, serial),
    CONSTRAINT receipts_validity UNIQUE (number, valid),
    CONSTRAINT receipts_replaces FOREIGN KEY (replaces) REFERENCES receipts (number),
    CONSTRAINT receipts_replaced_once UNIQUE (replaces),
    CONSTRAINT receipts_donated CHECK (donated_from <= donated_to),
    CONSTRAINT receipts_shown_name CHECK (donor_name IS NOT NULL OR shown_name IS NULL),
    CONSTRAINT receipts_state CHECK (valid = (version = 1)),
    CONSTRAINT receipts_version CHECK (version IN (1, 2)),
    CONSTRAINT receipts_void CHECK (
        valid = (void_reason IS NULL) AND valid = (voided_by IS NULL) AND valid = (voided_at IS NULL)
    ),
    CONSTRAINT receipts_year CHECK (
        year = CAST(extract(year FROM issued_at AT TIME ZONE 'Asia/Shanghai') AS smallint)
    )
);
COMMENT ON COLUMN receipts.previous_serial IS 'a number can only be written after the one before it';
COMMENT ON COLUMN receipts.donor_name IS 'NULL: an anonymous gift';
COMMENT ON COLUMN receipts.shown_name IS 'what the donor agreed to be shown';
CREATE TABLE receipt_items (
    number text NOT NULL,
    donation_id uuid NOT NULL REFERENCES donations (donation_id),
    valid boolean NOT NULL,
    amount_fen bigint NOT NULL
        CONSTRAINT receipt_items_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    PRIMARY KEY (number, donation_id),
    CONSTRAINT receipt_items_validity FOREIGN KEY (number, valid)
        REFERENCES receipts (number, valid) ON UPDATE CASCADE
);
COMMENT ON COLUMN receipt_items.valid IS 'follows the receipt';
COMMENT ON COLUMN receipt_items.amount_fen IS 'given less what had gone back by then';
CREATE UNIQUE INDEX receipt_items_one_valid ON receipt_items (donation_id) WHERE valid;
CREATE INDEX receipt_items_donation ON receipt_items (donation_id);
CREATE TABLE receipt_files (
    number text PRIMARY KEY REFERENCES receipts (number),
    pdf bytea NOT NULL,
    made_at timestamptz NOT NULL
);
CREATE TABLE receipt_waivers (
    waiver_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    donation_id uuid NOT NULL REFERENCES donations (donation_id),
    waived_on date NOT NULL,
    note text NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    withdrawn_by text,
    withdrawn_at timestamptz,
    CONSTRAINT receipt_waivers_withdrawn CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL))
);
CREATE UNIQUE INDEX receipt_waivers_one_open ON receipt_waivers (donation_id) WHERE withdrawn_at IS NULL;
COMMENT ON COLUMN receipt_waivers.note IS 'how the donor said so';
"""

# What was issued is never edited: only the columns that are named may change, and only while it is valid.
# AFTER, because before it the generated columns of the new row are not known.
NEVER_EDITED = """
CREATE FUNCTION never_edited() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(OLD) ->> 'valid' = 'false'
            OR to_jsonb(OLD) - coalesce(TG_ARGV, '{}') <> to_jsonb(NEW) - coalesce(TG_ARGV, '{}') THEN
        RAISE EXCEPTION 'what was issued is never edited' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END $body$
"""
MAY_CHANGE = {
    "receipts": "'valid', 'version', 'void_reason', 'voided_by', 'voided_at'",
    "receipt_items": "'valid'",
    "receipt_files": "",
}


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
    op.execute(NEVER_EDITED)
    for table, columns in MAY_CHANGE.items():
        op.execute(
            f"CREATE TRIGGER {table}_never_edited AFTER UPDATE OR DELETE ON {table}"
            f" FOR EACH ROW EXECUTE FUNCTION never_edited({columns})"
        )
