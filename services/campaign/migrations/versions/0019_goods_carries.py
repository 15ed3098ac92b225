"""Goods that are carried from one store to another."""

from alembic import op

revision = "0019"
down_revision = "0018"

TABLE = """
CREATE TABLE goods_carries (
    carry_id UUID NOT NULL,
    item_id UUID NOT NULL,
    from_store TEXT NOT NULL,
    to_store TEXT NOT NULL,
    quantity BIGINT NOT NULL,
    carried_on DATE NOT NULL,
    reason TEXT NOT NULL,
    person TEXT NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (carry_id),
    CONSTRAINT goods_carries_stores CHECK (from_store <> to_store),
    CONSTRAINT goods_carries_quantity CHECK (quantity BETWEEN 1 AND 2147483647),
    FOREIGN KEY(item_id) REFERENCES goods_items (item_id)
)
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("CREATE INDEX goods_carries_of_item ON goods_carries (item_id, carry_id)")
