"""The register of organisations. Campaigns from before it belong to none until they are given to one."""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = """
CREATE TABLE organisations (
    organisation_id TEXT NOT NULL,
    parent_id TEXT,
    depth SMALLINT NOT NULL,
    parent_depth SMALLINT,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    name_en TEXT,
    licence TEXT,
    contact TEXT,
    query_method TEXT,
    registered_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (organisation_id),
    CONSTRAINT organisations_name UNIQUE (name),
    CONSTRAINT organisations_place UNIQUE (organisation_id, depth),
    CONSTRAINT organisations_parent FOREIGN KEY (parent_id, parent_depth)
        REFERENCES organisations (organisation_id, depth),
    CONSTRAINT organisations_depth CHECK (depth BETWEEN 1 AND 4),
    CONSTRAINT organisations_one_level_below CHECK (CASE WHEN parent_id IS NULL THEN depth = 1 AND
        parent_depth IS NULL ELSE parent_depth IS NOT NULL AND depth = parent_depth + 1 END),
    CONSTRAINT organisations_version CHECK (version >= 1)
);
CREATE INDEX organisations_below ON organisations (parent_id);
CREATE TABLE organisation_changes (
    organisation_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    name_en TEXT,
    licence TEXT,
    contact TEXT,
    query_method TEXT,
    person TEXT NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, version),
    FOREIGN KEY(organisation_id) REFERENCES organisations (organisation_id)
);
ALTER TABLE campaigns ADD organisation_id TEXT,
    ADD CONSTRAINT campaigns_organisation FOREIGN KEY (organisation_id)
        REFERENCES organisations (organisation_id);
CREATE INDEX campaigns_of_organisation ON campaigns (organisation_id, campaign_id);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
