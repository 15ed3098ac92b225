"""Refunds of Alipay's trades, from the sums that its notices say."""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    """
    CREATE TABLE alipay_refunds (
        channel text NOT NULL REFERENCES channels,
        transaction_id text NOT NULL,
        refunded_fen bigint NOT NULL,
        amount_fen bigint NOT NULL,
        refunded_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (channel, transaction_id, refunded_fen),
        CONSTRAINT alipay_refunds_amount CHECK (amount_fen BETWEEN 1 AND refunded_fen)
    )
    """,
    "COMMENT ON COLUMN alipay_refunds.refunded_fen IS 'all of the trade that went back until then'",
    "COMMENT ON COLUMN alipay_refunds.amount_fen IS 'what this one adds to those before it'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
