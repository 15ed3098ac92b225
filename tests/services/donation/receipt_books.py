"""Receipts as tests need them: organisations with campaigns, donations and refunds already booked."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from services.donation import queries as donations
from services.donation.models import conflicts, reversals
from services.donation.receipts import queries
from services.donation.receipts.issuing import Actor, Office
from services.donation.receipts.telling import Teller
from shared.refusals import Refused
from tests.services.donation.builders import OCCURRED_AT, campaign_data, new_id
from tests.services.donation.places import Place

FINANCE = Actor("finance.chen")
HANDLER = "陈会计"
_sequences = count(1)


def a_code() -> str:
    """An organisation's code that no other test has."""
    return f"T{uuid4().hex[:9].upper()}"


@dataclass
class ReceiptBooks:
    """An organisation of its own with one campaign, at a place. `now`: the time it is there, if it is set."""

    place: Place
    code: str = field(default_factory=a_code)
    campaign_id: str = field(default_factory=lambda: new_id("gala"))
    now: datetime | None = None

    @property
    def organisation(self) -> str:
        return f"慈善会 {self.code}"

    @property
    def office(self) -> Office:
        return Office(
            "https://charity.example.org",
            Teller(self.place.settings.partitions),
            clock=lambda: self.now or datetime.now(UTC),
        )

    async def open(self) -> "ReceiptBooks":
        """Register the organisation, and have its campaign known."""
        row = {"organisation": self.organisation, "code": self.code, "registered_by": "admin"}
        async with self.place.engine.begin() as connection:
            assert await queries.add_organisation(connection, row | {"registered_at": OCCURRED_AT})
        await self.know(self.campaign_id)
        return self

    async def know(self, campaign_id: str, sequence: int = 1, **changes: Any) -> None:
        """Have a campaign of the organisation known to receipts."""
        data = campaign_data(campaign_id, **({"organisation": self.organisation} | changes))
        async with self.place.engine.begin() as connection:
            await queries.save_campaigns(connection, {campaign_id: (sequence, data)})

    async def donation(self, **changes: Any) -> UUID:
        """A booked donation of 100 yuan from one who left a contact."""
        donation_id = uuid4()
        row: dict[str, Any] = {
            "donation_id": donation_id,
            "channel": "wechat",
            "transaction_id": donation_id.hex,
            "campaign_id": self.campaign_id,
            "amount_fen": 10_000,
            "fee_fen": None,
            "occurred_at": OCCURRED_AT,
            "received_at": OCCURRED_AT,
            "donor_kind": "person",
            "donor_name": "王小明",
            "donor_alias": None,
            "donor_display": "name",
            "contact_email": "wang@example.org",
            "contact_phone": None,
            "contact_wechat_openid": None,
            "contact_wechat_app_id": None,
            "contact_language": None,
            "message": None,
            "pledge_id": None,
            "source": f"intake.{self.code}/0",
            "sequence": next(_sequences),
            "held_reason": None,
            "status": "received",
        }
        row |= changes
        async with self.place.engine.begin() as connection:
            await donations.insert_donations(connection, [tuple(row[name] for name in donations.COLUMNS)])
        return donation_id

    async def donations(self, count: int, **changes: Any) -> list[UUID]:
        return [await self.donation(**changes) for _ in range(count)]

    async def refund(self, donation_id: UUID, amount_fen: int) -> None:
        """A refund, applied under the donation's lock as the worker does."""
        position = {"source": f"intake.{self.code}/0", "sequence": next(_sequences)}
        row = {
            "reversal_id": uuid4(),
            "donation_id": donation_id,
            "kind": "refund",
            "amount_fen": amount_fen,
            "occurred_at": OCCURRED_AT,
            "asked_source": position["source"],
            "asked_sequence": position["sequence"],
            "status": "applied",
            "applied_at": OCCURRED_AT,
            **position,
        }
        async with self.place.engine.begin() as connection:
            await donations.lock_donations(connection, [donation_id])
            await connection.execute(insert(reversals).values(**row))

    async def conflict(self, donation_id: UUID) -> None:
        """The donation's transaction came again with another amount."""
        row = {
            "source": f"intake.{self.code}/0",
            "sequence": next(_sequences),
            "donation_id": donation_id,
            "campaign_id": self.campaign_id,
            "amount_fen": 1,
            "received_at": OCCURRED_AT,
            "differs": ["amount_fen"],
        }
        async with self.place.engine.begin() as connection:
            await connection.execute(insert(conflicts).values(**row))

    async def issue(self, *ids: UUID, **options: Any) -> str:
        """Issue a receipt; its number."""
        async with self.place.engine.begin() as connection:
            return await self.office.issue(connection, FINANCE, ids, handler=HANDLER, **options)

    async def issue_each(self, ids: Sequence[UUID]) -> list[str | Refused]:
        async with self.place.engine.begin() as connection:
            return await self.office.issue_each(connection, FINANCE, ids, handler=HANDLER)

    async def void(self, number: str, reason: str = "写错") -> None:
        async with self.place.engine.begin() as connection:
            await self.office.void(connection, FINANCE, number, reason=reason)

    async def reissue(self, number: str, reason: str | None = "写错", **options: Any) -> str:
        async with self.place.engine.begin() as connection:
            return await self.office.reissue(
                connection, FINANCE, number, handler=HANDLER, reason=reason, **options
            )

    async def waive(self, donation_id: UUID) -> int:
        async with self.place.engine.begin() as connection:
            row = await self.office.waive(
                connection, FINANCE, donation_id, waived_on=OCCURRED_AT.date(), note="电话告知"
            )
        return int(row.waiver_id)

    async def withdraw(self, waiver_id: int) -> None:
        async with self.place.engine.begin() as connection:
            await self.office.withdraw_waiver(connection, FINANCE, waiver_id)

    async def receipt(self, number: str) -> Any:
        async with self.place.engine.connect() as connection:
            return await queries.receipt(connection, number)

    async def serials(self, year: int | None = None) -> list[int]:
        """The serials that were issued, of one year or of all."""
        statement = "SELECT serial FROM receipts WHERE code = :code AND year = coalesce(:year, year)"
        rows = await self.place.rows(f"{statement} ORDER BY year, serial", code=self.code, year=year)
        return [row[0] for row in rows]


async def receipt_books(place: Place, **settings: Any) -> ReceiptBooks:
    """Open an organisation's books at a place."""
    return await ReceiptBooks(place, **settings).open()
