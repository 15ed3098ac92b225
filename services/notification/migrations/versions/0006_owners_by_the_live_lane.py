"""Mails to the owners of endpoints leave by the live lane. One that just waits for its next attempt is not
carried over: what it tells stands in the list of endpoints.
"""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    "DROP TABLE webhook_notices",
    """
    CREATE TABLE webhook_notices (
        notice_id uuid PRIMARY KEY REFERENCES notices (notice_id),
        endpoint_id uuid NOT NULL REFERENCES webhook_endpoints (endpoint_id),
        kind text NOT NULL CONSTRAINT webhook_notices_kind CHECK (
            kind IN ('slowed', 'recovered', 'disabled_failing', 'disabled_gone', 'exhausted')
        ),
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX webhook_notices_of_endpoint ON webhook_notices (endpoint_id, kind, created_at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
