"""In whatever order goods come and go: what came in is what went out and what lies in the store, to the fen,
in the store's own tables, the events, the reports and the ledger; and never a piece below nothing.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from httpx import Response
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from services.reporting import handlers as reporting
from services.reporting.queries import read_states
from shared import database
from shared.events import decode_event
from tests.databases import Databases
from tests.services.campaign.books import balances, require_exact
from tests.services.campaign.builders import APPROVER, DESK, FINANCE, VIEWER, launched
from tests.services.campaign.conftest import Service
from tests.services.campaign.store import (
    a_distribution,
    a_gift,
    a_return,
    a_reversal,
    a_write_off,
    an_item,
    figures,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIECES = st.integers(1, 7)
WHICH = st.integers(0, 3)
DOINGS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), PIECES, st.integers(0, 100)),
        st.tuples(st.sampled_from(["confirm", "approve", "approve", "withdraw"]), WHICH, st.just(0)),
        st.tuples(
            st.sampled_from(["distribute", "distribute", "write_off", "reverse", "give_back", "give_back"]),
            WHICH,
            PIECES,
        ),
    ),
    min_size=8,
    max_size=30,
)


@dataclass
class Pile:
    """What must be left of an item, or of a distribution: pieces and fen."""

    quantity: int
    fen: int

    def take(self, quantity: int) -> int:
        """The value of the pieces taken, which must be there."""
        assert quantity <= self.quantity, "no more goes out than there is"
        share_fen = self.fen if quantity == self.quantity else self.fen * quantity // self.quantity
        self.quantity, self.fen = self.quantity - quantity, self.fen - share_fen
        assert self.fen >= self.quantity
        return share_fen


@dataclass
class Story:
    """One campaign, its gifts and movements, and what is believed of them."""

    service: Service
    campaign_id: str
    entered: list[Any] = field(default_factory=list)
    store: dict[str, Pile] = field(default_factory=dict)
    gift_of: dict[str, str] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    given_out: dict[str, Pile] = field(default_factory=dict)
    sums: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("received", "reversal", "distribution", "return", "write_off"), 0
        )
    )

    async def does(self, doing: str, which: int, number: int) -> None:
        await getattr(self, f"_{doing}")(which, number)

    async def _post(self, person: str, path: str, body: Any = None) -> Response:
        answer = await self.service.operator(person).post(path, body, if_match='"1"')
        assert answer.status_code < 500, answer.text
        return answer

    async def _enter(self, quantity: int, more_fen: int) -> None:
        gift = a_gift(an_item(quantity, quantity + more_fen), an_item(1, 1))
        answer = await self._post(DESK, f"/campaigns/{self.campaign_id}/goods-gifts", gift)
        self.entered.append(answer.json())

    async def _confirm(self, which: int, _: int) -> None:
        if which >= len(self.entered):
            return
        gift = self.entered.pop(which)
        counted = {"value_fen": gift["value_fen"]}
        answer = await self._post(FINANCE, f"/goods-gifts/{gift['gift_id']}/confirm", counted)
        assert answer.is_success
        self.sums["received"] += gift["value_fen"]
        for item in gift["items"]:
            self.store[item["item_id"]] = Pile(item["quantity"], item["value_fen"])
            self.gift_of[item["item_id"]] = gift["gift_id"]

    async def _ask(self, path: str, body: Any, pile: Pile) -> None:
        answer = await self._post(FINANCE, path, body)
        wanted = body["items"][0]["quantity"]
        assert answer.is_success == (wanted <= pile.quantity), answer.text
        if answer.is_success:
            self.asked.append(answer.json())
        else:
            assert answer.json()["remaining_quantity"] == pile.quantity

    async def _distribute(self, which: int, quantity: int) -> None:
        for item, pile in [*self.store.items()][which : which + 1]:
            path = f"/campaigns/{self.campaign_id}/goods-distributions"
            await self._ask(path, a_distribution(item, quantity), pile)

    async def _write_off(self, which: int, quantity: int) -> None:
        for item, pile in [*self.store.items()][which : which + 1]:
            path = f"/campaigns/{self.campaign_id}/goods-write-offs"
            await self._ask(path, a_write_off(item, quantity), pile)

    async def _reverse(self, which: int, quantity: int) -> None:
        for item, pile in [*self.store.items()][which : which + 1]:
            path = f"/goods-gifts/{self.gift_of[item]}/reversals"
            await self._ask(path, a_reversal(item, quantity), pile)

    async def _give_back(self, which: int, quantity: int) -> None:
        for movement_id, pile in [*self.given_out.items()][which : which + 1]:
            known = await self.service.operator(VIEWER).get(f"/goods-movements/{movement_id}")
            item = known.json()["items"][0]["item_id"]
            path = f"/goods-movements/{movement_id}/returns"
            await self._ask(path, a_return(item, quantity), pile)

    async def _approve(self, which: int, _: int) -> None:
        if which >= len(self.asked):
            return
        movement = self.asked[which]
        (line,) = movement["items"]
        kind, item, quantity = movement["kind"], line["item_id"], line["quantity"]
        pile = self.given_out[movement["distribution_id"]] if kind == "return" else self.store[item]
        answer = await self._post(APPROVER, f"/goods-movements/{movement['movement_id']}/approve")
        assert answer.is_success == (quantity <= pile.quantity), answer.text
        if not answer.is_success:
            return
        self.asked.pop(which)
        share_fen = pile.take(quantity)
        assert answer.json()["value_fen"] == share_fen >= quantity
        self.sums[kind] += share_fen
        if kind == "return":
            back = self.store[item]
            self.store[item] = Pile(back.quantity + quantity, back.fen + share_fen)
        elif kind == "distribution":
            self.given_out[movement["movement_id"]] = Pile(quantity, share_fen)

    async def _withdraw(self, which: int, _: int) -> None:
        if which < len(self.asked):
            movement = self.asked.pop(which)
            path = f"/goods-movements/{movement['movement_id']}/withdraw"
            assert (await self._post(FINANCE, path, {"reason": "不办了"})).is_success


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reports(databases: Databases) -> AsyncIterator[AsyncEngine]:
    """A reporting service's database."""
    engine = database.create_engine(databases.fresh("reporting"), "tests")
    yield engine
    await engine.dispose()


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(doings=DOINGS)
async def test_what_came_in_is_what_went_out_and_what_is_there(
    apart: Service, reports: AsyncEngine, doings: list[tuple[str, int, int]]
) -> None:
    story = Story(apart, await launched(apart.operator(DESK)))
    for doing in doings:
        await story.does(*doing)
    sums, left_fen = story.sums, sum(pile.fen for pile in story.store.values())
    found = await figures(apart, story.campaign_id)
    assert (found["received_fen"], found["reversed_fen"]) == (sums["received"], sums["reversal"])
    assert (found["distributed_fen"], found["returned_fen"]) == (sums["distribution"], sums["return"])
    assert (found["written_off_fen"], found["in_store_fen"]) == (sums["write_off"], left_fen)
    for item, pile in story.store.items():
        rows = await apart.rows(
            "SELECT left_quantity, left_fen FROM goods_items WHERE item_id = CAST(:id AS uuid)", id=item
        )
        assert rows == [(pile.quantity, pile.fen)]

    net_fen = sums["received"] - sums["reversal"]
    out_fen = sums["distribution"] - sums["return"]
    posted = await balances(apart, story.campaign_id)
    booked = [posted.get(account, 0) for account in ("410103", "510101", "520101", "1201")]
    assert booked == [net_fen, out_fen, sums["write_off"], left_fen]
    assert posted.keys() <= {"410103", "510101", "520101", "1201"}, "no money moved"
    await require_exact(apart)

    rows = await apart.rows("SELECT value FROM outbox ORDER BY id")
    async with reports.begin() as connection:
        await reporting.count(connection, [decode_event(bytes(row[0])) for row in rows])
    (state,) = await read_states(reports, [story.campaign_id])
    amounts = state.amounts
    shown = (amounts.goods_received_fen, amounts.goods_distributed_fen, amounts.goods_written_off_fen)
    assert shown == (net_fen, out_fen, sums["write_off"])
    assert (amounts.received_fen, amounts.disbursed_fen) == (0, 0)
