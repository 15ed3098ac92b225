"""Parts (分活动) of a campaign: one level below it, under its filing number."""

from alembic import op

revision = "0016"
down_revision = "0015"

CHANGES = """
ALTER TABLE campaigns
    ADD parent_id TEXT,
    ADD part_kind TEXT,
    ADD is_part BOOLEAN GENERATED ALWAYS AS (parent_id IS NOT NULL) STORED NOT NULL,
    ADD parent_is_part BOOLEAN GENERATED ALWAYS AS (CASE WHEN parent_id IS NOT NULL THEN false END) STORED;
ALTER TABLE campaigns
    DROP CONSTRAINT campaigns_filing_number_key,
    ADD CONSTRAINT campaigns_place UNIQUE (campaign_id, is_part),
    ADD CONSTRAINT campaigns_parent FOREIGN KEY (parent_id, parent_is_part)
        REFERENCES campaigns (campaign_id, is_part),
    ADD CONSTRAINT campaigns_part CHECK ((parent_id IS NULL) = (part_kind IS NULL) AND (state <> 'filed' OR
        parent_id IS NULL) AND (part_kind IN ('team', 'county', 'company', 'other')) IS NOT FALSE);
CREATE UNIQUE INDEX campaigns_filing_number ON campaigns (filing_number) WHERE parent_id IS NULL;
CREATE INDEX campaigns_parts ON campaigns (parent_id) WHERE parent_id IS NOT NULL;
"""


def upgrade() -> None:
    for statement in CHANGES.split(";\n"):
        if statement.strip():
            op.execute(statement)
