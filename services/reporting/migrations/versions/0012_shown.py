"""What screens were sent, to be found by its digest; donors who are not shown any more."""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    """
    CREATE TABLE shown_sources (
        sources_id text PRIMARY KEY,
        sources text[] NOT NULL
    )
    """,
    "COMMENT ON COLUMN shown_sources.sources_id IS 'SHA-256 of the names'",
    """
    CREATE TABLE shown_states (
        campaign_id text NOT NULL,
        digest text COLLATE "C" NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
        version bigint NOT NULL,
        as_of timestamptz NOT NULL,
        received_fen bigint NOT NULL,
        reversed_fen bigint NOT NULL,
        promised_fen bigint NOT NULL,
        disbursed_fen bigint NOT NULL,
        returned_fen bigint NOT NULL,
        donations bigint NOT NULL,
        sources_id text NOT NULL REFERENCES shown_sources,
        sequences bigint[] NOT NULL,
        pinned boolean NOT NULL DEFAULT false,
        PRIMARY KEY (campaign_id, digest)
    )
    """,
    "CREATE INDEX shown_states_by_age ON shown_states (as_of) WHERE NOT pinned",
    """
    CREATE TABLE dropped_donors (
        donation_id uuid PRIMARY KEY,
        campaign_id text NOT NULL,
        dropped_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX dropped_donors_newest ON dropped_donors (campaign_id, dropped_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
