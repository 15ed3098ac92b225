"""Donations, what undoes or holds them, channels, dead letters."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE marks (
    source text PRIMARY KEY,
    sequence bigint NOT NULL CONSTRAINT marks_sequence CHECK (sequence >= -1)
);
CREATE TABLE channels (
    channel text PRIMARY KEY,
    title text NOT NULL,
    secret bytea NOT NULL,
    limit_per_second integer NOT NULL CHECK (limit_per_second > 0),
    state text NOT NULL CHECK (state IN ('active', 'paused')),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN channels.secret IS 'AES-256-GCM, see channels.py';
CREATE TABLE campaigns (
    campaign_id text PRIMARY KEY,
    status text NOT NULL CHECK (status IN ('filed','launched','paused','closed')),
    closed_at timestamptz,
    CONSTRAINT campaigns_closed_at CHECK ((status = 'closed') = (closed_at IS NOT NULL))
);
CREATE TABLE donations (
    donation_id uuid PRIMARY KEY,
    channel text NOT NULL,
    transaction_id text NOT NULL,
    campaign_id text NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    fee_fen bigint CHECK (fee_fen BETWEEN 0 AND amount_fen),
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    donor_kind text NOT NULL CHECK (donor_kind IN ('person', 'company')),
    donor_name text,
    donor_alias text,
    donor_display text NOT NULL CHECK (donor_display IN ('name','alias','anonymous')),
    contact_email text,
    message text,
    source text NOT NULL,
    sequence bigint NOT NULL,
    held_reason text,
    status text NOT NULL CHECK (status IN ('received', 'held')),
    CONSTRAINT donations_position UNIQUE (source, sequence),
    CONSTRAINT donations_held CHECK (status = 'received' OR held_reason IS NOT NULL)
);
COMMENT ON COLUMN donations.donation_id IS 'derived from channel and transaction_id';
COMMENT ON COLUMN donations.received_at IS 'when the broker took the record';
COMMENT ON COLUMN donations.held_reason IS 'why it was held when it came in; stays after the release';
CREATE INDEX donations_held_open ON donations (campaign_id, occurred_at) WHERE status = 'held';
CREATE TABLE releases (
    donation_id uuid PRIMARY KEY REFERENCES donations (donation_id),
    source text NOT NULL,
    sequence bigint NOT NULL,
    released_at timestamptz NOT NULL,
    CONSTRAINT releases_position UNIQUE (source, sequence)
);
CREATE TABLE reversals (
    reversal_id uuid PRIMARY KEY,
    donation_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('refund', 'chargeback', 'void')),
    amount_fen bigint NOT NULL CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    occurred_at timestamptz NOT NULL,
    reason text,
    asked_source text NOT NULL,
    asked_sequence bigint NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'applied', 'refused')),
    source text,
    sequence bigint,
    applied_at timestamptz,
    CONSTRAINT reversals_position UNIQUE (source, sequence),
    CONSTRAINT reversals_source CHECK ((status = 'applied') = (source IS NOT NULL)),
    CONSTRAINT reversals_whole_position CHECK (
        (source IS NULL) = (sequence IS NULL) AND (source IS NULL) = (applied_at IS NULL)
    )
);
COMMENT ON COLUMN reversals.reversal_id IS 'derived from channel and the channel''s id of it';
COMMENT ON COLUMN reversals.donation_id IS 'no foreign key: the notice may come before the donation';
COMMENT ON COLUMN reversals.source IS 'the position of the record that applied it';
COMMENT ON COLUMN reversals.applied_at IS 'when the broker took that record';
CREATE INDEX reversals_donation ON reversals (donation_id);
CREATE INDEX reversals_pending ON reversals (donation_id) WHERE status = 'pending';
CREATE TABLE conflicts (
    source text NOT NULL,
    sequence bigint NOT NULL,
    donation_id uuid NOT NULL,
    campaign_id text NOT NULL,
    amount_fen bigint NOT NULL,
    received_at timestamptz NOT NULL,
    differs jsonb NOT NULL,
    PRIMARY KEY (source, sequence)
);
CREATE INDEX conflicts_donation ON conflicts (donation_id);
COMMENT ON COLUMN conflicts.differs IS 'the names of the fields that differ, not their content';
CREATE TABLE dead_letters (
    source text NOT NULL,
    sequence bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    letter bytea NOT NULL,
    failed_at timestamptz NOT NULL,
    replayed_at timestamptz,
    replayed_by text,
    PRIMARY KEY (source, sequence),
    CONSTRAINT dead_letters_replayed CHECK ((replayed_at IS NULL) = (replayed_by IS NULL))
);
CREATE INDEX dead_letters_by_time ON dead_letters (failed_at);
COMMENT ON COLUMN dead_letters.letter IS 'the dead letter as it lies on its topic';
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
