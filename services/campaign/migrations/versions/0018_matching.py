"""Matching gifts (配捐): what a company adds to what others give, and the sums that it follows from."""

from alembic import op

revision = "0018"
down_revision = "0017"

TABLES = """
CREATE TABLE matches (
    match_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    company TEXT NOT NULL,
    display TEXT NOT NULL,
    shown_name TEXT NOT NULL,
    ratio_bp INTEGER NOT NULL,
    cap_fen BIGINT NOT NULL,
    window_start timestamptz NOT NULL,
    window_end timestamptz NOT NULL,
    agreement TEXT NOT NULL,
    agreed_on DATE NOT NULL,
    entered_by TEXT NOT NULL,
    entered_at timestamptz NOT NULL,
    confirmed_by TEXT,
    confirmed_at timestamptz,
    cancelled_by TEXT,
    cancelled_at timestamptz,
    cancel_reason TEXT,
    due_on DATE,
    closing_by TEXT,
    closing_at timestamptz,
    closed_by TEXT,
    closed_at timestamptz,
    closed_fen BIGINT,
    pledge_id UUID,
    PRIMARY KEY (match_id),
    CONSTRAINT matches_state CHECK (state IN ('entered', 'confirmed', 'closing', 'closed', 'cancelled')),
    CONSTRAINT matches_version CHECK (version >= 1),
    CONSTRAINT matches_display CHECK (display IN ('name', 'alias', 'anonymous')),
    CONSTRAINT matches_ratio CHECK (ratio_bp BETWEEN 1 AND 100000),
    CONSTRAINT matches_cap CHECK (cap_fen BETWEEN 1 AND 10000000000000),
    CONSTRAINT matches_window CHECK (window_end > window_start),
    CONSTRAINT matches_confirmed CHECK ((state IN ('confirmed', 'closing', 'closed')) = (confirmed_by IS
        NOT NULL) AND (confirmed_by IS NULL) = (confirmed_at IS NULL)),
    CONSTRAINT matches_cancelled CHECK (num_nonnulls(cancelled_by, cancelled_at, cancel_reason) = CASE
        state WHEN 'cancelled' THEN 3 ELSE 0 END),
    CONSTRAINT matches_closed CHECK (num_nonnulls(closing_by, closing_at, due_on) = CASE WHEN state IN
        ('closing', 'closed') THEN 3 ELSE 0 END AND num_nonnulls(closed_by, closed_at, closed_fen) =
        CASE state WHEN 'closed' THEN 3 ELSE 0 END),
    CONSTRAINT matches_two_people CHECK (confirmed_by <> entered_by AND closed_by <> closing_by AND
        closed_at >= window_end),
    CONSTRAINT matches_capped CHECK (closed_fen BETWEEN 0 AND cap_fen AND (coalesce(closed_fen, 0) > 0)
        = (pledge_id IS NOT NULL)),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (campaign_id),
    UNIQUE (pledge_id),
    FOREIGN KEY(pledge_id) REFERENCES pledges (pledge_id)
);
CREATE INDEX matches_of_campaign ON matches (campaign_id, match_id);
CREATE TABLE match_campaigns (
    match_id UUID NOT NULL,
    campaign_id TEXT NOT NULL,
    PRIMARY KEY (match_id, campaign_id),
    FOREIGN KEY(match_id) REFERENCES matches (match_id),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (campaign_id)
);
CREATE INDEX match_campaigns_matched ON match_campaigns (campaign_id, match_id);
CREATE TABLE match_sums (
    match_id UUID NOT NULL,
    source TEXT NOT NULL,
    received_fen BIGINT NOT NULL,
    reversed_fen BIGINT NOT NULL,
    PRIMARY KEY (match_id, source),
    CONSTRAINT match_sums_sums CHECK (received_fen >= 0 AND reversed_fen >= 0),
    FOREIGN KEY(match_id) REFERENCES matches (match_id)
);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        if statement.strip():
            op.execute(statement)
