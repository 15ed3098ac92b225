"""Settled campaigns, and the day of each step beside the time of its recording.

What is there was recorded on the day it happened: nobody could say otherwise.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

CHANGES = """
ALTER TABLE campaigns
    ADD settled_at timestamptz,
    ADD filed_on DATE,
    ADD launched_on DATE,
    ADD closed_on DATE,
    ADD settled_on DATE;
UPDATE campaigns SET filed_on = (filed_at AT TIME ZONE 'Asia/Shanghai')::date,
    launched_on = (first_launched_at AT TIME ZONE 'Asia/Shanghai')::date,
    closed_on = (closed_at AT TIME ZONE 'Asia/Shanghai')::date;
ALTER TABLE campaigns
    DROP CONSTRAINT campaigns_state,
    DROP CONSTRAINT campaigns_closed,
    ADD CONSTRAINT campaigns_state CHECK (state IN ('draft', 'filed', 'launched', 'paused', 'closed',
        'settled')),
    ADD CONSTRAINT campaigns_closed CHECK ((state IN ('closed', 'settled')) = (closed_at IS NOT NULL)),
    ADD CONSTRAINT campaigns_settled CHECK ((state = 'settled') = (settled_at IS NOT NULL) AND (state <>
        'settled' OR filing_number IS NOT NULL)),
    ADD CONSTRAINT campaigns_recorded_on CHECK ((filed_at IS NULL) = (filed_on IS NULL) AND
        (first_launched_at IS NULL) = (launched_on IS NULL) AND (closed_at IS NULL) = (closed_on IS NULL)
        AND (settled_at IS NULL) = (settled_on IS NULL)),
    ADD CONSTRAINT campaigns_days CHECK (closed_on >= launched_on AND settled_on >= closed_on);
ALTER TABLE campaign_changes
    DROP CONSTRAINT campaign_changes_state,
    ADD happened_on DATE,
    ADD reason TEXT,
    ADD CONSTRAINT campaign_changes_state CHECK (state IN ('draft', 'filed', 'launched', 'paused', 'closed',
        'settled'));
"""


def upgrade() -> None:
    for statement in CHANGES.split(";\n"):
        if statement.strip():
            op.execute(statement)
