"""What the tests of the ledger do and look at."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from services.campaign.announcements import Announcer
from services.campaign.handlers import book
from services.campaign.ledger.entries import day_of
from shared.events import Event
from shared.positions import admit
from tests.services.campaign.builders import APPROVER, FINANCE, VIEWER, a_disbursement
from tests.services.campaign.conftest import Service


async def take(service: Service, events: Sequence[Event]) -> None:
    """Book a batch as the worker does, without the broker."""
    async with service.engine.begin() as connection:
        await book(connection, Announcer(partitions=4), await admit(connection, events))


async def read(service: Service, path: str, **query: Any) -> Any:
    """What the ledger answers a viewer."""
    answer = await service.operator(VIEWER).get(f"/ledger{path}", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def require_exact(service: Service) -> dict[str, Any]:
    """The ledger's check, which must find nothing."""
    found: dict[str, Any] = await read(service, "/check")
    assert found["exact"], found
    return found


async def balances(service: Service, campaign_id: str, **query: Any) -> dict[str, int]:
    """Each account's balance in a campaign's trial balance, which must be zero in total."""
    found = await read(service, "/trial-balance", campaign_id=campaign_id, **query)
    assert found["difference_fen"] == 0
    return {line["account"]: line["balance_fen"] for line in found["lines"]}


async def an_approved(service: Service, campaign_id: str, amount_fen: int, **changes: Any) -> str:
    """The id of a disbursement that can be paid."""
    asked = await service.operator(FINANCE).post(
        f"/campaigns/{campaign_id}/disbursements", a_disbursement(amount_fen, **changes)
    )
    disbursement_id: str = asked.json()["disbursement_id"]
    approved = await service.operator(APPROVER).decide(f"/disbursements/{disbursement_id}", "approve")
    assert approved.status_code == 200, approved.text
    return disbursement_id


def a_voucher(*, amount_fen: int = 600, **changes: Any) -> dict[str, Any]:
    """A channel's fee, paid from unrestricted money."""
    return {
        "day": str(day_of(datetime.now(UTC))),
        "note": f"渠道手续费 {uuid4().hex[:6]}",
        "postings": [
            {"account": "5301", "side": "debit", "amount_fen": amount_fen},
            {"account": "1002", "side": "credit", "amount_fen": amount_fen},
        ],
    } | changes


async def drafted(service: Service, path: str = "vouchers", **changes: Any) -> str:
    """The id of a draft that FINANCE has written."""
    answer = await service.operator(FINANCE).post(f"/ledger/{path}", a_voucher(**changes))
    assert answer.status_code == 201, answer.text
    draft_id: str = answer.json()["draft_id"]
    return draft_id


async def booked(service: Service, path: str = "vouchers", **changes: Any) -> int:
    """The sequence of a voucher that APPROVER has booked."""
    draft_id = await drafted(service, path, **changes)
    answer = await service.operator(APPROVER).post(f"/ledger/drafts/{draft_id}/book")
    assert answer.status_code == 200, answer.text
    sequence: int = answer.json()["sequence"]
    return sequence
