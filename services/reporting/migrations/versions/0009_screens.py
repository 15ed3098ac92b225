"""Registered screens: their links, what is on air there, and the record of every change."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = (
    """
    CREATE TABLE idempotency_keys (
        person text NOT NULL,
        idempotency_key text NOT NULL,
        request_hash bytea NOT NULL,
        refused boolean NOT NULL,
        status smallint NOT NULL,
        answer json NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (person, idempotency_key),
        CONSTRAINT idempotency_keys_hash CHECK (octet_length(request_hash) = 32),
        CONSTRAINT idempotency_keys_status CHECK (status BETWEEN 200 AND 499)
    )
    """,
    "CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at)",
    """
    CREATE TABLE screens (
        screen_id text PRIMARY KEY CHECK (screen_id <> ''),
        title text NOT NULL CHECK (title <> ''),
        campaign_id text NOT NULL,
        layout text NOT NULL,
        format text NOT NULL,
        language text NOT NULL,
        policy text NOT NULL,
        control text NOT NULL DEFAULT 'live',
        rehearsal boolean NOT NULL DEFAULT false,
        rehearsal_campaign_id text,
        rehearsal_since timestamptz,
        frozen jsonb,
        kept jsonb,
        pending boolean NOT NULL DEFAULT false,
        segment bigint NOT NULL DEFAULT 1,
        sequence bigint NOT NULL DEFAULT 1,
        version bigint NOT NULL DEFAULT 1,
        link_hash bytea,
        link_issued_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT screens_layout CHECK (layout IN ('hall', 'wide', 'lower', 'phone')),
        CONSTRAINT screens_format CHECK (format IN ('full', 'wan')),
        CONSTRAINT screens_language CHECK (language IN ('zh', 'en')),
        CONSTRAINT screens_policy CHECK (policy IN ('at_once', 'held')),
        CONSTRAINT screens_control CHECK (control IN ('live', 'frozen', 'hidden')),
        CONSTRAINT screens_link CHECK (octet_length(link_hash) = 32),
        CONSTRAINT screens_frozen CHECK ((control = 'frozen') = (frozen IS NOT NULL)),
        CONSTRAINT screens_pending CHECK (kept IS NOT NULL OR NOT pending),
        CONSTRAINT screens_rehearsing CHECK (rehearsal = (rehearsal_since IS NOT NULL)),
        CONSTRAINT screens_rehearsed CHECK (rehearsal OR rehearsal_campaign_id IS NULL)
    )
    """,
    "CREATE UNIQUE INDEX screens_links ON screens (link_hash)",
    "CREATE INDEX screens_by_campaign ON screens (campaign_id)",
    "COMMENT ON COLUMN screens.frozen IS 'the state a frozen screen stays at, without names'",
    "COMMENT ON COLUMN screens.kept IS 'the highest state on the record of this segment, without names'",
    "COMMENT ON COLUMN screens.link_hash IS 'SHA-256 of the link''s token; empty: revoked'",
    """
    CREATE TABLE screen_sightings (
        screen_id text PRIMARY KEY REFERENCES screens,
        seen_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE screen_changes (
        change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        screen_id text NOT NULL REFERENCES screens,
        person text NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now(),
        action text NOT NULL CHECK (action <> ''),
        reason text NOT NULL,
        version_before bigint,
        version_after bigint,
        net_before_fen bigint,
        net_after_fen bigint,
        detail jsonb NOT NULL DEFAULT '{}'
    )
    """,
    "CREATE INDEX screen_changes_of ON screen_changes (screen_id, change_id)",
    "COMMENT ON COLUMN screen_changes.person IS 'shanliu: the on-air policy itself'",
    "COMMENT ON COLUMN screen_changes.detail IS 'never a link'",
    "COMMENT ON TABLE screen_changes IS 'append-only: a trigger refuses UPDATE and DELETE'",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$
    """,
    """
    CREATE TRIGGER screen_changes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON screen_changes
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
