"""Goods given in kind, at their stated values, beside all money."""

from alembic import op

revision = "0004"
down_revision = "0003"

TABLE = """
CREATE TABLE goods_movements (
    movement_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    value_fen BIGINT NOT NULL CHECK (value_fen > 0),
    happened_on DATE NOT NULL,
    shown_name TEXT,
    use TEXT,
    beneficiaries BIGINT CHECK (beneficiaries >= 0),
    beneficiary_unit TEXT,
    PRIMARY KEY (movement_id),
    CONSTRAINT goods_movements_kind CHECK (kind IN ('received', 'reversed', 'distributed', 'returned',
        'written_off'))
)
"""
INDEX = """
CREATE INDEX goods_movements_by_campaign ON goods_movements (campaign_id, kind) INCLUDE (value_fen)
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(INDEX)
