"""Goods in the trace: what came back of a distribution, what was written off, gifts of any value."""

from alembic import op

revision = "0006"
down_revision = "0005"

KINDS = (
    "'payment', 'return', 'transfer_in', 'transfer_out',"
    " 'goods_in', 'goods_back', 'goods_out', 'goods_returned', 'goods_lost'"
)
ABOUT = "kind IN ('return', 'goods_returned')"
STATEMENTS = (
    "ALTER TABLE trace_movements DROP CONSTRAINT trace_movements_kind",
    f"ALTER TABLE trace_movements ADD CONSTRAINT trace_movements_kind CHECK (kind IN ({KINDS}))",
    "ALTER TABLE trace_movements DROP CONSTRAINT trace_movements_amount",
    "ALTER TABLE trace_movements ADD CONSTRAINT trace_movements_amount CHECK (amount_fen > 0)",
    "DROP INDEX trace_movements_returns",
    f"CREATE INDEX trace_movements_returns ON trace_movements (about) WHERE {ABOUT}",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
