"""The federation that campaigns belong to."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLE = """
CREATE TABLE organisations (
    organisation_id TEXT NOT NULL CHECK (organisation_id <> ''),
    parent_id TEXT,
    version BIGINT NOT NULL CHECK (version >= 1),
    name TEXT NOT NULL CHECK (name <> ''),
    name_en TEXT,
    licence TEXT,
    contact TEXT,
    query_method TEXT,
    PRIMARY KEY (organisation_id)
)
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("ALTER TABLE campaigns ADD organisation_id TEXT")
