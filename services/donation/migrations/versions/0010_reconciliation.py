"""Channels' bills of a day, their lines, the breaks and what became of them; how each day stands."""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = """
CREATE TABLE bill_terms (
    channel text NOT NULL,
    format text NOT NULL CHECK (format IN ('wechatpay','alipay','plain')),
    daily boolean NOT NULL,
    due_from date NOT NULL,
    campaign_id text,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL,
    PRIMARY KEY (channel),
    FOREIGN KEY (channel) REFERENCES channels (channel)
);
COMMENT ON COLUMN bill_terms.daily IS 'it owes a bill of every day';
COMMENT ON COLUMN bill_terms.due_from IS 'the first day that it owes a bill of';
COMMENT ON COLUMN bill_terms.campaign_id IS 'what late donations are given to when their bill does not say';
CREATE TABLE bills (
    bill_id bigint GENERATED ALWAYS AS IDENTITY,
    channel text NOT NULL,
    day date NOT NULL,
    sha256 bytea NOT NULL,
    format text NOT NULL,
    state text NOT NULL CHECK (state IN ('current','superseded')),
    payments integer NOT NULL,
    payments_fen bigint NOT NULL,
    refunds integer NOT NULL,
    refunds_fen bigint NOT NULL,
    fees_fen bigint NOT NULL,
    imported_by text NOT NULL,
    imported_at timestamptz NOT NULL,
    judged_at timestamptz,
    PRIMARY KEY (bill_id),
    CONSTRAINT bills_hash CHECK (octet_length(sha256) = 32),
    CONSTRAINT bills_once UNIQUE (channel, day, sha256),
    FOREIGN KEY (channel) REFERENCES channels (channel)
);
CREATE UNIQUE INDEX bills_current ON bills (channel, day) WHERE state = 'current';
COMMENT ON COLUMN bills.day IS 'in Asia/Shanghai';
CREATE TABLE bill_lines (
    bill_id bigint NOT NULL,
    number integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('payment','refund')),
    subject uuid NOT NULL,
    transaction_id text NOT NULL,
    reversal_id text,
    amount_fen bigint NOT NULL CHECK (amount_fen > 0),
    fee_fen bigint,
    occurred_at timestamptz NOT NULL,
    campaign_id text,
    PRIMARY KEY (bill_id, number),
    CONSTRAINT bill_lines_refund CHECK ((kind = 'refund') = (reversal_id IS NOT NULL)),
    CONSTRAINT bill_lines_once UNIQUE (bill_id, subject),
    FOREIGN KEY (bill_id) REFERENCES bills (bill_id)
);
COMMENT ON COLUMN bill_lines.number IS 'of the line in the file';
COMMENT ON COLUMN bill_lines.subject IS 'the donation''s or the reversal''s id, derived';
CREATE TABLE breaks (
    break_id bigint GENERATED ALWAYS AS IDENTITY,
    channel text NOT NULL,
    day date NOT NULL,
    kind text NOT NULL CHECK (
        kind IN ('missing_here','missing_there','amount_differs',
        'refund_missing_here','refund_missing_there','fee_differs')),
    subject uuid NOT NULL,
    transaction_id text NOT NULL,
    reversal_id text,
    ours_fen bigint,
    theirs_fen bigint,
    occurred_at timestamptz NOT NULL,
    fee_fen bigint,
    campaign_id text,
    asked_at timestamptz,
    state text NOT NULL CHECK (state IN ('open','settled','resolved')),
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_by text,
    reason text,
    PRIMARY KEY (break_id),
    CONSTRAINT breaks_once UNIQUE (channel, subject, kind),
    CONSTRAINT breaks_closed CHECK (
        (state = 'open') = (closed_at IS NULL) AND (state = 'open') = (closed_by IS NULL)
        AND (state = 'open') = (reason IS NULL)),
    CONSTRAINT breaks_something CHECK (ours_fen IS NOT NULL OR theirs_fen IS NOT NULL),
    FOREIGN KEY (channel) REFERENCES channels (channel)
);
CREATE INDEX breaks_open ON breaks (channel, day) WHERE state = 'open';
COMMENT ON COLUMN breaks.ours_fen IS 'NULL: nothing here';
COMMENT ON COLUMN breaks.theirs_fen IS 'NULL: nothing there';
COMMENT ON COLUMN breaks.fee_fen IS 'what a missing donation''s line says of its fee';
COMMENT ON COLUMN breaks.campaign_id IS 'what a missing donation is booked for';
COMMENT ON COLUMN breaks.asked_at IS 'when it was put on the channel''s topic';
CREATE TABLE break_history (
    number bigint GENERATED ALWAYS AS IDENTITY,
    break_id bigint NOT NULL,
    at timestamptz NOT NULL,
    who text NOT NULL,
    what text NOT NULL CHECK (what IN ('opened','reopened','asked','not_taken','settled','resolved')),
    reason text,
    ours_fen bigint,
    theirs_fen bigint,
    PRIMARY KEY (number),
    FOREIGN KEY (break_id) REFERENCES breaks (break_id)
);
CREATE INDEX break_history_break ON break_history (break_id);
CREATE TABLE reconciled_days (
    channel text NOT NULL,
    day date NOT NULL,
    ours integer NOT NULL,
    ours_fen bigint NOT NULL,
    held integer NOT NULL,
    held_fen bigint NOT NULL,
    conflicted integer NOT NULL,
    matched integer NOT NULL,
    matched_fen bigint NOT NULL,
    judged_at timestamptz NOT NULL,
    PRIMARY KEY (channel, day),
    CONSTRAINT reconciled_days_part CHECK (matched_fen <= ours_fen),
    FOREIGN KEY (channel) REFERENCES channels (channel)
)
"""
STATEMENTS = (
    # A day's donations are found by it; donations come nearly in the order of time, and writing it costs
    # nothing that can be measured.
    "CREATE INDEX donations_by_time ON donations USING brin (occurred_at)",
    """
    CREATE TRIGGER break_history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON break_history
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    for statement in (*TABLES.split(";\n"), *STATEMENTS):
        op.execute(statement)
