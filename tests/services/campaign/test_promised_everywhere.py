"""Whatever is done with pledges, in any order: one promised total, and what is kept is exact to the fen."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from services.campaign.announcements import Announcer
from services.campaign.handlers import count
from services.campaign.pledges import queries
from services.reporting import handlers as reporting
from services.reporting.queries import read_states
from shared import database
from shared.events import Event, decode_event
from tests.databases import Databases
from tests.services.campaign.builders import (
    APPROVER,
    DESK,
    FINANCE,
    SECOND_DESK,
    VIEWER,
    Source,
    a_delivery,
    a_pledge,
    a_release,
    launched,
    some_goods,
)
from tests.services.campaign.conftest import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNOUNCER = Announcer(partitions=4)
AMOUNT = st.integers(1, 300)
DOINGS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["enter", "enter_goods"]), st.just(0), AMOUNT),
        st.tuples(
            st.sampled_from(
                [
                    *("rewrite", "confirm", "confirm", "cancel", "ask_correction", "correct", "correct"),
                    *("withdraw", "ask_delivery", "deliver", "ask_release", "release"),
                    *("pay", "pay", "pay", "refund", "replay"),
                ]
            ),
            st.integers(0, 2),
            AMOUNT,
        ),
    ),
    min_size=6,
    max_size=30,
)


@dataclass
class Believed:
    """What must have come of one pledge, counted beside the service."""

    amount_fen: int
    quantity: int = 0
    promised: bool = False
    cancelled: bool = False
    released_fen: int = 0
    correction_fen: int | None = None
    delivery_fen: int | None = None
    delivered_fen: int = 0
    delivered: int = 0
    paid_fen: int = 0
    was_fulfilled: bool = False

    @property
    def fulfilled(self) -> bool:
        return self.paid_fen + self.delivered_fen >= self.amount_fen or 0 < self.quantity <= self.delivered

    @property
    def open_fen(self) -> int:
        left = self.amount_fen - self.released_fen - self.paid_fen - self.delivered_fen
        return 0 if self.fulfilled else max(0, left)


@dataclass
class Story:
    """One campaign, its pledges, and what is believed of them."""

    service: Service
    campaign_id: str
    source: Source = field(default_factory=Source)
    pledges: dict[str, Believed] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    async def does(self, doing: str, which: int, fen: int) -> None:
        if doing.startswith("enter"):
            goods = some_goods(2) if doing == "enter_goods" else None
            pledge_id = await self.service.entered(self.campaign_id, fen, goods=goods)
            self.pledges[pledge_id] = Believed(fen, quantity=0 if goods is None else 2)
        elif which < len(self.pledges):
            pledge_id = list(self.pledges)[which]
            await getattr(self, f"_{doing}")(pledge_id, self.pledges[pledge_id], fen)
        for pledge in self.pledges.values():
            pledge.was_fulfilled |= pledge.promised and pledge.fulfilled

    async def _post(self, person: str, pledge_id: str, step: str, body: Any = None) -> bool:
        """Send a command knowing the newest version; whether it was done."""
        version = (await self.read(pledge_id))["version"]
        operator = self.service.operator(person)
        answer = await operator.post(f"/pledges/{pledge_id}/{step}", body, if_match=f'"{version}"')
        assert answer.status_code < 500, answer.text
        return answer.is_success

    async def read(self, pledge_id: str) -> dict[str, Any]:
        pledge: dict[str, Any] = (await self.service.operator(VIEWER).get(f"/pledges/{pledge_id}")).json()
        return pledge

    async def _rewrite(self, pledge_id: str, pledge: Believed, fen: int) -> None:
        version = (await self.read(pledge_id))["version"]
        path, goods = f"/pledges/{pledge_id}", some_goods(2) if pledge.quantity else None
        answer = await self.service.operator(DESK).put(
            path, a_pledge(fen, goods=goods), if_match=f'"{version}"'
        )
        assert answer.is_success == (not pledge.promised and not pledge.cancelled)
        if answer.is_success:
            pledge.amount_fen = fen

    async def _confirm(self, pledge_id: str, pledge: Believed, _: int) -> None:
        done = await self._post(SECOND_DESK, pledge_id, "confirm", {"amount_fen": pledge.amount_fen})
        assert done == (not pledge.promised and not pledge.cancelled)
        pledge.promised |= done

    async def _cancel(self, pledge_id: str, pledge: Believed, _: int) -> None:
        done = await self._post(DESK, pledge_id, "cancel", {"reason": "写重了"})
        assert done == (not pledge.promised and not pledge.cancelled and pledge.paid_fen == 0)
        pledge.cancelled |= done

    async def _ask_correction(self, pledge_id: str, pledge: Believed, fen: int) -> None:
        goods = some_goods(2) if pledge.quantity else None
        body = {**a_pledge(fen, goods=goods), "reason": "看错了"}
        if await self._post(DESK, pledge_id, "correction", body):
            assert pledge.promised
            assert not pledge.released_fen
            assert pledge.correction_fen is None
            pledge.correction_fen = fen

    async def _correct(self, pledge_id: str, pledge: Believed, _: int) -> None:
        if await self._post(
            FINANCE, pledge_id, "correction/confirm", {"amount_fen": pledge.correction_fen or 1}
        ):
            assert pledge.correction_fen is not None
            assert not pledge.released_fen
            pledge.amount_fen, pledge.correction_fen = pledge.correction_fen, None

    async def _withdraw(self, pledge_id: str, pledge: Believed, _: int) -> None:
        if await self._post(DESK, pledge_id, "correction/withdraw", {"reason": "没错"}):
            pledge.correction_fen = None

    async def _ask_delivery(self, pledge_id: str, pledge: Believed, fen: int) -> None:
        if await self._post(DESK, pledge_id, "delivery", a_delivery(1, fen)):
            assert pledge.promised
            assert pledge.quantity
            assert pledge.delivery_fen is None
            pledge.delivery_fen = fen

    async def _deliver(self, pledge_id: str, pledge: Believed, _: int) -> None:
        if await self._post(FINANCE, pledge_id, "delivery/confirm"):
            assert pledge.delivery_fen is not None
            pledge.delivered_fen += pledge.delivery_fen
            pledge.delivered, pledge.delivery_fen = pledge.delivered + 1, None

    async def _ask_release(self, pledge_id: str, pledge: Believed, _: int) -> None:
        if await self._post(DESK, pledge_id, "release", a_release()):
            assert pledge.promised
            assert not pledge.released_fen
            assert pledge.open_fen

    async def _release(self, pledge_id: str, pledge: Believed, _: int) -> None:
        open_fen = pledge.open_fen
        if await self._post(APPROVER, pledge_id, "release/approve"):
            assert pledge.promised
            assert not pledge.released_fen
            assert open_fen
            pledge.released_fen = open_fen

    async def _pay(self, pledge_id: str, pledge: Believed, fen: int) -> None:
        await self._count([self.source.received(self.campaign_id, fen, pledge_id=pledge_id)])
        pledge.paid_fen += 0 if pledge.cancelled else fen

    async def _refund(self, pledge_id: str, pledge: Believed, fen: int) -> None:
        back_fen = min(fen, pledge.paid_fen)
        if back_fen:
            await self._count([self.source.reversed(self.campaign_id, back_fen, pledge_id=pledge_id)])
            pledge.paid_fen -= back_fen

    async def _replay(self, *_: object) -> None:
        await self._count([])

    async def _count(self, events: Sequence[Event]) -> None:
        """Book events behind everything that has come before, which comes again."""
        self.events += events
        async with self.service.engine.begin() as connection:
            await count(connection, ANNOUNCER, self.events)


class Reporting:
    """A reporting service's database that follows the campaign service's outbox."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._read = 0

    async def follow(self, service: Service) -> None:
        rows = await service.rows(
            "SELECT id, value FROM outbox WHERE id > :read ORDER BY id", read=self._read
        )
        events = [decode_event(bytes(row[1])) for row in rows]
        for _ in range(2):  # everything comes twice
            async with self.engine.begin() as connection:
                await reporting.count(connection, events)
        self._read = rows[-1][0]

    async def promised(self, campaign_id: str) -> tuple[int, int]:
        (state,) = await read_states(self.engine, [campaign_id])
        return state.amounts.promised_fen, state.promised_released_fen


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def screens(databases: Databases) -> AsyncIterator[Reporting]:
    engine = database.create_engine(databases.fresh("reporting"), "tests")
    yield Reporting(engine)
    await engine.dispose()


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(doings=DOINGS)
async def test_promised_is_one_number_everywhere_and_what_is_kept_is_exact(
    service: Service, screens: Reporting, doings: list[tuple[str, int, int]]
) -> None:
    story = Story(service, await launched(service.operator(DESK)))
    for doing in doings:
        await story.does(*doing)
    await screens.follow(service)
    counting = [pledge for pledge in story.pledges.values() if pledge.promised]
    promised_fen = sum(pledge.amount_fen for pledge in counting)
    released_fen = sum(pledge.released_fen for pledge in counting)

    async with service.engine.connect() as connection:
        total = await queries.promised(connection, story.campaign_id)
    assert (total.promised_fen, total.released_fen) == (promised_fen, released_fen)
    assert (total.pledges, total.fulfilled) == (len(counting), sum(each.fulfilled for each in counting))
    assert total.open_fen == sum(pledge.open_fen for pledge in counting)
    assert await screens.promised(story.campaign_id) == (promised_fen, released_fen)

    told = await service.outbox(story.campaign_id)
    assert promised_fen == sum(_moved(event) for event in told)
    fulfilled = [event.subject for event in told if event.type == "org.shanliu.pledge.fulfilled.v1"]
    assert sorted(fulfilled) == sorted(i for i, pledge in story.pledges.items() if pledge.was_fulfilled)

    for pledge_id, believed in story.pledges.items():
        pledge = await story.read(pledge_id)
        assert pledge["fulfilled_fen"] == believed.paid_fen + believed.delivered_fen
        assert (pledge["open_fen"], pledge["released_fen"]) == (believed.open_fen, believed.released_fen)
        rows = await service.rows(
            "SELECT coalesce(sum(paid_fen - returned_fen), 0) FROM pledge_payments"
            " WHERE pledge_id = :id AND problem IS NULL",
            id=UUID(pledge_id),
        )
        assert rows == [(believed.paid_fen,)]
    balance = await service.balance(story.campaign_id)
    assert balance["received_fen"] - balance["reversed_fen"] == sum(_money(event) for event in story.events)


def _moved(event: Any) -> int:
    """What an event adds to what was promised, in fen."""
    if event.type == "org.shanliu.pledge.made.v1":
        return int(event.data.amount_fen)
    if event.type == "org.shanliu.pledge.corrected.v1":
        return int(event.data.amount_fen - event.data.previous_amount_fen)
    return 0


def _money(event: Any) -> int:
    """What an event adds to what was received, in fen."""
    return int(event.data.amount_fen) * (-1 if event.type == "org.shanliu.donation.reversed.v1" else 1)
