"""What came back of a disbursement, apart from what was disbursed."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE disbursements ADD returned_fen BIGINT DEFAULT '0' NOT NULL CHECK (returned_fen >= 0)"
    )
    op.execute("DROP INDEX disbursements_by_campaign")
    op.execute(
        "CREATE INDEX disbursements_by_campaign ON disbursements (campaign_id)"
        " INCLUDE (amount_fen, returned_fen)"
    )
