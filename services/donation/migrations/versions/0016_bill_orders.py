"""What a donor chose stands in the bill too, and is kept while the donation is missing; bills by profile."""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS = (
    "ALTER TABLE bill_lines ADD COLUMN said text",
    "COMMENT ON COLUMN bill_lines.said IS 'what the donor chose; kept while the donation is missing here'",
    """
    ALTER TABLE breaks ADD COLUMN said text,
        ADD CONSTRAINT breaks_said CHECK (said IS NULL OR state = 'open')
    """,
    "COMMENT ON COLUMN breaks.said IS 'what the donor chose, as the bill has it; while it is open'",
    "ALTER TABLE bill_terms DROP CONSTRAINT bill_terms_format_check",
    """
    ALTER TABLE bill_terms ADD CONSTRAINT bill_terms_format_check
        CHECK (format IN ('wechatpay','alipay','plain','profile'))
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
