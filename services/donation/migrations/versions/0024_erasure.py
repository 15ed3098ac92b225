"""Donors who were erased, at their request."""

from alembic import op

revision = "0024"
down_revision = "0023"

STATEMENTS = (
    "ALTER TABLE donations ADD COLUMN erased_at timestamptz",
    "COMMENT ON COLUMN donations.erased_at IS 'since when nothing is known of its donor'",
    """
    ALTER TABLE donations ADD CONSTRAINT donations_erased CHECK (
        erased_at IS NULL OR (donor_display = 'anonymous' AND num_nonnulls(donor_name, donor_alias,
            contact_email, contact_phone, contact_wechat_openid, contact_wechat_app_id, contact_language,
            message) = 0)
    ) NOT VALID
    """,
    """
    CREATE TABLE erasures (
        erasure_id uuid PRIMARY KEY,
        reference text NOT NULL,
        donation_ids uuid[] NOT NULL,
        state text NOT NULL CHECK (state IN ('asked', 'done', 'refused')),
        asked_by text NOT NULL,
        asked_at timestamptz NOT NULL,
        decided_by text,
        decided_at timestamptz,
        CONSTRAINT erasures_reference CHECK (reference ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'),
        CONSTRAINT erasures_some CHECK (cardinality(donation_ids) BETWEEN 1 AND 200),
        CONSTRAINT erasures_decided CHECK (
            (state = 'asked') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL)
        ),
        CONSTRAINT erasures_two_people CHECK (state <> 'done' OR decided_by <> asked_by)
    )
    """,
    "COMMENT ON COLUMN erasures.reference IS 'the request''s own number, where it is filed'",
    "CREATE INDEX erasures_newest ON erasures (asked_at, erasure_id)",
    """
    CREATE TABLE erased_donations (
        donation_id uuid PRIMARY KEY,
        erasure_id uuid NOT NULL,
        channel text NOT NULL,
        campaign_id text NOT NULL,
        event_ids text[] NOT NULL,
        receipt_mail_ids uuid[] NOT NULL,
        erased_at timestamptz NOT NULL,
        applied_at timestamptz,
        sent_at timestamptz,
        source text,
        sequence bigint,
        booked_at timestamptz,
        CONSTRAINT erased_donations_position UNIQUE (source, sequence),
        CONSTRAINT erased_donations_whole_position CHECK (
            (source IS NULL) = (sequence IS NULL) AND (source IS NULL) = (booked_at IS NULL)
        )
    )
    """,
    "COMMENT ON COLUMN erased_donations.event_ids IS 'of the events that named the donor'",
    "COMMENT ON COLUMN erased_donations.applied_at IS 'when it was done here; NULL: it is not here yet'",
    "COMMENT ON COLUMN erased_donations.source IS 'the position of the record that makes its event'",
    "CREATE INDEX erased_donations_unsent ON erased_donations (erased_at) WHERE sent_at IS NULL",
    "CREATE INDEX erased_donations_awaited ON erased_donations (donation_id) WHERE applied_at IS NULL",
    """
    CREATE TABLE restricted_receipts (
        number text PRIMARY KEY REFERENCES receipts (number),
        erasure_id uuid NOT NULL,
        kept_until date NOT NULL
    )
    """,
    "COMMENT ON COLUMN restricted_receipts.kept_until IS 'the first day on which the law lets it go'",
    """
    CREATE TABLE personal_data_looks (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        person text NOT NULL,
        at timestamptz NOT NULL DEFAULT now(),
        act text NOT NULL CHECK (act IN ('find', 'export')),
        sought_by text NOT NULL,
        donation_ids uuid[] NOT NULL
    )
    """,
    "COMMENT ON COLUMN personal_data_looks.sought_by IS 'the name of the field, not what stood in it'",
    """
    CREATE TRIGGER personal_data_looks_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON personal_data_looks
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
