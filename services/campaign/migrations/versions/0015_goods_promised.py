"""A delivery of promised goods may name the gift in kind that they are in the store."""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("ALTER TABLE pledge_deliveries ADD gift_id UUID REFERENCES goods_gifts (gift_id)")
    op.execute(
        "CREATE UNIQUE INDEX pledge_deliveries_gift ON pledge_deliveries (gift_id)"
        " WHERE gift_id IS NOT NULL AND state <> 'withdrawn'"
    )
