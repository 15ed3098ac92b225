"""The proof that every event counts once, in order and without a gap, whoever dies and whenever.

A state machine plays evenings on the model in evening.py. The same machine is then run on models that each
break one of the rules, and must find out: a proof that can't fail would prove nothing.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shared import positions
from shared.events import Event
from shared.events import examples as samples
from shared.positions import NOTHING, Verdict, judge, sift, source_of
from tests.unit.evening import (
    MAX_BATCH,
    PARTITIONS,
    SOURCES,
    Consumer,
    Fate,
    Intake,
    Line,
    Pipeline,
    Worker,
)

MAX_ALIVE = 4
"""Workers, and consumers, at once: the rightful one and those that have stalled and not died."""

places = st.integers(0, 2**31)  # which of those alive; taken modulo their number
fates = st.sampled_from(Fate)
sizes = st.integers(1, MAX_BATCH)


class Evening(RuleBasedStateMachine):
    """What can happen, in any order."""

    pipeline_class: type[Pipeline] = Pipeline

    def __init__(self) -> None:
        super().__init__()
        self.pipeline = self.pipeline_class()
        self.workers = [Worker(partition) for partition in PARTITIONS]
        self.consumers = [Consumer(partition) for partition in PARTITIONS]

    @rule(
        source=st.sampled_from(SOURCES),
        keys=st.lists(st.integers(0, 30), min_size=1, max_size=8),
        gap=st.sampled_from([0, 0, 0, 1, 3]),
    )
    def donations_come_in(self, source: str, keys: list[int], gap: int) -> None:
        for key in keys:
            self.pipeline.receive(source, f"{key}", gap)

    @precondition(lambda self: len(self.workers) < MAX_ALIVE)
    @rule(partition=st.sampled_from(PARTITIONS))
    def a_worker_starts(self, partition: int) -> None:
        self.workers.append(Worker(partition))

    @precondition(lambda self: len(self.workers) < MAX_ALIVE)
    @rule(partition=st.sampled_from(PARTITIONS))
    def somebody_republishes(self, partition: int) -> None:
        self.workers.append(self.pipeline.republisher(partition))

    @precondition(lambda self: self.workers)
    @rule(place=places, records=sizes, cut=sizes, lines=st.lists(fates, min_size=1, max_size=8))
    def a_worker_works_and_stalls(self, place: int, records: int, cut: int, lines: list[Fate]) -> None:
        worker = self.workers[place % len(self.workers)]
        for fate in lines:
            self.pipeline.advance(worker, records=records, cut=cut, fate=fate)

    @precondition(lambda self: self.workers)
    @rule(place=places)
    def a_worker_dies(self, place: int) -> None:
        self.workers.pop(place % len(self.workers))

    @precondition(lambda self: self.pipeline.late)
    @rule(place=places)
    def a_late_batch_arrives(self, place: int) -> None:
        self.pipeline.arrive(place % len(self.pipeline.late))

    @precondition(lambda self: len(self.consumers) < MAX_ALIVE)
    @rule(partition=st.sampled_from(PARTITIONS))
    def a_consumer_starts(self, partition: int) -> None:
        self.consumers.append(Consumer(partition))

    @precondition(lambda self: self.consumers)
    @rule(place=places, size=sizes, stop=st.sampled_from(["read", "dies in it", "applied", "done"]))
    def a_consumer_works(self, place: int, size: int, stop: str) -> None:
        consumer = self.consumers[place % len(self.consumers)]
        self.pipeline.read(consumer, size)
        if stop == "read":
            return
        self.pipeline.apply(consumer, dies=stop == "dies in it")
        if stop == "done":
            self.pipeline.commit(consumer)

    @precondition(lambda self: self.consumers)
    @rule(place=places)
    def a_consumer_dies(self, place: int) -> None:
        self.consumers.pop(place % len(self.consumers))

    @rule(partition=st.sampled_from(PARTITIONS), back=st.integers(1, 20))
    def the_log_is_delivered_again(self, partition: int, back: int) -> None:
        self.pipeline.log_committed[partition] = max(0, self.pipeline.log_committed[partition] - back)

    @invariant()
    def each_event_was_applied_once_in_order_and_without_a_gap(self) -> None:
        self.pipeline.check()

    def teardown(self) -> None:
        self.pipeline.settle()
        self.pipeline.check()
        self.pipeline.check_nothing_is_left()


COMMON: dict[str, Any] = {
    "deadline": None,
    "stateful_step_count": 50,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.filter_too_much],
}


def test_every_donation_counts_once_whoever_dies_and_whenever() -> None:
    run_state_machine_as_test(Evening, settings=settings(max_examples=100, **COMMON))


# ------------------------------------------------------------------ the same machine on broken rules


def judge_without_previous(mark: int, sequence: int, previous: int | None) -> Verdict:
    """The textbook's rule: whatever is newer than the mark counts."""
    return Verdict.REPEAT if sequence <= mark else Verdict.APPLY


def judge_without_mark(mark: int, sequence: int, previous: int | None) -> Verdict:
    return Verdict.OUT_OF_ORDER if previous is not None and previous > mark else Verdict.APPLY


def judge_with_an_off_by_one(mark: int, sequence: int, previous: int | None) -> Verdict:
    if sequence <= mark:
        return Verdict.REPEAT
    return Verdict.OUT_OF_ORDER if previous is not None and previous >= mark else Verdict.APPLY


class PassesOverAFailedPublish(Pipeline):
    """What "log and continue" does."""

    def _after_publishing(self, worker: Worker) -> Line:
        return Line.COMMIT


class CommitsTheOffsetBeforeThePublish(Pipeline):
    def _publish(self, worker: Worker, cut: int, fate: Fate) -> None:
        for record in worker.batch:
            self.intake_committed[record.source] = record.offset + 1
        super()._publish(worker, cut, fate)


class EmitsOnlyWhatItInserts(Pipeline):
    """A replay is taken for a repeat: who dies between the commit and the publish has emitted nothing."""

    def _book(self, batch: list[Intake]) -> list[Event]:  # type: ignore[override]
        known = set(self.rows)
        return [event for event in super()._book(batch) if event.subject not in known]


class EmitsRepeatsToo(Pipeline):
    """A repeat from another place gets an event of its own."""

    def _book(self, batch: list[Intake]) -> list[Event]:  # type: ignore[override]
        super()._book(batch)
        return [self._event(record) for record in batch]


class KnowsThePreviousOfItsOwnRecordBatchOnly(Pipeline):
    """`previous` from memory instead of from the table: a record batch's first says nothing is before it."""

    def _publish(self, worker: Worker, cut: int, fate: Fate) -> None:
        first = worker.events[worker.sent].model_copy(update={"previous": None})
        worker.events[worker.sent] = first
        super()._publish(worker, cut, fate)


class ReleasesAtTheHeldDonationsPosition(Pipeline):
    """An even key is a donation that was held, the odd one after it its release."""

    def _event(self, record: Intake) -> Event:
        held = self.rows.get(str(int(record.key) - 1))
        if int(record.key) % 2 and held is not None and held.source == record.source:
            return super()._event(Intake(record.source, held.offset, record.key))
        return super()._event(record)


class MovesTheMarkBeforeTheEffects(Pipeline):
    """Two transactions instead of one, and a death between them."""

    def apply(self, consumer: Consumer, *, dies: bool) -> None:
        if dies:
            sift(self.marks, consumer.batch)
        super().apply(consumer, dies=dies)


class WritesTheEffectsBeforeTheMark(Pipeline):
    def apply(self, consumer: Consumer, *, dies: bool) -> None:
        if dies:
            fresh, _ = sift(dict(self.marks), consumer.batch)
            self._count(fresh)
        super().apply(consumer, dies=dies)


class TrustsTheCommittedOffset(Pipeline):
    """No marks: the broker's word on how far the group has come is taken for the truth."""

    def apply(self, consumer: Consumer, *, dies: bool) -> None:
        if not dies:
            self._count(consumer.batch)


def search(machine: type[Evening]) -> None:
    """Look for one evening on which the machine's rule fails; the first is enough."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=2_000,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
            **COMMON,
        ),
    )


@pytest.mark.parametrize(
    "broken",
    [
        PassesOverAFailedPublish,
        CommitsTheOffsetBeforeThePublish,
        EmitsOnlyWhatItInserts,
        EmitsRepeatsToo,
        KnowsThePreviousOfItsOwnRecordBatchOnly,
        ReleasesAtTheHeldDonationsPosition,
        MovesTheMarkBeforeTheEffects,
        WritesTheEffectsBeforeTheMark,
        TrustsTheCommittedOffset,
    ],
    ids=lambda cls: cls.__name__,
)
def test_the_machine_finds_a_worker_or_consumer_that_breaks_a_rule(broken: type[Pipeline]) -> None:
    machine = type(broken.__name__, (Evening,), {"pipeline_class": broken})
    with pytest.raises(AssertionError):
        search(machine)


@pytest.mark.parametrize(
    "wrong",
    [judge_without_previous, judge_without_mark, judge_with_an_off_by_one],
    ids=lambda rule: rule.__name__,
)
def test_the_machine_finds_a_wrong_judge(
    monkeypatch: pytest.MonkeyPatch, wrong: Callable[[int, int, int | None], Verdict]
) -> None:
    monkeypatch.setattr(positions, "judge", wrong)
    with pytest.raises(AssertionError):
        search(Evening)


# ------------------------------------------------------------------ the rule itself


@pytest.mark.parametrize(
    ("mark", "sequence", "previous", "verdict"),
    [
        (NOTHING, 0, None, Verdict.APPLY),
        (NOTHING, 7, None, Verdict.APPLY),
        (NOTHING, 7, 3, Verdict.OUT_OF_ORDER),
        (3, 7, 3, Verdict.APPLY),
        (3, 3, None, Verdict.REPEAT),
        (3, 2, 1, Verdict.REPEAT),
        (3, 7, 5, Verdict.OUT_OF_ORDER),
        (3, 7, 2, Verdict.APPLY),  # the mark stands on a place without an event: nothing lies between
        (3, 7, None, Verdict.APPLY),
    ],
)
def test_a_mark_decides_on_an_event(mark: int, sequence: int, previous: int | None, verdict: Verdict) -> None:
    assert judge(mark, sequence, previous) is verdict


def chain(source: str, sequences: list[int]) -> list[Event]:
    """Events of one source, each naming the one before it."""
    before = [None, *sequences[:-1]]
    return [
        samples.event(source=source, sequence=sequence, previous=previous)
        for sequence, previous in zip(sequences, before, strict=True)
    ]


@given(
    sequences=st.lists(st.integers(0, 1000), min_size=1, max_size=20, unique=True).map(sorted),
    deliveries=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5)), max_size=40),
)
def test_whatever_arrives_only_a_beginning_of_the_chain_is_applied(
    sequences: list[int], deliveries: list[tuple[int, int]]
) -> None:
    events = chain(SOURCES[0], sequences)
    marks: dict[str, int] = {}
    applied: list[Event] = []
    for start, length in deliveries:
        fresh, _ = sift(marks, events[start : start + length])
        applied += fresh
    assert applied == events[: len(applied)]
    fresh, early = sift(marks, events)
    assert applied + fresh == events
    assert early == []


def test_a_record_batch_lost_in_the_middle_is_waited_for_and_nothing_is_lost() -> None:
    events = chain(SOURCES[0], [10, 11, 15, 16, 20, 21])
    marks: dict[str, int] = {}
    first, _ = sift(marks, events[:2])
    none, early = sift(marks, events[4:])  # 15 and 16 did not arrive
    rest, _ = sift(marks, events[2:])  # the batch was sent again, whole
    assert (first, none, early, rest) == (events[:2], [], events[4:], events[2:])


def test_sources_do_not_move_each_other() -> None:
    one, other = chain(SOURCES[0], [5, 6]), chain(SOURCES[1], [1, 2])
    marks: dict[str, int] = {}
    fresh, early = sift(marks, [one[0], other[1], one[1], other[0]])
    assert fresh == [one[0], one[1], other[0]]
    assert early == [other[1]]
    assert marks == {SOURCES[0]: 6, SOURCES[1]: 1}


def test_a_source_is_named_by_topic_and_partition() -> None:
    assert source_of("intake.wechat", 3) == "intake.wechat/3"
