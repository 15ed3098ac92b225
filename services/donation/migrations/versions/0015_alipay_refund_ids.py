"""Refunds of Alipay's trades bear the number that its bills have."""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = (
    "ALTER TABLE alipay_refunds ADD reversal_id text",
    "UPDATE alipay_refunds SET reversal_id = transaction_id || '-' || refunded_fen",
    "ALTER TABLE alipay_refunds ALTER reversal_id SET NOT NULL, ADD UNIQUE (channel, reversal_id)",
    "COMMENT ON COLUMN alipay_refunds.reversal_id IS 'Alipay''s number of it, unless another has that'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
