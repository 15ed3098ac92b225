"""Whatever happens between the booking and the broker: all of it arrives, and every reader counts it once."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.donation.republishing import republish
from services.donation.settings import Settings
from shared.broker import CONTACTS, DEAD_LETTER, DONATION_EVENTS, Headers, Outgoing, Publisher, PublishFailed
from shared.events import DonationReceived, DonationReversed, Event, decode_event
from shared.positions import admit
from tests.services.donation.builders import a_donation, a_donor, a_reversal, new_id
from tests.services.donation.places import Place

pytestmark = pytest.mark.asyncio(loop_scope="package")


class Died(Exception):
    """The process ends here."""


class Faulty(Publisher):
    """Fails at a topic (and partition), some times: before it sends, with half of a batch sent, or after.
    "died": the process ends there. "lost": the broker acknowledges, and forgets.
    """

    def __init__(
        self, settings: Settings, topic: str, how: str, *, partition: int | None = None, times: int = 2
    ) -> None:
        super().__init__(settings)
        self._at = topic
        self._partition = partition
        self._how = how
        self.left = times

    async def send(self, topic: str, value: bytes, *rest: Any, **options: Any) -> Any:
        if not self._strikes(topic, self._partition):
            return await super().send(topic, value, *rest, **options)
        placed = await super().send(topic, value, *rest, **options) if self._how == "after" else None
        self._fail()
        return placed

    async def send_in_order(
        self, topic: str, partition: int, records: Sequence[Outgoing], headers: Headers = ()
    ) -> None:
        if not self._strikes(topic, partition):
            return await super().send_in_order(topic, partition, records, headers)
        share = {"half": len(records) // 2, "after": len(records)}.get(self._how, 0)
        await super().send_in_order(topic, partition, records[:share], headers)
        return self._fail()

    def _strikes(self, topic: str, partition: int | None) -> bool:
        if topic != self._at or self._partition not in {None, partition} or not self.left:
            return False
        self.left -= 1
        return True

    def _fail(self) -> None:
        if self._how == "died":
            raise Died
        if self._how != "lost":
            raise PublishFailed("as the test wants it")


class Reader:
    """A consumer with marks, as every other service is one. Each has its own: a source's name is changed."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._name = new_id("reader")
        self._read = 0
        self.counted: list[Event] = []

    async def read(self, *topics: str) -> None:
        """Take all that is new, in batches of seven."""
        records = await self._place.log.event_records(*topics)
        for partition in range(self._place.settings.partitions):
            events = [decode_event(each.value) for each in records if each.partition == partition]
            for start in range(0, len(events), 7):
                batch = [
                    event.model_copy(update={"source": f"{self._name} {event.source}"})
                    for event in events[start : start + 7]
                ]
                async with self._place.engine.begin() as connection:
                    self.counted += await admit(connection, batch)

    @property
    def total_fen(self) -> int:
        signs = {DonationReceived: 1, DonationReversed: -1}
        return sum(signs.get(type(event), 0) * event.data.amount_fen for event in self.counted)


async def an_evening(place: Place) -> tuple[str, int]:
    """Donations on three partitions, with repeats, a conflict, a refund and bad records between them."""
    topic, campaign_id = await place.channel(), await place.campaign()
    bodies = [
        a_donation(campaign_id=campaign_id, amount_fen=fen, donor=a_donor(contact={"email": "a@example.cn"}))
        for fen in range(1, 61)
    ]
    for partition in range(3):
        part = bodies[partition * 20 : partition * 20 + 20]
        await place.put(topic, *part[:10], b"{", part[0], *part[10:], b"[", partition=partition)
    await place.put(topic, {**bodies[0], "amount_fen": 999})
    await place.put(topic, a_reversal(bodies[50]["transaction_id"], amount_fen=7), partition=2)
    return topic, sum(range(1, 61)) - 7


@pytest.fixture(params=[1_000, 2], ids=["one lane", "two lanes"])
def _lanes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """From how many records on a batch is booked in two lanes: this evening's is small, or large."""
    monkeypatch.setattr("services.donation.handlers.LANES_FROM", request.param)


FAULTS = [
    (DONATION_EVENTS, "before", 1),
    (DONATION_EVENTS, "half", 0),
    (DONATION_EVENTS, "half", 1),
    (DONATION_EVENTS, "after", 2),
    (CONTACTS, "before", 0),
    (CONTACTS, "half", 1),
    (DEAD_LETTER, "before", None),
    (DEAD_LETTER, "after", None),
]


@pytest.mark.usefixtures("_lanes")
@pytest.mark.parametrize(("at", "how", "partition"), FAULTS)
async def test_a_publish_that_fails_on_the_way_is_done_again_until_all_has_arrived(
    place: Place, at: str, how: str, partition: int | None
) -> None:
    topic, total_fen = await an_evening(place)
    batch = await place.batch(topic)
    async with Faulty(place.settings, at, how, partition=partition) as publisher:
        await place.handler(publisher)(batch)
        assert publisher.left == 0

    reader = Reader(place)
    await reader.read(topic)
    assert reader.total_fen == total_fen
    assert len(reader.counted) == len({(each.source, each.sequence) for each in reader.counted}) == 62
    letters = await place.letters(topic)
    assert {(each.partition, each.offset) for each in letters} == {
        (n, off) for n in range(3) for off in (10, 22)
    }
    contacts = {each.key for each in await place.log.records(CONTACTS)}
    assert {
        each.subject.encode() for each in reader.counted if isinstance(each, DonationReceived)
    } <= contacts


@pytest.mark.usefixtures("_lanes")
@pytest.mark.parametrize("at", [DEAD_LETTER, CONTACTS, DONATION_EVENTS])
async def test_a_worker_that_dies_after_the_commit_is_made_good_by_the_next(place: Place, at: str) -> None:
    """The offsets were not committed, so the records come again: in other batches, to another worker."""
    topic, total_fen = await an_evening(place)
    batch = await place.batch(topic)
    async with Faulty(place.settings, at, "died", times=1) as publisher:
        with pytest.raises(Died):
            await place.handler(publisher)(batch)
    reader = Reader(place)
    await reader.read(topic)
    for start in range(0, len(batch), 25):
        await place.handler()(batch[start : start + 25])
    await reader.read(topic)
    assert reader.total_fen == total_fen
    assert len(reader.counted) == 62
    letters = await place.letters(topic)
    assert {(each.partition, each.offset) for each in letters} == {
        (n, off) for n in range(3) for off in (10, 22)
    }


@pytest.mark.usefixtures("_lanes")
async def test_what_could_not_be_committed_was_never_made_known(place: Place) -> None:
    topic, total_fen = await an_evening(place)
    batch = await place.batch(topic)
    trigger = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'",
        """CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON donations DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION refuse()""",
    )
    async with place.engine.begin() as connection:
        for statement in trigger:
            await connection.execute(text(statement))
    letters = len(await place.log.records(DEAD_LETTER))
    contacts = len(await place.log.records(CONTACTS))
    try:
        with pytest.raises(DBAPIError):
            await place.handler()(batch)  # refused at the commit, when all statements had succeeded
    finally:
        async with place.engine.begin() as connection:
            await connection.execute(text("DROP FUNCTION refuse CASCADE"))
    assert await place.log.events(topic) == []
    assert len(await place.log.records(DEAD_LETTER)) == letters
    assert len(await place.log.records(CONTACTS)) == contacts

    await place.handler()(batch)
    reader = Reader(place)
    await reader.read(topic)
    assert reader.total_fen == total_fen


async def test_a_lost_batch_holds_its_readers_and_republishing_heals_them(place: Place) -> None:
    """Nothing loses a batch but a broker that forgets what it acknowledged. No reader counts past it."""
    topic, total_fen = await an_evening(place)
    batch = await place.batch(topic)
    async with Faulty(place.settings, DONATION_EVENTS, "lost", partition=1, times=1) as publisher:
        await place.handler(publisher)(batch)
    await place.put(topic, a_donation(campaign_id=await place.campaign(), amount_fen=1_000), partition=1)
    (later,) = [each for each in await place.batch(topic) if each not in batch]
    await place.handler()((later,))
    reader = Reader(place)
    await reader.read(topic)
    assert len(reader.counted) == 62 - 20
    assert not [each for each in reader.counted if each.source.endswith("/1")]

    assert await republish(place.engine, place.publisher, f"{topic}/1") == 21
    await reader.read(topic)
    assert reader.total_fen == total_fen + 1_000
    assert len(reader.counted) == 63
