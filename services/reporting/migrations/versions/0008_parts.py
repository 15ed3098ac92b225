"""Parts (分活动) of a campaign."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("ALTER TABLE campaigns ADD parent_id TEXT, ADD part_kind TEXT")
    op.execute(
        "ALTER TABLE campaigns ADD CONSTRAINT campaigns_part"
        " CHECK ((parent_id IS NULL) = (part_kind IS NULL))"
    )
    op.execute("CREATE INDEX campaigns_parts ON campaigns (parent_id) WHERE parent_id IS NOT NULL")
