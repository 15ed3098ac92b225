"""Contacts by phone and WeChat beside mail, and the language a donor chose."""

from alembic import op

revision = "0008"
down_revision = "0007"

OPENID = "the donor''s name to contact_wechat_app_id, and to no other"
STATEMENTS = (
    """
    ALTER TABLE donations ADD contact_phone text, ADD contact_wechat_openid text,
        ADD contact_wechat_app_id text,
        ADD contact_language text CONSTRAINT donations_language CHECK (contact_language IN ('zh', 'en')),
        ADD CONSTRAINT donations_wechat CHECK (
            (contact_wechat_openid IS NULL) = (contact_wechat_app_id IS NULL)
        )
    """,
    "COMMENT ON COLUMN donations.contact_phone IS 'E.164: +86 and eleven digits'",
    f"COMMENT ON COLUMN donations.contact_wechat_openid IS '{OPENID}'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
