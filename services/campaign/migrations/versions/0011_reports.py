"""Disclosure: reports that are frozen when they are drawn up, and stay as they were published."""

from alembic import op

revision = "0011"
down_revision = "0010"

CHANGES = """
CREATE TABLE reports (
    report_id UUID NOT NULL,
    kind TEXT NOT NULL,
    campaign_id TEXT,
    organisation_id TEXT,
    period_from DATE NOT NULL,
    period_to DATE NOT NULL,
    revision BIGINT NOT NULL,
    corrects UUID,
    reason TEXT,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    digest BYTEA NOT NULL,
    withdraw_reason TEXT,
    asked_by TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (report_id),
    CONSTRAINT reports_kind CHECK (kind IN ('emergency', 'quarterly', 'final', 'annual')),
    CONSTRAINT reports_subject CHECK (CASE kind
        WHEN 'annual' THEN campaign_id IS NULL AND organisation_id IS NOT NULL
        ELSE campaign_id IS NOT NULL AND organisation_id IS NULL END),
    CONSTRAINT reports_period CHECK (period_to >= period_from),
    CONSTRAINT reports_revision CHECK ((revision = 1) = (corrects IS NULL)
        AND (corrects IS NULL) = (reason IS NULL) AND revision >= 1),
    CONSTRAINT reports_state CHECK (state IN ('drafted', 'published', 'withdrawn')),
    CONSTRAINT reports_version CHECK (version >= 1),
    CONSTRAINT reports_digest CHECK (digest = sha256(convert_to(content, 'UTF8'))),
    CONSTRAINT reports_decided CHECK ((state = 'drafted') = (decided_by IS NULL)
        AND (decided_by IS NULL) = (decided_at IS NULL)),
    CONSTRAINT reports_two_people CHECK (state <> 'published' OR decided_by <> asked_by),
    CONSTRAINT reports_withdrawn CHECK ((state = 'withdrawn') = (withdraw_reason IS NOT NULL)),
    FOREIGN KEY(campaign_id) REFERENCES campaigns (campaign_id),
    FOREIGN KEY(corrects) REFERENCES reports (report_id)
);
CREATE UNIQUE INDEX reports_corrected_once ON reports (corrects) WHERE state <> 'withdrawn';
CREATE UNIQUE INDEX reports_once ON reports (coalesce(campaign_id, organisation_id), kind, period_from,
    revision) WHERE state <> 'withdrawn'
"""

FROZEN = (
    """
    CREATE FUNCTION reports_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: what is frozen stays; correct it by another report',
            TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'reports_frozen';
    END $$
    """,
    """
    CREATE TRIGGER reports_stay BEFORE DELETE OR TRUNCATE ON reports
        FOR EACH STATEMENT EXECUTE FUNCTION reports_refuse_change()
    """,
    """
    CREATE TRIGGER reports_frozen BEFORE UPDATE ON reports FOR EACH ROW
        WHEN (OLD.state <> 'drafted' OR (OLD.report_id, OLD.kind, OLD.campaign_id, OLD.organisation_id,
            OLD.period_from, OLD.period_to, OLD.revision, OLD.corrects, OLD.reason, OLD.title, OLD.content,
            OLD.digest, OLD.asked_by, OLD.asked_at)
            IS DISTINCT FROM (NEW.report_id, NEW.kind, NEW.campaign_id, NEW.organisation_id,
            NEW.period_from, NEW.period_to, NEW.revision, NEW.corrects, NEW.reason, NEW.title, NEW.content,
            NEW.digest, NEW.asked_by, NEW.asked_at))
        EXECUTE FUNCTION reports_refuse_change()
    """,
)


def upgrade() -> None:
    for statement in (*CHANGES.split(";\n"), *FROZEN):
        op.execute(statement)
