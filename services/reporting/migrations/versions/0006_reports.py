"""Published reports, and the files made of them."""

from alembic import op

revision = "0006"
down_revision = "0005"

CHANGES = """
CREATE TABLE reports (
    report_id UUID NOT NULL,
    kind TEXT NOT NULL,
    campaign_id TEXT,
    organisation_id TEXT,
    organisation TEXT NOT NULL CHECK (organisation <> ''),
    title TEXT NOT NULL CHECK (title <> ''),
    period_from DATE NOT NULL,
    period_to DATE NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    corrects UUID,
    corrected_by UUID,
    reason TEXT,
    content TEXT NOT NULL CHECK (content <> ''),
    digest TEXT NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    published_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (report_id),
    CONSTRAINT reports_kind CHECK (kind IN ('emergency', 'quarterly', 'final', 'annual'))
);
CREATE INDEX reports_newest ON reports (published_at, report_id);
CREATE TABLE report_files (
    report_id UUID NOT NULL,
    format TEXT NOT NULL,
    corrected BOOLEAN NOT NULL,
    content BYTEA NOT NULL,
    PRIMARY KEY (report_id, format, corrected),
    CONSTRAINT report_files_format CHECK (format IN ('xlsx', 'pdf'))
)
"""


def upgrade() -> None:
    for statement in CHANGES.split(";\n"):
        op.execute(statement)
