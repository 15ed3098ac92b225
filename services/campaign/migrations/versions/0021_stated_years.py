"""Years of an organisation from before the ledger, stated by two people."""

from alembic import op

revision = "0021"
down_revision = "0020"

TABLES = """
CREATE TABLE stated_years (
    statement_id UUID NOT NULL,
    organisation_id TEXT NOT NULL,
    year SMALLINT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    income_fen BIGINT NOT NULL,
    programme_fen BIGINT NOT NULL,
    management_fen BIGINT NOT NULL,
    spending_fen BIGINT NOT NULL,
    reference TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at timestamptz NOT NULL,
    decided_by TEXT,
    decided_at timestamptz,
    PRIMARY KEY (statement_id),
    CONSTRAINT stated_years_state CHECK (state IN ('asked', 'done', 'withdrawn')),
    CONSTRAINT stated_years_version CHECK (version >= 1),
    CONSTRAINT stated_years_year CHECK (year BETWEEN 2000 AND 2199),
    CONSTRAINT stated_years_over CHECK (year < EXTRACT(year FROM asked_at AT TIME ZONE 'Asia/Shanghai')),
    CONSTRAINT stated_years_income CHECK (income_fen BETWEEN 0 AND 10000000000000),
    CONSTRAINT stated_years_programme CHECK (programme_fen BETWEEN 0 AND 10000000000000),
    CONSTRAINT stated_years_management CHECK (management_fen BETWEEN 0 AND 10000000000000),
    CONSTRAINT stated_years_spending CHECK (spending_fen BETWEEN 0 AND 10000000000000),
    CONSTRAINT stated_years_parts CHECK (programme_fen + management_fen <= spending_fen),
    CONSTRAINT stated_years_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by IS
        NULL) = (decided_at IS NULL)),
    CONSTRAINT stated_years_two_people CHECK (state <> 'done' OR decided_by <> asked_by),
    FOREIGN KEY(organisation_id) REFERENCES organisations (organisation_id)
);
CREATE INDEX stated_years_of_organisation ON stated_years (organisation_id, statement_id);
CREATE UNIQUE INDEX stated_years_once ON stated_years (organisation_id, year) WHERE state <> 'withdrawn'
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
