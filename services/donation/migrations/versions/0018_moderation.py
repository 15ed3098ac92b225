"""Donors' messages: their queue, who decided what, the word list and the campaigns' rules."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

TABLES = """
CREATE TABLE donor_messages (
    message_id uuid NOT NULL,
    campaign_id text NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    received_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'new'
        CHECK (state IN ('new','waiting','refused_by_rule','approved','refused','withdrawn')),
    version integer NOT NULL DEFAULT 0 CHECK (version >= 0),
    rank smallint NOT NULL DEFAULT 1,
    rule text,
    word text,
    personal text[] NOT NULL DEFAULT '{}',
    reversed boolean NOT NULL DEFAULT false,
    screened bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (message_id),
    CONSTRAINT donor_messages_reversed CHECK (NOT (reversed AND state = 'approved')),
    CONSTRAINT donor_messages_rule CHECK (state <> 'refused_by_rule' OR rule IS NOT NULL)
);
COMMENT ON COLUMN donor_messages.rank IS '0: ahead of the others';
COMMENT ON COLUMN donor_messages.word IS 'the word of the list that was found';
COMMENT ON COLUMN donor_messages.reversed IS 'nothing is left of it';
COMMENT ON COLUMN donor_messages.screened IS 'which revision of the rules';
CREATE INDEX donor_messages_oldest
    ON donor_messages (campaign_id, state, rank, received_at, message_id) WHERE state <> 'new';
CREATE INDEX donor_messages_largest
    ON donor_messages (campaign_id, state, amount_fen, received_at, message_id) WHERE state <> 'new';
CREATE INDEX donor_messages_unscreened
    ON donor_messages (screened) WHERE state IN ('new','waiting','refused_by_rule');
CREATE TABLE message_decisions (
    message_id uuid NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    verdict text NOT NULL CHECK (verdict IN ('approve', 'refuse')),
    state text NOT NULL CHECK (state IN ('approved', 'refused', 'withdrawn')),
    decided_by text,
    rule text,
    reason text,
    note text,
    decided_at timestamptz NOT NULL,
    sent_at timestamptz,
    source text,
    sequence bigint,
    booked_at timestamptz,
    PRIMARY KEY (message_id, number),
    FOREIGN KEY (message_id) REFERENCES donor_messages (message_id),
    CONSTRAINT message_decisions_position UNIQUE (source, sequence),
    CONSTRAINT message_decisions_by CHECK ((decided_by IS NULL) = (rule IS NOT NULL)),
    CONSTRAINT message_decisions_state CHECK ((verdict = 'approve') = (state = 'approved')),
    CONSTRAINT message_decisions_whole_position CHECK (
        (source IS NULL) = (sequence IS NULL) AND (source IS NULL) = (booked_at IS NULL))
);
COMMENT ON COLUMN message_decisions.decided_by IS 'a person; NULL: the rule';
COMMENT ON COLUMN message_decisions.sent_at IS
    'when the broker had its record, where the screens must know';
COMMENT ON COLUMN message_decisions.source IS 'the position of the record that made its event';
COMMENT ON COLUMN message_decisions.booked_at IS 'when the broker took that record';
CREATE INDEX message_decisions_unsent ON message_decisions (decided_at)
    WHERE sent_at IS NULL AND state <> 'refused';
CREATE TABLE message_word_lists (
    version integer NOT NULL CHECK (version >= 1),
    words jsonb NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (version)
);
CREATE TABLE message_rules (
    campaign_id text NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    automatic boolean NOT NULL,
    first_from_fen bigint CHECK (first_from_fen BETWEEN 1 AND 10000000000000),
    required_from_fen bigint CHECK (required_from_fen BETWEEN 1 AND 10000000000000),
    max_characters integer NOT NULL CHECK (max_characters BETWEEN 1 AND 200),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (campaign_id, version)
)
"""

# Advertising, gambling, insults: what a new installation starts with. Every organisation keeps its own.
WORDS = (
    *("代开发票", "低价出售", "兼职日结", "加群领红包", "博彩", "网赌", "买彩票包中", "贷款秒批", "套现"),
    *("刷单", "办证刻章", "成人视频", "约炮", "傻逼", "操你", "去死吧", "骗捐", "fuck", "casino"),
)

# What came before there was a queue waits in it now, where something is left of the donation.
WAITING = """
INSERT INTO donor_messages (message_id, campaign_id, amount_fen, received_at)
SELECT donation_id, campaign_id, amount_fen, received_at FROM donations d
WHERE message IS NOT NULL AND status = 'received'
  AND d.amount_fen > coalesce((SELECT sum(r.amount_fen) FROM reversals r
                               WHERE r.donation_id = d.donation_id AND r.status = 'applied'), 0)
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
    words = [{"word": word, "match": "normalised"} for word in WORDS]
    first = sa.text("INSERT INTO message_word_lists VALUES (1, CAST(:words AS jsonb), 'installation', now())")
    op.execute(first.bindparams(words=json.dumps(words, ensure_ascii=False)))
    op.execute(WAITING)
