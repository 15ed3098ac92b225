"""The donor's trace: sums of each campaign at a stated moment, and what campaigns announce of money."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLES = """
CREATE TABLE trace_moment (
    one boolean DEFAULT true PRIMARY KEY CONSTRAINT trace_moment_one CHECK (one),
    stated_at timestamptz NOT NULL
);
CREATE TABLE trace_positions (
    what text NOT NULL
        CONSTRAINT trace_positions_what CHECK (what IN ('donations', 'releases', 'reversals')),
    source text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (what, source)
);
COMMENT ON COLUMN trace_positions.sequence IS 'the last that is counted';
CREATE TABLE trace_funds (
    campaign_id text PRIMARY KEY,
    received_fen bigint NOT NULL,
    reversed_fen bigint NOT NULL,
    CONSTRAINT trace_funds_amounts CHECK (received_fen >= 0 AND reversed_fen >= 0)
);
CREATE TABLE trace_movements (
    source text NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL CONSTRAINT trace_movements_kind CHECK (kind IN (
        'payment', 'return', 'transfer_in', 'transfer_out', 'goods_in', 'goods_out', 'goods_back'
    )),
    campaign_id text NOT NULL,
    amount_fen bigint NOT NULL
        CONSTRAINT trace_movements_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    use text,
    title text,
    about uuid,
    other text,
    moved_on date NOT NULL,
    announced_at timestamptz NOT NULL,
    PRIMARY KEY (source, sequence, kind),
    CONSTRAINT trace_movements_use CHECK (kind NOT IN ('payment', 'goods_out') OR use IS NOT NULL),
    CONSTRAINT trace_movements_about CHECK (kind NOT IN ('payment', 'return') OR about IS NOT NULL)
);
COMMENT ON COLUMN trace_movements.use IS 'what it is spent on';
COMMENT ON COLUMN trace_movements.title IS 'what it was in particular';
COMMENT ON COLUMN trace_movements.about IS 'the disbursement that was paid or came back';
COMMENT ON COLUMN trace_movements.other IS 'the campaign, or the trustee, at a transfer''s other end';
CREATE INDEX trace_movements_campaign ON trace_movements (campaign_id);
CREATE INDEX trace_movements_returns ON trace_movements (about) WHERE kind = 'return';
CREATE TABLE trace_helped (
    source text NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    unit text NOT NULL,
    of text NOT NULL,
    count integer NOT NULL CONSTRAINT trace_helped_count CHECK (count > 0),
    PRIMARY KEY (source, sequence, kind, unit, of),
    CONSTRAINT trace_helped_movement FOREIGN KEY (source, sequence, kind)
        REFERENCES trace_movements (source, sequence, kind)
);
COMMENT ON COLUMN trace_helped.of IS 'what is counted, when the unit does not say so'
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
