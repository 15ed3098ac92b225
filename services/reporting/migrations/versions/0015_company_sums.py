"""The ranking of companies: one row a company, so that the first ten are read by an index.

Before, each company had a row for each source, and every frame added all of them up. A worker of the version
before, still at work while this one is rolled out, writes those rows: a trigger carries them over. A later
migration takes it away, and company_totals with it.
"""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = (
    """
    CREATE TABLE company_sums (
        campaign_id text NOT NULL,
        company text COLLATE "C" NOT NULL,
        net_fen bigint NOT NULL,
        PRIMARY KEY (campaign_id, company)
    )
    """,
    "LOCK TABLE company_totals IN SHARE ROW EXCLUSIVE MODE",
    """
    INSERT INTO company_sums
    SELECT campaign_id, company, sum(net_fen) FROM company_totals GROUP BY campaign_id, company
    """,
    """
    CREATE INDEX company_sums_first ON company_sums (campaign_id, net_fen DESC, company) WHERE net_fen > 0
    """,
    """
    CREATE FUNCTION carry_company_totals() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO company_sums AS known (campaign_id, company, net_fen)
        VALUES (NEW.campaign_id, NEW.company,
            NEW.net_fen - CASE TG_OP WHEN 'UPDATE' THEN OLD.net_fen ELSE 0 END)
        ON CONFLICT (campaign_id, company) DO UPDATE SET net_fen = known.net_fen + excluded.net_fen;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER carry_company_totals AFTER INSERT OR UPDATE ON company_totals
    FOR EACH ROW EXECUTE FUNCTION carry_company_totals()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
