"""Channels are kept in a register: why one is paused, whose key is whose, and who changed what, for ever."""

from alembic import op

revision = "0009"
down_revision = "0008"

COMMENTS = {
    "channels.settings": "the scheme''s, no secret",
    "channels.campaigns": "those it may give to; NULL: all",
    "channels.contact": "whom the federation calls",
    "channel_keys.key_id": "the scheme''s own name of it",
    "channel_keys.sealed": "AES-256-GCM, see shared/secret_box.py; empty: ended",
    "channel_keys.valid_until": "set when another replaces it, or by its certificate",
    "channel_keys.fingerprint": "to tell keys apart; says nothing of a secret",
    "channel_changes.detail": "from what to what; never a secret",
}
STATEMENTS = (
    """
    ALTER TABLE channels
        ADD COLUMN paused_reason text,
        ADD COLUMN version integer NOT NULL DEFAULT 1,
        ADD CONSTRAINT channels_paused_reason CHECK (state = 'paused' OR paused_reason IS NULL)
    """,
    "ALTER TABLE channel_keys ADD COLUMN fingerprint text, ADD COLUMN created_by text",
    """
    CREATE TABLE channel_changes (
        change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        channel text NOT NULL REFERENCES channels,
        person text NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT now(),
        what text NOT NULL
            CHECK (what IN ('registered','changed','paused','resumed','key-added','key-revoked')),
        detail jsonb NOT NULL
    )
    """,
    "CREATE INDEX channel_changes_of ON channel_changes (channel, change_id)",
    "COMMENT ON TABLE channel_changes IS 'append-only: a trigger refuses UPDATE and DELETE'",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
    END $$
    """,
    """
    CREATE TRIGGER channel_changes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON channel_changes
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE FUNCTION channels_stay_what_they_are() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'a channel stays a sandbox or real, and keeps its name and scheme';
    END $$
    """,
    """
    CREATE TRIGGER channels_fixed BEFORE UPDATE ON channels FOR EACH ROW
        WHEN ((OLD.channel, OLD.scheme, OLD.sandbox) IS DISTINCT FROM (NEW.channel, NEW.scheme, NEW.sandbox))
        EXECUTE FUNCTION channels_stay_what_they_are()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    for column, comment in COMMENTS.items():
        op.execute(f"COMMENT ON COLUMN {column} IS '{comment}'")
