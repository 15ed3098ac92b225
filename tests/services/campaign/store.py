"""What the tests of goods in kind do and look at."""

from datetime import UTC, datetime
from typing import Any

from httpx import Response

from services.campaign.days import today_of
from tests.services.campaign.builders import APPROVER, DESK, FINANCE, VIEWER
from tests.services.campaign.conftest import Service

TODAY = today_of(datetime.now(UTC)).isoformat()


def an_item(quantity: int = 10, value_fen: int = 1_000, **changes: Any) -> dict[str, Any]:
    """Boxes of medicine."""
    return {
        "description": "药品",
        "category": "medicine",
        "quantity": quantity,
        "unit": "箱",
        "value_fen": value_fen,
        "basis": "invoice",
        "document": "发票 0001",
        "batch": "20260101",
        "expires_on": "2199-12-31",
        "store": "一号库",
    } | changes


def a_gift(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "donor": "某某药业有限公司",
        "donor_kind": "company",
        "display": "name",
        "received_on": TODAY,
        "items": list(items) or [an_item()],
    } | changes


def a_distribution(item_id: str, quantity: int, **changes: Any) -> dict[str, Any]:
    return {
        "items": [{"item_id": item_id, "quantity": quantity}],
        "use": "助医",
        "recipient": "某某医院",
        "beneficiaries": 12,
        "beneficiary_unit": "person_times",
        "distributed_on": TODAY,
    } | changes


def a_write_off(item_id: str, quantity: int, **changes: Any) -> dict[str, Any]:
    return {
        "items": [{"item_id": item_id, "quantity": quantity}],
        "cause": "damaged",
        "written_off_on": TODAY,
        "reason": "受潮",
    } | changes


def a_return(item_id: str, quantity: int, **changes: Any) -> dict[str, Any]:
    return {
        "items": [{"item_id": item_id, "quantity": quantity}],
        "returned_on": TODAY,
        "reason": "医院退回",
    } | changes


def a_reversal(item_id: str, quantity: int, **changes: Any) -> dict[str, Any]:
    return {
        "items": [{"item_id": item_id, "quantity": quantity}],
        "kind": "sent_back",
        "reversed_on": TODAY,
        "reason": "捐赠方收回",
    } | changes


async def entered(service: Service, campaign_id: str, *items: dict[str, Any], **changes: Any) -> Any:
    """A gift that DESK has entered."""
    path = f"/campaigns/{campaign_id}/goods-gifts"
    answer = await service.operator(DESK).post(path, a_gift(*items, **changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


async def given(service: Service, campaign_id: str, *items: dict[str, Any], **changes: Any) -> Any:
    """A gift that DESK has entered and FINANCE has counted."""
    gift = await entered(service, campaign_id, *items, **changes)
    path, counted = f"/goods-gifts/{gift['gift_id']}/confirm", {"value_fen": gift["value_fen"]}
    answer = await service.operator(FINANCE).post(path, counted, if_match='"1"')
    assert answer.status_code == 200, answer.text
    return answer.json()


async def asked(service: Service, path: str, body: dict[str, Any]) -> str:
    """The id of a movement that FINANCE has asked for."""
    answer = await service.operator(FINANCE).post(path, body)
    assert answer.status_code == 201, answer.text
    movement_id: str = answer.json()["movement_id"]
    return movement_id


async def approved(service: Service, movement_id: str, person: str = APPROVER) -> Response:
    """The answer to the approval of what nobody has touched since it was asked for."""
    path = f"/goods-movements/{movement_id}/approve"
    return await service.operator(person).post(path, if_match='"1"')


async def done(service: Service, path: str, body: dict[str, Any]) -> Any:
    """A movement that FINANCE has asked for and APPROVER has approved."""
    answer = await approved(service, await asked(service, path, body))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def figures(service: Service, campaign_id: str) -> dict[str, int]:
    """A campaign's goods, which must add up."""
    answer = await service.operator(VIEWER).get(f"/campaigns/{campaign_id}/goods")
    assert answer.status_code == 200, answer.text
    found: dict[str, int] = answer.json()
    kept_fen = found["received_fen"] - found["reversed_fen"]
    out_fen = found["distributed_fen"] - found["returned_fen"]
    assert kept_fen == out_fen + found["written_off_fen"] + found["in_store_fen"]
    return found
