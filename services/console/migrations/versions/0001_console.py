"""Accounts, sessions, attempts to sign in, and the audit log, which refuses every change."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE accounts (
        account_id UUID NOT NULL,
        person TEXT NOT NULL,
        password_hash TEXT,
        issuer TEXT,
        subject TEXT,
        roles TEXT[] NOT NULL,
        grants JSONB NOT NULL,
        disabled BOOLEAN NOT NULL,
        version BIGINT NOT NULL,
        created_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        PRIMARY KEY (account_id),
        CONSTRAINT accounts_person_once UNIQUE (person),
        CONSTRAINT accounts_subject_once UNIQUE (issuer, subject),
        CONSTRAINT accounts_person CHECK (person <> '' AND char_length(person) <= 64),
        CONSTRAINT accounts_way_in CHECK (password_hash IS NOT NULL OR issuer IS NOT NULL),
        CONSTRAINT accounts_provider CHECK (num_nonnulls(issuer, subject) IN (0, 2)),
        CONSTRAINT accounts_roles CHECK (roles <@ ARRAY['viewer', 'desk', 'moderator', 'finance', 'approver',
            'administrator']),
        CONSTRAINT accounts_grants CHECK (jsonb_typeof(grants) = 'object'),
        CONSTRAINT accounts_version CHECK (version >= 1)
    )
    """,
    """
    CREATE TABLE sessions (
        key_hash BYTEA NOT NULL,
        account_id UUID NOT NULL,
        way TEXT NOT NULL,
        opened_at timestamptz NOT NULL,
        seen_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        PRIMARY KEY (key_hash),
        FOREIGN KEY (account_id) REFERENCES accounts (account_id),
        CONSTRAINT sessions_key CHECK (octet_length(key_hash) = 32),
        CONSTRAINT sessions_way CHECK (way IN ('password', 'provider')),
        CONSTRAINT sessions_times CHECK (seen_at >= opened_at AND ends_at > opened_at)
    )
    """,
    "CREATE INDEX sessions_of_account ON sessions (account_id)",
    "CREATE INDEX sessions_end ON sessions (ends_at)",
    """
    CREATE TABLE attempts (
        subject_hash BYTEA NOT NULL,
        failures INTEGER NOT NULL,
        last_at timestamptz NOT NULL,
        blocked_until timestamptz,
        PRIMARY KEY (subject_hash),
        CONSTRAINT attempts_subject CHECK (octet_length(subject_hash) = 32),
        CONSTRAINT attempts_failures CHECK (failures >= 0)
    )
    """,
    "CREATE INDEX attempts_age ON attempts (last_at)",
    """
    CREATE TABLE audit (
        sequence BIGINT NOT NULL,
        at timestamptz NOT NULL,
        kind TEXT NOT NULL,
        person TEXT NOT NULL,
        roles TEXT[] NOT NULL,
        address TEXT NOT NULL,
        method TEXT,
        service TEXT,
        path TEXT,
        status SMALLINT,
        idempotency_key TEXT,
        summary TEXT NOT NULL,
        hash BYTEA NOT NULL,
        PRIMARY KEY (sequence),
        CONSTRAINT audit_sequence CHECK (sequence >= 1),
        CONSTRAINT audit_kind CHECK (kind IN ('call', 'signed-in', 'sign-in-failed', 'locked-out',
            'signed-out', 'account', 'export')),
        CONSTRAINT audit_call CHECK ((kind = 'call') = (num_nulls(method, service, path, status) = 0)),
        CONSTRAINT audit_hash CHECK (octet_length(hash) = 32)
    )
    """,
    "CREATE INDEX audit_of_person ON audit (person, sequence)",
    "CREATE INDEX audit_at ON audit (at)",
    """
    CREATE TABLE audit_head (
        one BOOLEAN NOT NULL DEFAULT true,
        sequence BIGINT NOT NULL,
        hash BYTEA NOT NULL,
        PRIMARY KEY (one),
        CONSTRAINT audit_head_one CHECK (one),
        CONSTRAINT audit_head_hash CHECK (octet_length(hash) = 32)
    )
    """,
    "INSERT INTO audit_head (sequence, hash) VALUES (0, decode(repeat('00', 32), 'hex'))",
    """
    CREATE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: what was done stays on the record', TG_OP, TG_TABLE_NAME;
    END
    $$
    """,
    """
    CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()
    """,
    """
    CREATE TRIGGER audit_head_stays BEFORE DELETE OR TRUNCATE ON audit_head
        FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_change()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("audit_head", "audit", "attempts", "sessions", "accounts"):
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION audit_refuse_change")
