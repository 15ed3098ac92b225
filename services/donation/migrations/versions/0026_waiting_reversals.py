"""What a reversal that waits says of its donation, since when it waits, and who has set it aside."""

from alembic import op

revision = "0026"
down_revision = "0025"

COMMENTS = {
    "transaction_id": "as the channel gave it; null: asked before this was kept",
    "asked_at": "when the broker took the record that asked for it",
    "set_aside_by": "who has decided that it waits for nothing",
}


def upgrade() -> None:
    op.execute(
        "ALTER TABLE reversals ADD COLUMN transaction_id text, ADD COLUMN asked_at timestamptz,"
        " ADD COLUMN set_aside_by text, ADD COLUMN set_aside_at timestamptz, ADD COLUMN set_aside_reason text"
    )
    for column, what in COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN reversals.{column} IS '{what}'")
