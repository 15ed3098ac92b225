"""Messages by several ways: which way, who wants none, how many a day, how fast; templates, notices."""

from alembic import op

revision = "0003"
down_revision = "0002"

WAYS = "('mail', 'sms', 'wechat')"
STATES = (
    "'waiting', 'pending', 'sending', 'retry', 'delivered', 'failed', 'uncertain', 'withdrawn', 'dropped'"
)
STATEMENTS = (
    f"ALTER TABLE contacts ADD way text CONSTRAINT contacts_way CHECK (way IN {WAYS})",
    f"""
    ALTER TABLE messages ADD way text NOT NULL DEFAULT 'mail' CONSTRAINT messages_way CHECK (way IN {WAYS}),
        DROP CONSTRAINT messages_state, ADD CONSTRAINT messages_state CHECK (state IN ({STATES})),
        DROP CONSTRAINT messages_reason, ADD CONSTRAINT messages_reason CHECK (
            state NOT IN ('failed', 'uncertain', 'dropped') OR reason IS NOT NULL
        )
    """,
    "DROP INDEX messages_due",
    """
    CREATE INDEX messages_due ON messages (way, next_attempt_at, donation_id)
    WHERE state IN ('pending', 'retry')
    """,
    "ALTER TABLE attempts ADD provider_id text",
    """
    CREATE TABLE unsubscribed (
        address_hash bytea PRIMARY KEY CONSTRAINT unsubscribed_hash CHECK (octet_length(address_hash) = 16),
        how text NOT NULL CONSTRAINT unsubscribed_how CHECK (how IN ('link', 'reply')),
        since timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE daily_counts (
        address_hash bytea NOT NULL CONSTRAINT daily_counts_hash CHECK (octet_length(address_hash) = 16),
        day date NOT NULL,
        messages integer NOT NULL CONSTRAINT daily_counts_messages CHECK (messages >= 1),
        PRIMARY KEY (address_hash, day)
    )
    """,
    "CREATE INDEX daily_counts_age ON daily_counts (day)",
    f"""
    CREATE TABLE pace (
        way text PRIMARY KEY CONSTRAINT pace_way CHECK (way IN {WAYS}), next_at timestamptz NOT NULL
    )
    """,
    "INSERT INTO pace SELECT way, now() FROM unnest(ARRAY['mail', 'sms', 'wechat']) AS each (way)",
    f"""
    CREATE TABLE templates (
        template_id uuid PRIMARY KEY,
        campaign_id text NOT NULL,
        way text NOT NULL CONSTRAINT templates_way CHECK (way IN {WAYS}),
        app_id text NOT NULL,
        language text NOT NULL CONSTRAINT templates_language CHECK (language IN ('zh', 'en')),
        version integer NOT NULL CONSTRAINT templates_version CHECK (version >= 1),
        content jsonb NOT NULL,
        retired boolean NOT NULL,
        written_by text NOT NULL,
        written_at timestamptz NOT NULL,
        replaced_at timestamptz,
        CONSTRAINT templates_versions UNIQUE (campaign_id, way, app_id, language, version),
        CONSTRAINT templates_app CHECK ((way = 'wechat') = (app_id <> ''))
    )
    """,
    """
    CREATE UNIQUE INDEX templates_current ON templates (way, app_id, campaign_id, language)
    WHERE replaced_at IS NULL
    """,
    f"""
    CREATE TABLE notices (
        notice_id uuid PRIMARY KEY,
        way text NOT NULL CONSTRAINT notices_way CHECK (way IN {WAYS}),
        purpose text NOT NULL,
        letter bytea,
        state text NOT NULL CONSTRAINT notices_state CHECK (
            state IN ('pending', 'sending', 'retry', 'delivered', 'failed', 'uncertain')
        ),
        attempts integer NOT NULL DEFAULT 0,
        next_attempt_at timestamptz,
        lease_until timestamptz,
        reason text,
        provider_id text,
        requested_by text NOT NULL,
        created_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        CONSTRAINT notices_next_attempt CHECK (
            (state IN ('pending', 'retry')) = (next_attempt_at IS NOT NULL)
        ),
        CONSTRAINT notices_lease CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
        CONSTRAINT notices_letter CHECK (
            (state IN ('pending', 'sending', 'retry')) = (letter IS NOT NULL)
        )
    )
    """,
    """
    CREATE INDEX notices_due ON notices (way, next_attempt_at, notice_id)
    WHERE state IN ('pending', 'retry')
    """,
    "CREATE INDEX notices_leases ON notices (lease_until) WHERE state = 'sending'",
    "CREATE INDEX notices_of_person ON notices (requested_by, created_at)",
    """
    CREATE TABLE idempotency_keys (
        person text NOT NULL,
        idempotency_key text NOT NULL,
        request_hash bytea NOT NULL CONSTRAINT idempotency_keys_hash CHECK (octet_length(request_hash) = 32),
        refused boolean NOT NULL,
        status smallint NOT NULL CONSTRAINT idempotency_keys_status CHECK (status BETWEEN 200 AND 499),
        answer json NOT NULL,
        created_at timestamptz NOT NULL,
        PRIMARY KEY (person, idempotency_key)
    )
    """,
    "CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
