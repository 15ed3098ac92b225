"""A model of the way from the intake topics to a consumer's books, small enough to be run thousands of times.

Everything that can die, stall, be lost, come late or come twice does so when it is told to. What is under
test is the code the services run: the events with their positions, and `shared.positions.sift` on the marks.
The rest says what Kafka and PostgreSQL give us: a partition keeps the order of what arrives in it, a
transaction happens whole or not at all, rows of one key are inserted once.

`Pipeline` keeps the rules of docs/decisions/0002-positions.md; its subclasses in test_positions.py break one
each.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from shared import positions
from shared.events import Event
from shared.events.envelope import EventData
from shared.positions import NOTHING, source_of

SOURCES: Final = (source_of("intake.bank", 0), source_of("intake.wechat", 0), source_of("intake.wechat", 1))
PARTITIONS: Final = (0, 1)
MAX_BATCH: Final = 6
AT: Final = datetime(2024, 1, 5, tzinfo=UTC)


class Counted(Event):
    """An event whose only content is its subject."""

    TYPE = "org.shanliu.test.counted.v1"


class Fate(Enum):
    """What becomes of a record batch on its way to the broker."""

    ACKNOWLEDGED = "arrives, and the producer knows"
    UNANSWERED = "arrives, and the producer doesn't know"
    LOST = "never arrives"
    LATE = "arrives some time later, perhaps after its producer is dead"


class Line(Enum):
    """The line a worker stands before; it can die or stall at each."""

    FETCH = 1
    BOOK = 2
    PUBLISH = 3
    COMMIT = 4


@dataclass(frozen=True)
class Intake:
    """A record of an intake topic. The same key in two places is one donation that came twice."""

    source: str
    offset: int
    key: str


@dataclass
class Worker:
    """One process's work on one partition of every intake topic."""

    partition: int
    line: Line = Line.FETCH
    batch: list[Intake] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sent: int = 0
    failed: bool = False


@dataclass
class Consumer:
    """One process's reading of one partition of the event topic."""

    partition: int
    batch: list[Event] = field(default_factory=list)
    start: int = 0


def partition_of(source: str) -> int:
    """The partition of the event topic that a source's events go to."""
    return int(source.rpartition("/")[2])


class Pipeline:
    """Two partitions, three sources, one database on either side; several workers and consumers at once."""

    def __init__(self) -> None:
        self.intake: dict[str, list[Intake]] = {source: [] for source in SOURCES}
        self.intake_committed: dict[str, int] = dict.fromkeys(SOURCES, 0)
        self.rows: dict[str, Intake] = {}
        self.chain: dict[str, list[int]] = {source: [] for source in SOURCES}
        self.log: dict[int, list[Event]] = {partition: [] for partition in PARTITIONS}
        self.late: list[tuple[int, list[Event]]] = []
        self.log_committed: dict[int, int] = dict.fromkeys(PARTITIONS, 0)
        self.marks: dict[str, int] = {}
        self.applied: dict[str, list[tuple[int, str]]] = defaultdict(list)

    # ------------------------------------------------------------ intake
    def receive(self, source: str, key: str, gap: int) -> None:
        """A channel publishes a record; `gap` offsets before it hold none (compaction, control records)."""
        lying = self.intake[source]
        self.intake[source].append(Intake(source, (lying[-1].offset + 1 if lying else 0) + gap, key))

    # ------------------------------------------------------------ worker
    def advance(self, worker: Worker, *, records: int, cut: int, fate: Fate) -> None:
        """Let a worker do one line: fetch up to `records`, book, publish up to `cut` events, or commit."""
        match worker.line:
            case Line.FETCH:
                self._fetch(worker, records)
            case Line.BOOK:
                worker.events = self._book(worker.batch)
                self._goes_to(worker, Line.PUBLISH if worker.events else Line.COMMIT)
            case Line.PUBLISH:
                self._publish(worker, cut, fate)
            case Line.COMMIT:
                for record in worker.batch:
                    self.intake_committed[record.source] = record.offset + 1
                self._goes_to(worker, Line.FETCH)

    def _fetch(self, worker: Worker, records: int) -> None:
        waiting = [
            record
            for source in SOURCES
            if partition_of(source) == worker.partition
            for record in self.intake[source]
            if record.offset >= self.intake_committed[source]
        ]
        worker.batch = waiting[:records]
        if worker.batch:
            self._goes_to(worker, Line.BOOK)

    def _book(self, batch: Sequence[Intake]) -> list[Event]:
        """One transaction: insert what is new; an event for each record that is where its row lies."""
        for record in batch:
            if record.key not in self.rows:
                self.rows[record.key] = record
                assert all(earlier < record.offset for earlier in self.chain[record.source])
                self.chain[record.source].append(record.offset)
        return [self._event(record) for record in batch if self.rows[record.key] == record]

    def _event(self, record: Intake) -> Event:
        return Counted.at(
            record.source,
            record.offset,
            self._previous(record),
            subject=record.key,
            time=AT,
            data=EventData(),
        )

    def _previous(self, record: Intake) -> int | None:
        return max((offset for offset in self.chain[record.source] if offset < record.offset), default=None)

    def _publish(self, worker: Worker, cut: int, fate: Fate) -> None:
        """One record batch. Those after a failed one may be on their way already: all are sent."""
        chunk = worker.events[worker.sent : worker.sent + cut]
        worker.sent += len(chunk)
        worker.failed |= fate is not Fate.ACKNOWLEDGED
        if fate is Fate.LATE:
            self.late.append((worker.partition, chunk))
        elif fate is not Fate.LOST:
            self.log[worker.partition] += chunk
        if worker.sent == len(worker.events):
            self._goes_to(worker, self._after_publishing(worker))

    def _after_publishing(self, worker: Worker) -> Line:
        """All or again: a publish that failed is never passed over."""
        return Line.PUBLISH if worker.failed else Line.COMMIT

    def _goes_to(self, worker: Worker, line: Line) -> None:
        worker.line = line
        worker.sent = 0
        worker.failed = False

    def republisher(self, partition: int) -> Worker:
        """`shanliu republish`: everything from the table again, in order, by a process of its own."""
        records = [record for record in self.rows.values() if partition_of(record.source) == partition]
        events = [self._event(record) for record in sorted(records, key=lambda record: record.offset)]
        return Worker(partition, Line.PUBLISH if events else Line.FETCH, [], events)

    def arrive(self, index: int) -> None:
        """A record batch that was on its way arrives now."""
        partition, chunk = self.late.pop(index)
        self.log[partition] += chunk

    # ------------------------------------------------------------ consumer
    def read(self, consumer: Consumer, events: int) -> None:
        """Fetch from where the group stands, unless a batch is in hand already."""
        if not consumer.batch:
            consumer.start = self.log_committed[consumer.partition]
            consumer.batch = self.log[consumer.partition][consumer.start : consumer.start + events]

    def apply(self, consumer: Consumer, *, dies: bool) -> None:
        """One transaction: judge by the marks, write the effects, move the marks; or die in it."""
        marks = dict(self.marks)
        fresh, _ = positions.sift(marks, consumer.batch)
        if dies:
            consumer.batch = []
            return
        self.marks = marks
        self._count(fresh)

    def _count(self, events: Sequence[Event]) -> None:
        for event in events:
            self.applied[event.source].append((event.sequence, event.subject))

    def commit(self, consumer: Consumer) -> None:
        """Tell the broker how far the group has come; a stalled consumer tells an old place."""
        self.log_committed[consumer.partition] = consumer.start + len(consumer.batch)
        consumer.batch = []

    # ------------------------------------------------------------ what must hold
    def truth(self, source: str) -> list[tuple[int, str]]:
        """What a source's events are, in order: the records that were the first of their key."""
        return [
            (record.offset, record.key)
            for record in self.intake[source]
            if self.rows.get(record.key) == record
        ]

    def check(self) -> None:
        """At any moment: what is applied of a source is its beginning, each event once, in order, no gap."""
        for source in SOURCES:
            applied = self.applied[source]
            assert applied == self.truth(source)[: len(applied)], f"{source}: {applied}"
            assert self.marks.get(source, NOTHING) == (applied[-1][0] if applied else NOTHING)

    def settle(self) -> None:
        """The faults end: one good worker and one good consumer do what is left."""
        for partition in PARTITIONS:
            while self.late:
                self.arrive(0)
            worker = Worker(partition)
            while worker.line is not Line.FETCH or self._waits(partition):
                self.advance(worker, records=MAX_BATCH, cut=MAX_BATCH, fate=Fate.ACKNOWLEDGED)
            consumer = Consumer(partition)
            while self.log_committed[partition] < len(self.log[partition]):
                self.read(consumer, MAX_BATCH)
                self.apply(consumer, dies=False)
                self.commit(consumer)

    def _waits(self, partition: int) -> bool:
        return any(
            records and records[-1].offset >= self.intake_committed[source]
            for source, records in self.intake.items()
            if partition_of(source) == partition
        )

    def check_nothing_is_left(self) -> None:
        """After the faults have ended: every donation that came in has been applied."""
        keys = {record.key for records in self.intake.values() for record in records}
        assert set(self.rows) == keys
        for source in SOURCES:
            assert self.applied[source] == self.truth(source), f"{source}: {self.applied[source]}"
