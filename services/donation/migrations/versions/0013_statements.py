"""Statements: files of channels, checked by people and imported once; their content encrypted, for days."""

from alembic import op

revision = "0013"
down_revision = "0012"

TABLES = """
CREATE TABLE statements (
    statement_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL REFERENCES channels,
    file_name text NOT NULL,
    sha256 bytea NOT NULL CONSTRAINT statements_sha256 CHECK (octet_length(sha256) = 32),
    size_bytes integer NOT NULL,
    origin text NOT NULL CONSTRAINT statements_origin CHECK (origin IN ('upload', 'folder')),
    profile jsonb NOT NULL,
    state text NOT NULL CONSTRAINT statements_state CHECK (
        state IN ('uploaded', 'checked', 'refused', 'importing', 'imported', 'discarded')
    ),
    reason text,
    preview jsonb,
    outcome jsonb,
    done_line integer NOT NULL DEFAULT 0,
    uploaded_by text NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    decided_by text,
    decided_at timestamptz,
    finished_at timestamptz,
    claim uuid,
    claimed_until timestamptz,
    attempts smallint NOT NULL DEFAULT 0,
    CONSTRAINT statements_reason CHECK ((state = 'refused') = (reason IS NOT NULL)),
    CONSTRAINT statements_preview CHECK (
        state NOT IN ('checked', 'importing', 'imported') OR preview IS NOT NULL
    ),
    CONSTRAINT statements_decided CHECK (
        (state IN ('importing', 'imported', 'discarded')) = (decided_by IS NOT NULL)
    ),
    CONSTRAINT statements_decided_at CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT statements_claim CHECK ((claim IS NULL) = (claimed_until IS NULL))
);
COMMENT ON COLUMN statements.profile IS 'as it was when the file came';
COMMENT ON COLUMN statements.reason IS 'why it is refused';
COMMENT ON COLUMN statements.preview IS 'counts, sums, numbers of lines: never their content';
COMMENT ON COLUMN statements.outcome IS 'the same of the import, so far';
COMMENT ON COLUMN statements.done_line IS 'the last that is in';
COMMENT ON COLUMN statements.decided_by IS 'who confirmed or discarded it';
COMMENT ON COLUMN statements.claim IS 'of the process that works at it';
COMMENT ON COLUMN statements.attempts IS 'without progress';
CREATE UNIQUE INDEX statements_once ON statements (channel, sha256)
    WHERE state NOT IN ('refused', 'discarded');
CREATE INDEX statements_open ON statements (uploaded_at) WHERE state IN ('uploaded', 'importing');
CREATE TABLE statement_files (
    statement_id bigint NOT NULL REFERENCES statements,
    what text NOT NULL CONSTRAINT statement_files_what CHECK (what IN ('original', 'bad_lines')),
    sealed bytea NOT NULL,
    delete_after timestamptz NOT NULL,
    PRIMARY KEY (statement_id, what)
);
COMMENT ON COLUMN statement_files.sealed IS 'AES-256-GCM, see shared/secret_box.py';
CREATE INDEX statement_files_age ON statement_files (delete_after)
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
