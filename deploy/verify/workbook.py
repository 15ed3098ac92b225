"""A workbook on the disk: what each place says, row by row, and the rules as statements about it.

A temporary SQLite database, so that a million donations take 32 MB of cache here, not a gigabyte, and so
that the rules stand in another language than the services'. It takes about 550 bytes of disk a donation, in a
file without a name (SQLITE_TMPDIR, TMPDIR, /var/tmp, /tmp), so that nothing is left however its process ends.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from enum import StrEnum
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from deploy.local.problems import StackProblem
from deploy.verify.progress import Progress, untold
from deploy.verify.records import EventRow, IntakeRow, SpendingRow


class Evidence(StrEnum):
    """Where a fact comes from."""

    INTAKE = "intake"
    EVENTS = "events"
    DONATION_DATABASE = "donation_database"
    CAMPAIGN_EVENTS = "campaign_events"
    OUTBOX = "outbox"


NAMES: Final[Mapping[Evidence, str]] = {
    Evidence.INTAKE: "intake log",
    Evidence.EVENTS: "donation.events",
    Evidence.DONATION_DATABASE: "donation database",
    Evidence.CAMPAIGN_EVENTS: "campaign.events",
    Evidence.OUTBOX: "campaign outbox",
}


@dataclass(frozen=True, slots=True)
class Sums:
    """What a campaign's facts make together up to some positions: fen, and the number of donations."""

    received_fen: int = 0
    reversed_fen: int = 0
    promised_fen: int = 0
    disbursed_fen: int = 0
    donations: int = 0
    transferred_in_fen: int = 0
    transferred_out_fen: int = 0
    returned_fen: int = 0
    goods_received_fen: int = 0
    goods_distributed_fen: int = 0
    goods_written_off_fen: int = 0

    @property
    def net_fen(self) -> int:
        """Received less reversed."""
        return self.received_fen - self.reversed_fen


AMOUNTS: Final = tuple(each.name for each in fields(Sums) if each.name != "donations")
"""The amounts of Sums, in their order. One that is added there has its column and its comparison here."""


def _sums(row: Sequence[Any]) -> Sums:
    """Sums of a row of _SUMS."""
    return Sums(donations=row[1], **dict(zip(AMOUNTS, row[2:], strict=True)))


_TABLES: Final = """
CREATE TABLE records (source TEXT, sequence INTEGER, kind TEXT, key BLOB, about BLOB, campaign_id TEXT,
                      amount_fen INTEGER, PRIMARY KEY (source, sequence)) WITHOUT ROWID;
CREATE TABLE events (source TEXT, sequence INTEGER, kind TEXT, key BLOB, campaign_id TEXT,
                     amount_fen INTEGER, PRIMARY KEY (source, sequence)) WITHOUT ROWID;
CREATE TABLE repeats (source TEXT, sequence INTEGER, kind TEXT, key BLOB, campaign_id TEXT,
                      amount_fen INTEGER);
CREATE TABLE dead (source TEXT, sequence INTEGER, PRIMARY KEY (source, sequence)) WITHOUT ROWID;
CREATE TABLE tops (source TEXT PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;
CREATE TABLE marks (source TEXT PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;
CREATE TABLE due (source TEXT PRIMARY KEY, sequence INTEGER) WITHOUT ROWID;
CREATE TABLE facts (evidence TEXT, campaign_id TEXT, source TEXT, sequence INTEGER,
                    {amounts}, PRIMARY KEY (evidence, campaign_id, source, sequence)) WITHOUT ROWID;
"""

# The first usable record of a business key counts. Kafka keeps records of one key in one partition; should a
# channel not set the key, its copies lie in several, the log alone does not say which came first, and the
# position that was decided on is taken from the events. Keys lie in no order, positions as in every other
# table: sorted by them, a million donations are joined and stored in a third of the time.
_DONATIONS: Final = """
CREATE TABLE usable AS
    SELECT r.* FROM records r LEFT JOIN dead USING (source, sequence)
    WHERE dead.sequence IS NULL AND r.kind <> 'unusable';
CREATE TABLE firsts AS
    SELECT kind, key, source, min(sequence) AS sequence, about, campaign_id, amount_fen
    FROM usable WHERE kind IN ('donation', 'reversal') GROUP BY kind, key, source ORDER BY source, sequence;
CREATE TABLE split AS SELECT kind, key FROM firsts GROUP BY kind, key HAVING count(*) > 1;
CREATE INDEX split_key ON split (kind, key);
CREATE TABLE donations AS
    SELECT f.key, f.source, f.sequence, f.campaign_id, f.amount_fen, coalesce(e.kind = 'held', 0) AS held
    FROM firsts f LEFT JOIN events e USING (source, sequence)
    WHERE f.kind = 'donation' AND (
        (e.key = f.key AND e.kind IN ('donation', 'held'))
        OR NOT EXISTS (SELECT 1 FROM split s WHERE s.kind = 'donation' AND s.key = f.key));
"""
# Of a key in several partitions that no event was made of, none counts yet. When the events of all of them
# have gone past it, one was lost: it is counted here, so that the difference shows.
_LOST: Final = """
CREATE TABLE heads AS SELECT source, max(sequence) AS sequence FROM events GROUP BY source;
INSERT INTO donations
    SELECT f.key, f.source, min(f.sequence), f.campaign_id, f.amount_fen, 0
    FROM firsts f JOIN split s USING (kind, key) LEFT JOIN heads h ON h.source = f.source
    WHERE f.kind = 'donation' AND f.key NOT IN (SELECT d.key FROM donations d JOIN split USING (key))
    GROUP BY f.key HAVING sum(f.sequence > coalesce(h.sequence, -1)) = 0;
CREATE INDEX donations_key ON donations (key);
"""
_RECEIVED: Final = """
INSERT INTO facts (evidence, campaign_id, source, sequence, received_fen)
    SELECT 'intake', campaign_id, source, sequence, amount_fen
    FROM donations WHERE NOT held;
INSERT INTO facts (evidence, campaign_id, source, sequence, received_fen)
    SELECT 'intake', d.campaign_id, r.source, r.sequence, d.amount_fen
    FROM (SELECT key, source, min(sequence) AS sequence FROM usable WHERE kind = 'release' GROUP BY key) AS r
    JOIN donations d USING (key) WHERE d.held;
"""
# A reversal counts where it was decided on: at its own record, or at one that says it has come due. Without
# an event it counts where it must have been applied: when it came due, else behind its donation in the same
# partition.
_REVERSED: Final = """
CREATE TABLE places AS
    SELECT key, source, sequence, 0 AS due FROM firsts WHERE kind = 'reversal'
    UNION ALL SELECT key, source, sequence, 1 FROM usable WHERE kind = 'due';
CREATE INDEX places_key ON places (key);
CREATE TABLE reversals AS
    SELECT f.key, f.amount_fen, f.about, d.amount_fen AS given_fen, d.campaign_id,
           p.source, p.sequence, p.due,
           d.source = p.source AND d.sequence < p.sequence AND NOT d.held AS behind_its_donation,
           coalesce(e.kind = 'reversal' AND e.key = f.key, 0) AS decided
    FROM firsts f JOIN places p USING (key) JOIN donations d ON d.key = f.about
    LEFT JOIN events e ON e.source = p.source AND e.sequence = p.sequence
    WHERE f.kind = 'reversal';
CREATE INDEX reversals_key ON reversals (key);
INSERT OR IGNORE INTO facts (evidence, campaign_id, source, sequence, reversed_fen)
    SELECT 'intake', campaign_id, source, sequence, amount_fen
    FROM reversals WHERE decided;
INSERT OR IGNORE INTO facts (evidence, campaign_id, source, sequence, reversed_fen)
    SELECT 'intake', campaign_id, source, min(sequence), amount_fen FROM reversals r
    WHERE (due OR behind_its_donation)
      AND due = (SELECT max(o.due) FROM reversals o WHERE o.key = r.key)
      AND NOT EXISTS (SELECT 1 FROM reversals o WHERE o.key = r.key AND o.decided)
    GROUP BY key;
"""
_FROM_EVENTS: Final = """
INSERT INTO facts (evidence, campaign_id, source, sequence, received_fen, reversed_fen)
    SELECT 'events', campaign_id, source, sequence, iif(kind = 'donation', amount_fen, 0),
           iif(kind = 'reversal', amount_fen, 0)
    FROM events WHERE kind IN ('donation', 'reversal');
"""
_SUMS: Final = """
SELECT {source}, coalesce(sum(received_fen > 0), 0), {amounts}
FROM marks CROSS JOIN facts USING (source)
WHERE evidence = ? AND campaign_id = ? AND facts.sequence <= marks.sequence
"""
_ADDED_UP: Final = ", ".join(f"coalesce(sum({name}), 0)" for name in AMOUNTS)
_MISMATCHES: Final = """
SELECT a.source, a.sequence, a.campaign_id, b.sequence IS NULL, {one}, {other}
FROM facts a JOIN tops ON tops.source = a.source AND a.sequence <= tops.sequence
LEFT JOIN facts b ON b.evidence = :other AND b.campaign_id = a.campaign_id AND b.source = a.source
                 AND b.sequence = a.sequence
WHERE a.evidence = :one AND (:campaign IS NULL OR a.campaign_id = :campaign)
  AND (b.sequence IS NULL OR ({one}) <> ({other}))
ORDER BY a.source, a.sequence
""".format(one=", ".join(f"a.{name}" for name in AMOUNTS), other=", ".join(f"b.{name}" for name in AMOUNTS))
_SECOND: Final = 4 + len(AMOUNTS)
_CONTRADICTED: Final = """
SELECT DISTINCT r.source || ':' || r.sequence FROM repeats r LEFT JOIN events e USING (source, sequence)
WHERE e.sequence IS NULL OR (r.kind, r.key, r.campaign_id, r.amount_fen)
                         IS NOT (e.kind, e.key, e.campaign_id, e.amount_fen)
ORDER BY 1
"""
_TWICE: Final = """
SELECT kind || ' ' || lower(hex(key)) || ' at ' || group_concat(source || ':' || sequence, ', ')
FROM events WHERE kind IN ('donation', 'reversal') GROUP BY kind, key HAVING count(*) > 1
"""
_UNBURIED: Final = """
SELECT r.source || ':' || r.sequence FROM records r JOIN tops t ON t.source = r.source
LEFT JOIN dead d ON d.source = r.source AND d.sequence = r.sequence
WHERE r.kind = 'unusable' AND r.sequence <= t.sequence AND d.sequence IS NULL
ORDER BY r.source, r.sequence
"""
_OVERDRAWN: Final = """
SELECT 'donation ' || lower(hex(about)) || ' of ' || given_fen || ' fen, back ' || sum(f.reversed_fen)
FROM reversals CROSS JOIN facts f USING (campaign_id, source, sequence)
WHERE f.evidence = 'intake' AND f.reversed_fen > 0
GROUP BY about HAVING sum(f.reversed_fen) > given_fen
"""
_BEHIND: Final = """
SELECT count(*) FROM facts LEFT JOIN marks USING (source)
WHERE evidence IN ('intake', 'outbox') AND campaign_id = ?
  AND facts.sequence > coalesce(marks.sequence, -1)
"""
_LATE: Final = """
SELECT count(*) FROM facts JOIN due USING (source) LEFT JOIN marks USING (source)
WHERE evidence IN ('intake', 'outbox') AND campaign_id = ?
  AND facts.sequence > coalesce(marks.sequence, -1) AND facts.sequence <= due.sequence
"""
_COUNTED: Final = """
SELECT f.source, min(f.sequence), max(f.sequence), count(*)
FROM marks CROSS JOIN facts f USING (source)
WHERE evidence = 'intake' AND campaign_id = ? AND f.sequence <= marks.sequence AND received_fen > 0
GROUP BY f.source ORDER BY f.source
"""
# What was held counts where it was released, and is still the donation that it was.
_COUNTED_IDS: Final = """
SELECT lower(hex(coalesce(d.key, r.key)))
FROM marks CROSS JOIN facts f USING (source)
LEFT JOIN donations d ON d.source = f.source AND d.sequence = f.sequence
LEFT JOIN usable r ON r.source = f.source AND r.sequence = f.sequence AND r.kind = 'release'
WHERE evidence = 'intake' AND f.campaign_id = ? AND f.sequence <= marks.sequence AND received_fen > 0
ORDER BY f.source, f.sequence
"""
_HEADS: Final = """
SELECT source, max(sequence) FROM facts WHERE evidence IN ('intake', 'outbox') GROUP BY source
"""
RULES: Final[Mapping[str, str]] = {
    "each donation once": _DONATIONS,
    "what was lost on the way": _LOST,
    "what was received": _RECEIVED,
    "what went back": _REVERSED,
    "what the events say": _FROM_EVENTS,
}
"""What makes facts of what was read, in this order."""

CHECKS: Final[Mapping[str, str]] = {
    "repeated with other content": _CONTRADICTED,
    "counted twice": _TWICE,
    "unusable, but not among the dead letters": _UNBURIED,
    "more went back than was given": _OVERDRAWN,
}
"""What must find nothing, beside the sums."""

TOLD_EVERY: Final = 1_000_000
"""Steps of SQLite's machine between two signs of life of a statement: a tenth of a second at most."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A position at which two evidences don't say the same: AMOUNTS in their order; None: it says nothing."""

    source: str
    sequence: int
    campaign_id: str
    expected: tuple[int, ...] | None
    found: tuple[int, ...] | None


class Counted(NamedTuple):
    """Of one source: the first and the last position with a donation that was counted, and how many."""

    source: str
    first: int
    last: int
    donations: int


class Workbook:
    """The temporary database, as a context: fill it in, then `decide()`, then ask. When SQLite can't go on,
    mostly because the disk is full, a StackProblem comes out of the context.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)

    def __enter__(self) -> Self:
        try:
            for setting in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-32768", "temp_store=FILE"):
                self._database.execute(f"PRAGMA {setting}")
            columns = ", ".join(f"{name} INTEGER DEFAULT 0" for name in AMOUNTS)
            self._database.executescript(_TABLES.format(amounts=columns))
        except sqlite3.Error as error:
            self.__exit__(type(error), error, error.__traceback__)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        if isinstance(error, sqlite3.Error):
            raise StackProblem(
                f"The workbook of the proof: {error}. It takes about 550 bytes a donation where temporary"
                " files lie; SQLITE_TMPDIR names another folder."
            ) from error

    # ------------------------------------------------------------ filling in

    def add_records(self, rows: Iterable[IntakeRow]) -> None:
        """Records of the intake topics."""
        self._insert("records", 7, rows)

    def add_events(self, rows: Iterable[EventRow]) -> None:
        """Events of donation.events, each position once."""
        self._insert("events", 6, rows)

    def add_repeats(self, rows: Iterable[EventRow]) -> None:
        """Events whose position has come before."""
        self._insert("repeats", 6, rows)

    def add_dead(self, positions: Iterable[tuple[str, int]]) -> None:
        """Positions of records that went to the dead letters."""
        self._insert("dead", 2, positions)

    def add_facts(self, evidence: Evidence, rows: Iterable[Sequence[Any]]) -> None:
        """(campaign_id, source, sequence, received_fen, reversed_fen) that a place has stored."""
        self._add(("received_fen", "reversed_fen"), ((evidence, *row) for row in rows))

    def add_spending(self, evidence: Evidence, rows: Iterable[SpendingRow]) -> None:
        """What the events of the campaign service say."""
        places = ((evidence, row.campaign_id, row.source, row.sequence, *row[3:]) for row in rows)
        self._add(SpendingRow._fields[3:], places)

    def _add(self, amounts: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        columns = ("evidence", "campaign_id", "source", "sequence", *amounts)
        self._insert(f"facts ({', '.join(columns)})", len(columns), rows)

    def _insert(self, table: str, columns: int, rows: Iterable[Sequence[Any]]) -> None:
        places = ", ".join("?" * columns)
        self._database.execute("BEGIN")
        self._database.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", rows)  # noqa: S608
        self._database.execute("COMMIT")

    def decide(self, tops: Mapping[str, int], progress: Progress = untold) -> None:
        """Apply the rules to what was read. `tops`: how far rows are compared one by one."""
        self._insert("tops", 2, tops.items())
        for number, (name, rule) in enumerate(RULES.items(), 1):
            with self.telling(progress, f"rules: {name}", number, len(RULES)):
                self._database.executescript(f"BEGIN; {rule} COMMIT;")

    @contextmanager
    def telling(self, progress: Progress, what: str, done: int, total: int) -> Iterator[None]:
        """Tell what is being done here, and again and again while a statement of it runs."""

        def still() -> None:
            progress(what, done, total)

        still()
        self._database.set_progress_handler(still, TOLD_EVERY)
        try:
            yield
        finally:
            self._database.set_progress_handler(None, TOLD_EVERY)

    # ------------------------------------------------------------ asking

    def sums(self, evidence: Evidence, campaign_id: str, positions: Mapping[str, int]) -> Sums:
        """What an evidence makes of a campaign up to and including these positions."""
        self._mark(positions)
        statement = _SUMS.format(source="NULL", amounts=_ADDED_UP)
        return _sums(self._database.execute(statement, (evidence, campaign_id)).fetchone())

    def sums_by_source(
        self, evidence: Evidence, campaign_id: str, positions: Mapping[str, int]
    ) -> dict[str, Sums]:
        """The same, source by source."""
        self._mark(positions)
        statement = _SUMS.format(source="source", amounts=_ADDED_UP) + "GROUP BY source"
        rows = self._database.execute(statement, (evidence, campaign_id))
        return {row[0]: _sums(row) for row in rows}

    def counted(self, campaign_id: str, positions: Mapping[str, int]) -> list[Counted]:
        """Where a campaign's donations lie up to and including these positions, by the intake log."""
        self._mark(positions)
        return [Counted(*row) for row in self._database.execute(_COUNTED, (campaign_id,))]

    def donations(self, campaign_id: str, positions: Mapping[str, int]) -> list[str]:
        """The ids of these donations, source by source in their order."""
        self._mark(positions)
        rows = self._database.execute(_COUNTED_IDS, (campaign_id,))
        return [str(UUID(row[0])) for row in rows]

    def _mark(self, positions: Mapping[str, int]) -> None:
        self._database.execute("DELETE FROM marks")
        self._insert("marks", 2, positions.items())

    def mismatches(
        self, one: Evidence, other: Evidence, campaign_id: str | None, most: int
    ) -> list[Mismatch]:
        """Where `other` differs from `one`, at most `most` of each of: missing or other in it, only in it."""
        asked = {"one": one, "other": other, "campaign": campaign_id}
        found = [
            Mismatch(row[0], row[1], row[2], row[4:_SECOND], None if row[3] else row[_SECOND:])
            for row in self._database.execute(_MISMATCHES, asked).fetchmany(most)
        ]
        asked = {"one": other, "other": one, "campaign": campaign_id}
        extra = (row for row in self._database.execute(_MISMATCHES, asked) if row[3])
        found += [
            Mismatch(row[0], row[1], row[2], None, row[4:_SECOND])
            for row, _ in zip(extra, range(most), strict=False)
        ]
        return found

    def breaches(self, most: int, progress: Progress = untold) -> list[tuple[str, str]]:
        """(check, what it found) for everything in CHECKS, at most `most` of each."""
        found: list[tuple[str, str]] = []
        for number, (name, statement) in enumerate(CHECKS.items(), 1):
            with self.telling(progress, f"checks: {name}", number, len(CHECKS)):
                found += ((name, row[0]) for row in self._database.execute(statement).fetchmany(most))
        return found

    def heads(self) -> dict[str, int]:
        """The furthest position of each source that moves money."""
        return dict(self._database.execute(_HEADS).fetchall())

    def behind(self, campaign_id: str, positions: Mapping[str, int]) -> int:
        """How much that moves a campaign's money lies on the logs above these positions."""
        self._mark(positions)
        return int(self._database.execute(_BEHIND, (campaign_id,)).fetchone()[0])

    def late(self, campaign_id: str, positions: Mapping[str, int], due: Mapping[str, int]) -> int:
        """How much of that lies no further than `due`."""
        self._mark(positions)
        self._database.execute("DELETE FROM due")
        self._insert("due", 2, due.items())
        return int(self._database.execute(_LATE, (campaign_id,)).fetchone()[0])

    def counts(self) -> dict[str, int]:
        """What the logs hold, for the summary."""
        statement = """
            SELECT (SELECT count(*) FROM records), (SELECT count(*) FROM events),
                   (SELECT count(*) FROM repeats), (SELECT count(*) FROM dead),
                   (SELECT count(*) FROM donations), (SELECT count(*) FROM events WHERE kind = 'conflict'),
                   (SELECT count(*) FROM donations d WHERE held AND NOT EXISTS (
                        SELECT 1 FROM usable u WHERE u.kind = 'release' AND u.key = d.key))
        """
        names = ("records", "events", "events_repeated", "dead_letters", "donations", "conflicts", "held")
        return dict(zip(names, self._database.execute(statement).fetchone(), strict=True))
