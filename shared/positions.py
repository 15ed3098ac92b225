"""Positions: how every consumer counts each event exactly once without broker transactions.

An event names the place it came from (`source`), its place there (`sequence`) and the sequence of the event
before it from that source (`previous`). A consumer keeps one mark per source in its own database, the
sequence it has applied last, and moves it in the transaction that writes the effects, under the row's lock.
Whatever is repeated, late or out of order is then recognised by arithmetic alone; no epoch, no fencing.
docs/decisions/0002-positions.md has the measurements, tests/unit/test_positions.py the proof.
"""

import time
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, TypeVar

from prometheus_client import Counter
from sqlalchemy import BigInteger, CheckConstraint, Column, MetaData, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.events import Event
from shared.measured import Measured

E = TypeVar("E", bound=Event)

NOTHING: Final = -1
"""The mark of a source of which nothing has been applied yet."""

EVENTS = Counter(
    "shanliu_events_total",
    "Events read, by what the mark of their source said of them",
    ["verdict"],
)
BEHIND_SECONDS = Measured(
    "shanliu_mark_behind_seconds",
    "How long the longest waiting mark has stood behind an event that came too early, in"
    " seconds; 0: none does",
)


class Verdict(Enum):
    """What a mark says of an event."""

    APPLY = "applied"
    REPEAT = "repeated"
    OUT_OF_ORDER = "out_of_order"


def source_of(topic: str, partition: int) -> str:
    """The source of what lies in a topic's partition. The topic is named without the namespace."""
    return f"{topic}/{partition}"


def judge(mark: int, sequence: int, previous: int | None) -> Verdict:
    """Decide on one event. `mark` is NOTHING for a new source, `previous` None for a source's first event.

    sequence ≤ mark: counted before. previous ≤ mark < sequence: nothing lies between, so it is next.
    previous > mark: something before it has not arrived here; its rightful copy follows.
    """
    if sequence <= mark:
        return Verdict.REPEAT
    if previous is not None and previous > mark:
        return Verdict.OUT_OF_ORDER
    return Verdict.APPLY


def sift(marks: dict[str, int], events: Iterable[E]) -> tuple[list[E], list[E]]:
    """Judge events in the order they came, moving `marks` in place: (to apply, out of order)."""
    fresh: list[E] = []
    early: list[E] = []
    repeats = 0
    for event in events:
        verdict = judge(marks.get(event.source, NOTHING), event.sequence, event.previous)
        if verdict is Verdict.APPLY:
            marks[event.source] = event.sequence
            fresh.append(event)
        elif verdict is Verdict.OUT_OF_ORDER:
            early.append(event)
        else:
            repeats += 1
    EVENTS.labels(Verdict.APPLY.value).inc(len(fresh))
    EVENTS.labels(Verdict.REPEAT.value).inc(repeats)
    EVENTS.labels(Verdict.OUT_OF_ORDER.value).inc(len(early))
    return fresh, early


def marks_table(metadata: MetaData) -> Table:
    """The table of marks; each consuming service has one in its own database."""
    return Table(
        "marks",
        metadata,
        Column("source", Text, primary_key=True),
        Column(
            "sequence", BigInteger, CheckConstraint("sequence >= -1", name="marks_sequence"), nullable=False
        ),
    )


# All rows or none: who holds some and then inserts others can wait in a ring with one who has inserted those.
_LOCK = text(
    "SELECT source, sequence FROM marks WHERE source = ANY(:sources)"
    " AND (SELECT count(*) FROM marks WHERE source = ANY(:sources)) = :number ORDER BY source FOR UPDATE"
)
_READ = text("SELECT source, sequence FROM marks WHERE source = ANY(:sources)")
_ADD = text(
    "INSERT INTO marks (source, sequence) SELECT unnest(CAST(:sources AS text[])), -1 ON CONFLICT DO NOTHING"
)
_MOVE = text(
    "UPDATE marks SET sequence = moved.sequence"
    " FROM unnest(CAST(:sources AS text[]), CAST(:sequences AS bigint[])) AS moved (source, sequence)"
    " WHERE marks.source = moved.source AND marks.sequence < moved.sequence"
)


async def admit(connection: AsyncConnection, events: Sequence[E]) -> list[E]:
    """Lock the sources' marks, give back the events to apply in their order, and move the marks.

    Call it first in the transaction that writes the effects: both become true together or not at all.
    Rows are locked in the order of their names, so two consumers never wait for each other in a ring.
    """
    if not events:
        return []
    sources = sorted({event.source for event in events})
    marks = await _locked(connection, sources)
    before = dict(marks)
    fresh, early = sift(marks, events)
    moved = {source: mark for source, mark in marks.items() if mark != before[source]}
    if moved:
        await connection.execute(_MOVE, {"sources": list(moved), "sequences": list(moved.values())})
    if elsewhere := _waiting.other_than(sources):
        marks |= {row.source: row.sequence for row in await connection.execute(_READ, {"sources": elsewhere})}
    _waiting.note(marks, early)
    return fresh


async def _locked(connection: AsyncConnection, sources: list[str]) -> dict[str, int]:
    wanted = {"sources": sources, "number": len(sources)}
    rows = (await connection.execute(_LOCK, wanted)).all()
    if not rows:
        await connection.execute(_ADD, {"sources": sources})
        rows = (await connection.execute(_LOCK, wanted)).all()
    return {row.source: row.sequence for row in rows}


class _Waiting:
    """Which sources have shown an event that came too early: since when, and what it waits for (the alarm).

    The gap may be filled in another process, which has the partition now; so a waiting source's mark is
    looked at with every batch.
    """

    def __init__(self) -> None:
        self._since: dict[str, tuple[float, int]] = {}

    def other_than(self, sources: Iterable[str]) -> list[str]:
        return list(self._since.keys() - set(sources))

    def note(self, marks: dict[str, int], early: Iterable[Event]) -> None:
        BEHIND_SECONDS.set_function(self.longest_seconds)
        for event in early:
            if event.previous is not None:
                self._since.setdefault(event.source, (time.monotonic(), event.previous))
        for source, mark in marks.items():
            if source in self._since and mark >= self._since[source][1]:
                del self._since[source]

    def longest_seconds(self) -> float:
        return time.monotonic() - min(since for since, _ in self._since.values()) if self._since else 0.0


_waiting: Final = _Waiting()
