"""The ranking of companies."""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS = (
    """
    CREATE TABLE company_gifts (
        donation_id uuid PRIMARY KEY,
        campaign_id text NOT NULL,
        company text CHECK (company <> ''),
        received_fen bigint NOT NULL CHECK (received_fen >= 0),
        reversed_fen bigint NOT NULL CHECK (reversed_fen >= 0),
        withdrawals bigint NOT NULL CHECK (withdrawals >= 0)
    )
    """,
    """
    CREATE TABLE company_totals (
        campaign_id text NOT NULL,
        company text COLLATE "C" NOT NULL,
        source text NOT NULL,
        net_fen bigint NOT NULL,
        PRIMARY KEY (campaign_id, company, source)
    ) WITH (fillfactor = 70)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
