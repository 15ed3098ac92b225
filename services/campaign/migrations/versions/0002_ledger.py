"""The ledger: journals, entries, postings, periods, drafts; and what was in the tables before there was one.

Self-contained on purpose: the encoding that is hashed is written out here once more, so that a later change
of the service's code can't change what this migration has booked. tests/services/campaign/ledger holds that
the service's own check accepts it.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from alembic import op
from sqlalchemy import Connection, text

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE ledger_journals (
        journal TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        hash BYTEA NOT NULL,
        PRIMARY KEY (journal),
        CONSTRAINT ledger_journals_sequence CHECK (sequence >= 0),
        CONSTRAINT ledger_journals_hash CHECK (octet_length(hash) = 32)
    )
    """,
    """
    CREATE TABLE ledger_entries (
        journal TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        kind TEXT NOT NULL,
        booked_on DATE NOT NULL,
        event_on DATE NOT NULL,
        recorded_at timestamptz NOT NULL,
        recorded_by TEXT NOT NULL,
        confirmed_by TEXT,
        source TEXT,
        first_sequence BIGINT,
        last_sequence BIGINT,
        donations BIGINT,
        reversals BIGINT,
        subject UUID,
        reverses BIGINT,
        note TEXT,
        hash BYTEA NOT NULL,
        PRIMARY KEY (journal, sequence),
        FOREIGN KEY (journal) REFERENCES ledger_journals (journal),
        CONSTRAINT ledger_entries_kind CHECK (kind IN ('donations', 'carried', 'disbursement', 'opening',
            'voucher', 'reversal')),
        CONSTRAINT ledger_entries_sequence CHECK (sequence >= 1),
        CONSTRAINT ledger_entries_hash CHECK (octet_length(hash) = 32),
        CONSTRAINT ledger_entries_day CHECK (booked_on >= event_on),
        CONSTRAINT ledger_entries_event CHECK (CASE WHEN kind IN ('donations', 'carried')
            THEN num_nulls(source, first_sequence, last_sequence, donations, reversals) = 0
                AND first_sequence BETWEEN 0 AND last_sequence AND donations >= 0 AND reversals >= 0
                AND subject IS NULL
            ELSE num_nonnulls(source, first_sequence, last_sequence, donations, reversals) = 0
                AND subject IS NOT NULL END),
        CONSTRAINT ledger_entries_two_people CHECK (CASE WHEN kind IN ('opening', 'voucher', 'reversal')
            THEN note IS NOT NULL AND confirmed_by IS NOT NULL AND confirmed_by <> recorded_by
            ELSE confirmed_by IS NULL END),
        CONSTRAINT ledger_entries_reverses CHECK ((kind = 'reversal') = (reverses IS NOT NULL)
            AND reverses < sequence)
    )
    """,
    """
    CREATE UNIQUE INDEX ledger_entries_one_an_event ON ledger_entries (kind, subject)
        WHERE subject IS NOT NULL
    """,
    """
    CREATE UNIQUE INDEX ledger_entries_reversed_once ON ledger_entries (journal, reverses)
        WHERE reverses IS NOT NULL
    """,
    """
    CREATE TABLE ledger_postings (
        journal TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        line INTEGER NOT NULL,
        booked_on DATE NOT NULL,
        account TEXT NOT NULL,
        campaign_id TEXT,
        side TEXT NOT NULL,
        amount_fen BIGINT NOT NULL,
        PRIMARY KEY (journal, sequence, line),
        CONSTRAINT ledger_postings_entry FOREIGN KEY (journal, sequence)
            REFERENCES ledger_entries (journal, sequence),
        CONSTRAINT ledger_postings_line CHECK (line >= 1),
        CONSTRAINT ledger_postings_account CHECK (account IN ('1001', '1002', '112201', '2209', '3101',
            '3102', '410101', '410102', '4901', '5101', '5201', '5301', '5401')),
        CONSTRAINT ledger_postings_side CHECK (side IN ('debit', 'credit')),
        CONSTRAINT ledger_postings_amount CHECK (amount_fen BETWEEN 1 AND 1000000000000000)
    )
    """,
    """
    CREATE INDEX ledger_postings_of_account
        ON ledger_postings (account, booked_on, journal, sequence, line)
    """,
    "CREATE INDEX ledger_postings_of_campaign ON ledger_postings (campaign_id, account, booked_on)",
    """
    CREATE TABLE ledger_periods (
        month DATE NOT NULL,
        state TEXT NOT NULL,
        version BIGINT NOT NULL,
        asked_by TEXT NOT NULL,
        asked_at timestamptz NOT NULL,
        confirmed_by TEXT,
        confirmed_at timestamptz,
        PRIMARY KEY (month),
        CONSTRAINT ledger_periods_month CHECK (EXTRACT(day FROM month) = 1),
        CONSTRAINT ledger_periods_state CHECK (state IN ('closing', 'closed')),
        CONSTRAINT ledger_periods_version CHECK (version >= 1),
        CONSTRAINT ledger_periods_two_people CHECK (confirmed_by <> asked_by),
        CONSTRAINT ledger_periods_confirmed CHECK ((state = 'closed') = (confirmed_by IS NOT NULL)
            AND (confirmed_by IS NULL) = (confirmed_at IS NULL))
    )
    """,
    """
    CREATE TABLE ledger_drafts (
        draft_id UUID NOT NULL,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        version BIGINT NOT NULL,
        day DATE NOT NULL,
        note TEXT NOT NULL,
        postings JSON NOT NULL,
        reverses BIGINT,
        made_by TEXT NOT NULL,
        made_at timestamptz NOT NULL,
        decided_by TEXT,
        decided_at timestamptz,
        sequence BIGINT,
        PRIMARY KEY (draft_id),
        CONSTRAINT ledger_drafts_kind CHECK (kind IN ('opening', 'voucher', 'reversal')),
        CONSTRAINT ledger_drafts_state CHECK (state IN ('waiting', 'booked', 'discarded')),
        CONSTRAINT ledger_drafts_version CHECK (version >= 1),
        CONSTRAINT ledger_drafts_reverses CHECK ((kind = 'reversal') = (reverses IS NOT NULL)),
        CONSTRAINT ledger_drafts_decided CHECK ((state = 'waiting') = (decided_by IS NULL)
            AND (decided_by IS NULL) = (decided_at IS NULL)),
        CONSTRAINT ledger_drafts_booked CHECK ((state = 'booked') = (sequence IS NOT NULL)),
        CONSTRAINT ledger_drafts_two_people CHECK (state <> 'booked' OR decided_by <> made_by)
    )
    """,
    "CREATE INDEX ledger_drafts_of_state ON ledger_drafts (state, draft_id)",
    # ------------------------------------------------------------ append-only
    """
    CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% of % is refused: what is booked stays; correct it by a reversal',
            TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'ledger_append_only';
    END $$
    """,
    """
    CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
    """,
    """
    CREATE TRIGGER ledger_postings_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_postings
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
    """,
    """
    CREATE TRIGGER ledger_periods_stay BEFORE DELETE OR TRUNCATE ON ledger_periods
        FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()
    """,
    """
    CREATE TRIGGER ledger_periods_stay_closed BEFORE UPDATE ON ledger_periods
        FOR EACH ROW WHEN (OLD.state = 'closed') EXECUTE FUNCTION ledger_refuse_change()
    """,
    # ------------------------------------------------------------ balanced, in order, in an open month
    """
    CREATE FUNCTION ledger_require_balance() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM ledger_postings WHERE journal = NEW.journal AND sequence = NEW.sequence)
            OR EXISTS (SELECT FROM ledger_postings WHERE journal = NEW.journal AND sequence = NEW.sequence
                GROUP BY campaign_id
                HAVING sum(CASE side WHEN 'debit' THEN amount_fen ELSE -amount_fen END) <> 0)
        THEN
            RAISE EXCEPTION 'entry % of % is not balanced in each fund', NEW.sequence, NEW.journal
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_balanced';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION ledger_require_order() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.sequence > 1 AND NOT EXISTS
            (SELECT FROM ledger_entries WHERE journal = NEW.journal AND sequence = NEW.sequence - 1)
        THEN
            RAISE EXCEPTION 'entry % of % has none before it', NEW.sequence, NEW.journal
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_gapless';
        END IF;
        IF EXISTS (SELECT FROM ledger_postings WHERE journal = NEW.journal AND sequence = NEW.sequence
            AND booked_on <> NEW.booked_on)
        THEN
            RAISE EXCEPTION 'entry % of % has postings of another day', NEW.sequence, NEW.journal
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_postings_day';
        END IF;
        IF NEW.kind IN ('opening', 'voucher', 'reversal') AND EXISTS
            (SELECT FROM ledger_postings WHERE journal = NEW.journal AND sequence = NEW.sequence
             AND campaign_id IS NOT NULL AND account >= '3')
        THEN
            RAISE EXCEPTION 'entry % of % changes a campaign''s fund by hand', NEW.sequence, NEW.journal
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_fund';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE FUNCTION ledger_require_open_month() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtext('shanliu.ledger.periods'));
        IF EXISTS (SELECT FROM ledger_periods WHERE state = 'closed'
            AND month >= date_trunc('month', NEW.booked_on::timestamp)::date)
        THEN
            RAISE EXCEPTION '% lies in a closed month', NEW.booked_on
                USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_entries_open_month';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_entries_balanced AFTER INSERT ON ledger_entries
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_require_balance()
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_postings_balanced AFTER INSERT ON ledger_postings
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_require_balance()
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_entries_in_order AFTER INSERT ON ledger_entries
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_require_order()
    """,
    """
    CREATE TRIGGER ledger_entries_open_month AFTER INSERT ON ledger_entries
        FOR EACH ROW EXECUTE FUNCTION ledger_require_open_month()
    """,
)

BANK, RECEIVABLE, RESTRICTED_INCOME, PROGRAMME_COST = "1002", "112201", "410101", "5101"
POSTING_MAX_FEN = 10**15
NO_HASH = bytes(32)

RECEIPTS = text(
    "SELECT r.*, coalesce(m.sequence, 0) AS mark FROM fund_receipts r LEFT JOIN marks m USING (source)"
    " WHERE r.donations > 0 OR r.reversals > 0 ORDER BY r.source, r.campaign_id"
)
PAID = text("SELECT * FROM disbursements WHERE state = 'paid' ORDER BY paid_at, disbursement_id")
ADD_HEAD = text("INSERT INTO ledger_journals (journal, sequence, hash) VALUES (:journal, 0, :hash)")
ADD_ENTRY = text(
    "INSERT INTO ledger_entries (journal, sequence, kind, booked_on, event_on, recorded_at, recorded_by,"
    " source, first_sequence, last_sequence, donations, reversals, subject, hash)"
    " VALUES (:journal, :sequence, :kind, :booked_on, :event_on, :recorded_at, :recorded_by,"
    " :source, :first_sequence, :last_sequence, :donations, :reversals, :subject, :hash)"
)
ADD_POSTING = text(
    "INSERT INTO ledger_postings (journal, sequence, line, booked_on, account, campaign_id, side, amount_fen)"
    " VALUES (:journal, :sequence, :line, :booked_on, :account, :campaign_id, :side, :amount_fen)"
)
MOVE_HEAD = text("UPDATE ledger_journals SET sequence = :sequence, hash = :hash WHERE journal = :journal")
SHANGHAI = ZoneInfo("Asia/Shanghai")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
    _book_what_is_there(op.get_bind())


def _book_what_is_there(connection: Connection) -> None:
    """One entry per campaign and source for what came in, one per payment; all on the day of this migration,
    on which the books begin. Payments keep their own day beside.
    """
    now = datetime.now(UTC)
    heads: dict[str, tuple[int, bytes]] = {}
    for row in connection.execute(RECEIPTS).all():
        entry: dict[str, Any] = {
            "journal": f"donations:{row.source}",
            "kind": "carried",
            "event_on": now.astimezone(SHANGHAI).date(),
            "recorded_by": "campaign",
            "source": row.source,
            "first_sequence": 0,
            "last_sequence": row.mark,
            "donations": row.donations,
            "reversals": row.reversals,
        }
        lines = [
            *_lines(row.campaign_id, RECEIVABLE, RESTRICTED_INCOME, row.received_fen),
            *_lines(row.campaign_id, RESTRICTED_INCOME, RECEIVABLE, row.reversed_fen),
        ]
        _book(connection, heads, now, entry, lines)
    for row in connection.execute(PAID).all():
        entry = {
            "journal": "books",
            "kind": "disbursement",
            "event_on": row.paid_at.astimezone(SHANGHAI).date(),
            "recorded_by": row.paid_by,
            "subject": row.disbursement_id,
        }
        _book(connection, heads, now, entry, [*_lines(row.campaign_id, PROGRAMME_COST, BANK, row.amount_fen)])
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))


def _lines(campaign_id: str, debit: str, credit: str, amount_fen: int) -> Iterator[dict[str, Any]]:
    """Debit one account and credit the other, in parts that a posting can hold."""
    while amount_fen > 0:
        part = min(amount_fen, POSTING_MAX_FEN)
        yield {"account": debit, "campaign_id": campaign_id, "side": "debit", "amount_fen": part}
        yield {"account": credit, "campaign_id": campaign_id, "side": "credit", "amount_fen": part}
        amount_fen -= part


def _book(
    connection: Connection,
    heads: dict[str, tuple[int, bytes]],
    now: datetime,
    entry: dict[str, Any],
    lines: list[dict[str, Any]],
) -> None:
    journal = entry["journal"]
    if journal not in heads:
        connection.execute(ADD_HEAD, {"journal": journal, "hash": NO_HASH})
        heads[journal] = (0, NO_HASH)
    last, previous = heads[journal]
    booked_on = max(entry["event_on"], now.astimezone(SHANGHAI).date())
    entry = entry | {"sequence": last + 1, "recorded_at": now, "booked_on": booked_on}
    said = {name: value if isinstance(value, int | str) else str(value) for name, value in entry.items()} | {
        "recorded_at": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "postings": lines,
    }
    encoded = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = hashlib.sha256(previous + encoded).digest()
    columns = ("source", "first_sequence", "last_sequence", "donations", "reversals", "subject")
    connection.execute(ADD_ENTRY, dict.fromkeys(columns) | entry | {"hash": digest})
    place = {name: entry[name] for name in ("journal", "sequence", "booked_on")}
    connection.execute(
        ADD_POSTING, [line | place | {"line": number} for number, line in enumerate(lines, start=1)]
    )
    connection.execute(MOVE_HEAD, {"journal": journal, "sequence": last + 1, "hash": digest})
    heads[journal] = (last + 1, digest)
