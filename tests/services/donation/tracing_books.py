"""Traces as tests need them: payments that are announced, and sums that are counted when a test says so."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from services.donation.trace.movements import Movement
from services.donation.trace.queries import add_movements
from services.donation.trace.schemas import Trace
from services.donation.trace.stating import Stating
from services.donation.trace.tracing import KnownCampaigns, trace
from tests.services.donation.receipt_books import ReceiptBooks

_sequences = count(1)
A_WHILE_AGO = datetime.now(UTC) - timedelta(minutes=5)


def a_movement(campaign_id: str, kind: Any, amount_fen: int, **changes: Any) -> Movement:
    values: dict[str, Any] = {
        "source": f"campaign/{campaign_id}",
        "sequence": next(_sequences),
        "moved_on": A_WHILE_AGO.date(),
        "announced_at": A_WHILE_AGO,
    }
    if kind == "payment":
        values |= {"use": "助学", "about": uuid4(), "helped": {("person_times", ""): 1}}
    return Movement(kind=kind, campaign_id=campaign_id, amount_fen=amount_fen, **(values | changes))


class TracingBooks:
    """Receipts' books with what became of the money."""

    def __init__(self, books: ReceiptBooks) -> None:
        self.books = books

    async def moves(self, kind: Any, amount_fen: int, campaign_id: str | None = None, **changes: Any) -> None:
        await self.announce(a_movement(campaign_id or self.books.campaign_id, kind, amount_fen, **changes))

    async def announce(self, *movements: Movement) -> None:
        async with self.books.place.engine.begin() as connection:
            await add_movements(connection, movements)

    async def pays(self, amount_fen: int, **changes: Any) -> UUID:
        """A payment from the books' campaign; the id of its disbursement."""
        about = uuid4()
        await self.moves("payment", amount_fen, about=about, **changes)
        return about

    async def count(self, rows: int = 20_000) -> int:
        """Count all that is new, in steps of so many rows; how many steps that took."""
        stating, steps = Stating(self.books.place.engine), 1
        while await stating.step(rows):
            steps += 1
        return steps

    async def trace(self, number: str, campaigns: KnownCampaigns | None = None) -> Trace:
        code = (await self.books.receipt(number)).check_code
        return await trace(self.books.place.engine, campaigns or KnownCampaigns(), number, code)
