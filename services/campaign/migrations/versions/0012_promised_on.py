"""The day of a promise: it stands beside the time of its recording. From before, it is that time's day."""

from alembic import op

revision = "0012"
down_revision = "0011"

# A due date is held to the day of the promise; one that is older than its recording was promised by then.
CHANGES = """
ALTER TABLE pledges ADD promised_on date;
ALTER TABLE pledge_versions ADD promised_on date;
ALTER TABLE pledge_corrections ADD promised_on date;
UPDATE pledges SET promised_on = least((entered_at AT TIME ZONE 'Asia/Shanghai')::date, due_on);
UPDATE pledge_versions AS known SET promised_on = least(pledges.promised_on, known.due_on)
    FROM pledges WHERE pledges.pledge_id = known.pledge_id;
UPDATE pledge_corrections AS known SET promised_on = least(pledges.promised_on, known.due_on)
    FROM pledges WHERE pledges.pledge_id = known.pledge_id;
ALTER TABLE pledges ALTER promised_on SET NOT NULL,
    ADD CONSTRAINT pledges_due_after CHECK (due_on >= promised_on);
ALTER TABLE pledge_versions ALTER promised_on SET NOT NULL,
    ADD CONSTRAINT pledge_versions_due_after CHECK (due_on >= promised_on);
ALTER TABLE pledge_corrections ALTER promised_on SET NOT NULL,
    ADD CONSTRAINT pledge_corrections_due_after CHECK (due_on >= promised_on);
"""


def upgrade() -> None:
    for statement in CHANGES.split(";\n"):
        if statement.strip():
            op.execute(statement)
