"""The projection: totals, minutes, arrivals, donors, promises, disbursements, doubts, marks."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE arrivals (
        minute TIMESTAMP WITH TIME ZONE NOT NULL CHECK (date_trunc('minute', minute) = minute),
        campaign_id TEXT NOT NULL,
        channel TEXT NOT NULL,
        source TEXT NOT NULL,
        received_fen BIGINT DEFAULT '0' NOT NULL CHECK (received_fen >= 0),
        donations BIGINT DEFAULT '0' NOT NULL CHECK (donations >= 0),
        PRIMARY KEY (minute, campaign_id, channel, source)
    )
     WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE campaign_totals (
        campaign_id TEXT NOT NULL,
        channel TEXT NOT NULL,
        source TEXT NOT NULL,
        received_fen BIGINT DEFAULT '0' NOT NULL CHECK (received_fen >= 0),
        reversed_fen BIGINT DEFAULT '0' NOT NULL CHECK (reversed_fen >= 0),
        donations BIGINT DEFAULT '0' NOT NULL CHECK (donations >= 0),
        reversals BIGINT DEFAULT '0' NOT NULL CHECK (reversals >= 0),
        held BIGINT DEFAULT '0' NOT NULL CHECK (held >= 0),
        held_fen BIGINT DEFAULT '0' NOT NULL CHECK (held_fen >= 0),
        released BIGINT DEFAULT '0' NOT NULL CHECK (released >= 0),
        released_fen BIGINT DEFAULT '0' NOT NULL CHECK (released_fen >= 0),
        conflicts BIGINT DEFAULT '0' NOT NULL CHECK (conflicts >= 0),
        PRIMARY KEY (campaign_id, channel, source)
    )
     WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
    """,
    """
    CREATE TABLE campaigns (
        campaign_id TEXT NOT NULL CHECK (campaign_id <> ''),
        status TEXT NOT NULL,
        kind TEXT NOT NULL,
        title TEXT NOT NULL CHECK (title <> ''),
        title_en TEXT,
        organisation TEXT NOT NULL CHECK (organisation <> ''),
        licence TEXT NOT NULL CHECK (licence <> ''),
        filing_number TEXT,
        contact TEXT NOT NULL CHECK (contact <> ''),
        query_method TEXT NOT NULL CHECK (query_method <> ''),
        purpose TEXT NOT NULL,
        goal_fen BIGINT NOT NULL CHECK (goal_fen >= 0),
        milestones_fen BIGINT[] NOT NULL,
        window_start TIMESTAMP WITH TIME ZONE NOT NULL,
        window_end TIMESTAMP WITH TIME ZONE NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (campaign_id),
        CONSTRAINT campaigns_status CHECK (status IN ('filed', 'launched', 'paused', 'closed'))
    )
    """,
    """
    CREATE TABLE dead_letters (
        topic TEXT NOT NULL,
        partition INTEGER NOT NULL CHECK (partition >= 0),
        record_offset BIGINT NOT NULL CHECK (record_offset >= 0),
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (topic, partition, record_offset)
    )
    """,
    "CREATE INDEX dead_letters_by_time ON dead_letters (at)",
    """
    CREATE TABLE disbursements (
        disbursement_id UUID NOT NULL,
        campaign_id TEXT NOT NULL,
        amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
        use TEXT NOT NULL CHECK (use <> ''),
        beneficiaries BIGINT NOT NULL CHECK (beneficiaries >= 0),
        beneficiary_unit TEXT NOT NULL,
        paid_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (disbursement_id),
        CONSTRAINT disbursements_beneficiary_unit
            CHECK (beneficiary_unit IN ('person_times', 'households', 'schools'))
    )
    """,
    "CREATE INDEX disbursements_by_campaign ON disbursements (campaign_id) INCLUDE (amount_fen)",
    """
    CREATE TABLE gaps (
        source TEXT NOT NULL,
        awaited_sequence BIGINT NOT NULL,
        out_of_order BIGINT NOT NULL CHECK (out_of_order > 0),
        first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (source)
    )
    """,
    """
    CREATE TABLE marks (
        source TEXT NOT NULL,
        sequence BIGINT NOT NULL CONSTRAINT marks_sequence CHECK (sequence >= -1),
        PRIMARY KEY (source)
    )
    """,
    """
    CREATE TABLE minute_totals (
        campaign_id TEXT NOT NULL,
        minute TIMESTAMP WITH TIME ZONE NOT NULL CHECK (date_trunc('minute', minute) = minute),
        channel TEXT NOT NULL,
        source TEXT NOT NULL,
        received_fen BIGINT DEFAULT '0' NOT NULL CHECK (received_fen >= 0),
        reversed_fen BIGINT DEFAULT '0' NOT NULL CHECK (reversed_fen >= 0),
        donations BIGINT DEFAULT '0' NOT NULL CHECK (donations >= 0),
        reversals BIGINT DEFAULT '0' NOT NULL CHECK (reversals >= 0),
        PRIMARY KEY (campaign_id, minute, channel, source)
    )
     WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE pledges (
        pledge_id UUID NOT NULL,
        campaign_id TEXT NOT NULL,
        company TEXT NOT NULL CHECK (company <> ''),
        amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
        due_on DATE NOT NULL,
        promised_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (pledge_id)
    )
    """,
    "CREATE INDEX pledges_by_campaign ON pledges (campaign_id) INCLUDE (amount_fen)",
    """
    CREATE TABLE reached_milestones (
        campaign_id TEXT NOT NULL,
        milestone_fen BIGINT NOT NULL CHECK (milestone_fen > 0),
        reached_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (campaign_id, milestone_fen)
    )
    """,
    """
    CREATE TABLE recent_donors (
        campaign_id TEXT NOT NULL,
        source TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        donation_id UUID NOT NULL,
        channel TEXT NOT NULL,
        donor_kind TEXT NOT NULL,
        shown_name TEXT,
        amount_fen BIGINT NOT NULL CHECK (amount_fen > 0),
        occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
        received_at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (campaign_id, source, sequence),
        CONSTRAINT recent_donors_donor_kind CHECK (donor_kind IN ('person', 'company'))
    )
     WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("the projection is rebuilt from the topics, not downgraded")
