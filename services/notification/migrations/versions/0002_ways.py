"""Contacts by phone and WeChat beside mail, and the language a donor chose."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
    ALTER TABLE contacts ALTER email DROP NOT NULL,
        ADD phone text CONSTRAINT contacts_phone CHECK (length(phone) <= 32),
        ADD wechat_openid text, ADD wechat_app_id text,
        ADD language text CONSTRAINT contacts_language CHECK (language IN ('zh', 'en')),
        ADD CONSTRAINT contacts_wechat CHECK (length(wechat_openid) <= 128 AND length(wechat_app_id) <= 128),
        ADD CONSTRAINT contacts_wechat_pair CHECK ((wechat_openid IS NULL) = (wechat_app_id IS NULL)),
        ADD CONSTRAINT contacts_some_way CHECK (num_nonnulls(email, phone, wechat_openid) > 0)
    """)
