"""Splits: a donation that was given for several purposes, over several funds to the fen."""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS = (
    """
    CREATE TABLE split_donations (
        donation_id UUID NOT NULL,
        received_on DATE NOT NULL,
        asked_at timestamptz NOT NULL,
        searched_at timestamptz,
        source TEXT,
        sequence BIGINT,
        campaign_id TEXT,
        amount_fen BIGINT,
        PRIMARY KEY (donation_id),
        CONSTRAINT split_donations_read
            CHECK (num_nonnulls(source, sequence, campaign_id, amount_fen) IN (0, 4)),
        CONSTRAINT split_donations_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000)
    )
    """,
    "CREATE INDEX split_donations_wanted ON split_donations (searched_at) WHERE source IS NULL",
    """
    CREATE TABLE split_reversals (
        source TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        donation_id UUID NOT NULL,
        amount_fen BIGINT NOT NULL,
        kind TEXT NOT NULL,
        reversed_on DATE NOT NULL,
        noted_at timestamptz NOT NULL,
        PRIMARY KEY (source, sequence),
        CONSTRAINT split_reversals_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000)
    )
    """,
    "CREATE INDEX split_reversals_of_donation ON split_reversals (donation_id) INCLUDE (amount_fen)",
    """
    CREATE TABLE donation_splits (
        split_id UUID NOT NULL,
        donation_id UUID NOT NULL,
        campaign_id TEXT NOT NULL,
        state TEXT NOT NULL,
        version BIGINT NOT NULL,
        decided_on DATE NOT NULL,
        reason TEXT NOT NULL,
        reference TEXT,
        left_fen BIGINT,
        settled_fen BIGINT,
        asked_by TEXT NOT NULL,
        asked_at timestamptz NOT NULL,
        decided_by TEXT,
        decided_at timestamptz,
        withdraw_reason TEXT,
        PRIMARY KEY (split_id),
        FOREIGN KEY(donation_id) REFERENCES split_donations (donation_id),
        FOREIGN KEY(campaign_id) REFERENCES funds (campaign_id),
        CONSTRAINT donation_splits_decided CHECK ((state = 'asked') = (decided_by IS NULL)
            AND (decided_by IS NULL) = (decided_at IS NULL)),
        CONSTRAINT donation_splits_two_people CHECK (state <> 'approved' OR decided_by <> asked_by),
        CONSTRAINT donation_splits_state CHECK (state IN ('asked', 'approved', 'withdrawn')),
        CONSTRAINT donation_splits_version CHECK (version >= 1),
        CONSTRAINT donation_splits_left CHECK (left_fen BETWEEN 1 AND 10000000000000),
        CONSTRAINT donation_splits_settled CHECK (settled_fen >= 0),
        CONSTRAINT donation_splits_approved
            CHECK (num_nonnulls(left_fen, settled_fen) = CASE state WHEN 'approved' THEN 2 ELSE 0 END),
        CONSTRAINT donation_splits_withdrawn CHECK ((state = 'withdrawn') = (withdraw_reason IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX donation_splits_once ON donation_splits (donation_id) WHERE state <> 'withdrawn'",
    "CREATE INDEX donation_splits_of_campaign ON donation_splits (campaign_id, split_id)",
    """
    CREATE TABLE donation_split_parts (
        split_id UUID NOT NULL,
        place SMALLINT NOT NULL,
        campaign_id TEXT NOT NULL,
        amount_fen BIGINT,
        share_bp INTEGER,
        given_fen BIGINT,
        PRIMARY KEY (split_id, place),
        FOREIGN KEY(split_id) REFERENCES donation_splits (split_id),
        FOREIGN KEY(campaign_id) REFERENCES funds (campaign_id),
        CONSTRAINT donation_split_parts_one CHECK (num_nonnulls(amount_fen, share_bp) = 1),
        CONSTRAINT donation_split_parts_amount CHECK (amount_fen BETWEEN 1 AND 10000000000000),
        CONSTRAINT donation_split_parts_share CHECK (share_bp BETWEEN 1 AND 10000),
        CONSTRAINT donation_split_parts_given CHECK (given_fen >= 0),
        CONSTRAINT donation_split_parts_once UNIQUE (split_id, campaign_id)
    )
    """,
    # ------------------------------------------------------------ the parts are the whole, and moved once
    """
    CREATE FUNCTION donation_split_require_whole() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM donation_splits s WHERE s.split_id = NEW.split_id AND s.state = 'approved'
            AND (s.left_fen <> (SELECT coalesce(sum(p.given_fen), 0) FROM donation_split_parts p
                                WHERE p.split_id = s.split_id)
                 OR EXISTS (SELECT FROM donation_split_parts p WHERE p.split_id = s.split_id
                    AND p.campaign_id <> s.campaign_id
                    AND p.given_fen <> (SELECT coalesce(sum(t.amount_fen), 0) FROM fund_transfers t
                        WHERE t.split_id = s.split_id AND t.kind = 'split' AND t.state = 'approved'
                        AND t.from_campaign_id = s.campaign_id AND t.to_campaign_id = p.campaign_id))))
        THEN
            RAISE EXCEPTION 'the parts of split % are not what is left of its donation, or have not moved',
                NEW.split_id USING ERRCODE = 'check_violation', CONSTRAINT = 'donation_splits_whole';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER donation_splits_whole AFTER INSERT OR UPDATE ON donation_splits
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION donation_split_require_whole()
    """,
    """
    CREATE CONSTRAINT TRIGGER donation_split_parts_whole AFTER INSERT OR UPDATE ON donation_split_parts
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION donation_split_require_whole()
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
