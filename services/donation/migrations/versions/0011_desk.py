"""The desk in the hall: entries, what has to be sent of them, drawers; and the channel they come by."""

from alembic import op

revision = "0011"
down_revision = "0010"

TABLES = """
CREATE TABLE desk_halls (
    hall text NOT NULL,
    last_number integer NOT NULL CHECK (last_number >= 0),
    PRIMARY KEY (hall)
);
CREATE TABLE desk_closings (
    closing_id bigint GENERATED ALWAYS AS IDENTITY,
    hall text NOT NULL,
    closed_by text NOT NULL,
    closed_at timestamptz NOT NULL,
    note text,
    PRIMARY KEY (closing_id),
    FOREIGN KEY (hall) REFERENCES desk_halls (hall)
);
CREATE INDEX desk_closings_hall ON desk_closings (hall, closing_id);
CREATE TABLE desk_counts (
    closing_id bigint NOT NULL,
    method text NOT NULL CHECK (method IN ('cash','cheque','placard')),
    entries integer NOT NULL CHECK (entries >= 0),
    entered_fen bigint NOT NULL CHECK (entered_fen >= 0),
    counted_fen bigint NOT NULL CHECK (counted_fen >= 0),
    PRIMARY KEY (closing_id, method),
    FOREIGN KEY (closing_id) REFERENCES desk_closings (closing_id)
);
CREATE TABLE desk_entries (
    entry_id uuid NOT NULL,
    hall text NOT NULL,
    method text NOT NULL CHECK (method IN ('cash','cheque','placard')),
    number text NOT NULL,
    cheque_number text,
    transaction_id text NOT NULL,
    campaign_id text NOT NULL,
    amount_fen bigint NOT NULL CHECK (amount_fen BETWEEN 1 AND 10000000000000),
    digest bytea NOT NULL,
    note text,
    entered_by text NOT NULL,
    entered_at timestamptz NOT NULL,
    undo_until timestamptz NOT NULL,
    undone_at timestamptz,
    undone_by text,
    undo_reason text,
    closing_id bigint,
    PRIMARY KEY (entry_id),
    CONSTRAINT desk_entries_transaction UNIQUE (transaction_id),
    CONSTRAINT desk_entries_cheque CHECK ((method = 'cheque') = (cheque_number IS NOT NULL)),
    CONSTRAINT desk_entries_undone CHECK (
        (undone_at IS NULL) = (undone_by IS NULL)
        AND (undone_at IS NULL) = (undo_reason IS NULL)),
    FOREIGN KEY (hall) REFERENCES desk_halls (hall),
    FOREIGN KEY (closing_id) REFERENCES desk_closings (closing_id)
);
CREATE UNIQUE INDEX desk_entries_cheque_once ON desk_entries (hall, cheque_number)
    WHERE method = 'cheque' AND undone_at IS NULL;
CREATE INDEX desk_entries_of_hall ON desk_entries (hall, entered_at);
CREATE UNIQUE INDEX desk_entries_placard ON desk_entries (hall, number)
    WHERE method = 'placard' AND undone_at IS NULL;
COMMENT ON COLUMN desk_entries.entry_id IS 'the donation''s id';
COMMENT ON COLUMN desk_entries.number IS 'the placard''s, or the hall''s next';
COMMENT ON COLUMN desk_entries.digest IS 'of all that was typed: to tell a repeat';
CREATE TABLE desk_messages (
    message_id bigint GENERATED ALWAYS AS IDENTITY,
    entry_id uuid NOT NULL,
    body bytea,
    written_at timestamptz NOT NULL,
    sent_at timestamptz,
    PRIMARY KEY (message_id),
    CONSTRAINT desk_messages_sent CHECK ((sent_at IS NULL) = (body IS NOT NULL)),
    FOREIGN KEY (entry_id) REFERENCES desk_entries (entry_id)
);
CREATE INDEX desk_messages_unsent ON desk_messages (message_id) WHERE sent_at IS NULL;
COMMENT ON COLUMN desk_messages.body IS 'as it goes to the topic; emptied when it is there'
"""
CHANNEL = """
INSERT INTO channels (channel, title, scheme, limit_per_second, state)
VALUES ('desk', '现场录入', 'desk', 1000, 'active') ON CONFLICT (channel) DO NOTHING
"""


def upgrade() -> None:
    for statement in (*TABLES.split(";\n"), CHANNEL):
        op.execute(statement)
